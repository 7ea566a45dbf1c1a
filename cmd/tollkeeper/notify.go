package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"github.com/spf13/cobra"

	"github.com/tollkeeper/tollkeeper/internal/app"
	"github.com/tollkeeper/tollkeeper/internal/notify"
)

func newNotifyCmd() *cobra.Command {
	cmd := &cobra.Command{Use: "notify", Short: "Try whether alerts reach who is to be told of them (webhooks)"}
	cmd.AddCommand(notifyTest())
	return cmd
}

// notifyResult is what `notify test --json` prints.
type notifyResult struct {
	Delivered bool   `json:"delivered"`
	Host      string `json:"host"`
	Format    string `json:"format"`
	MessageID string `json:"message_id"`
	Status    int    `json:"status,omitempty"` // of HTTP; absent without an answer
	Problem   string `json:"problem,omitempty"`
	TookMs    int64  `json:"took_ms"`
}

func notifyTest() *cobra.Command {
	var asJSON bool
	cmd := &cobra.Command{
		Use: "test", Short: "Send one message, marked as a test, and say what came back", Args: cobra.NoArgs,
		Long: "Send one message, marked as a test, to notify-url with the settings of 'serve'. No server has to run. Exit 1 when the\n" +
			"receiver did not take it, 2 when the settings are not valid.",
		Example: "  TOLLKEEPER_NOTIFY_URL_FILE=url TOLLKEEPER_NOTIFY_FORMAT=slack tollkeeper notify test\n" +
			"  tollkeeper notify test --config tollkeeper.yaml --json",
	}
	load := settings(cmd)
	concerning(cmd, "notify-url", "notify-secret", "notify-format", "notify-insecure")
	cmd.Flags().BoolVar(&asJSON, "json", false, "print JSON")
	cmd.RunE = func(cmd *cobra.Command, _ []string) error {
		c, err := load()
		if err != nil {
			return err
		}
		if c.NotifyURL == "" {
			return errors.New("notify-url: is empty, so nobody is told of alerts; set it as for 'serve', by --config or TOLLKEEPER_NOTIFY_URL_FILE")
		}
		s, err := app.NotifySender(c, version)
		if err != nil {
			return err
		}
		m, began := notify.Test(time.Now()), time.Now()
		a := s.Send(cmd.Context(), m)
		r := notifyResult{a.Delivered(), s.Host(), c.NotifyFormat, m.ID, a.Status, a.Problem, time.Since(began).Milliseconds()}
		if asJSON {
			if err := json.NewEncoder(cmd.OutOrStdout()).Encode(r); err != nil {
				return err
			}
		} else if r.Delivered {
			fmt.Fprintf(cmd.OutOrStdout(), "%s took the message: it answered %d after %d ms\n", r.Host, r.Status, r.TookMs)
		}
		switch {
		case cmd.Context().Err() != nil:
			return cmd.Context().Err()
		case !a.Delivered():
			return failed{fmt.Errorf("%s did not take the message: %s", r.Host, r.Problem)}
		}
		return nil
	}
	return cmd
}
