package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/tollkeeper/tollkeeper/api/gen"
	"github.com/tollkeeper/tollkeeper/internal/app"
	"github.com/tollkeeper/tollkeeper/internal/config"
	"github.com/tollkeeper/tollkeeper/internal/notify"
)

func newNotifyCmd() *cobra.Command {
	cmd := &cobra.Command{Use: "notify", Short: "Try whether alerts reach who is to be told of them (webhooks), and see what became of those that were sent"}
	cmd.AddCommand(notifyTest(), notifyStatus())
	return cmd
}

// notifyResult is what `notify test --json` prints, a line for each receiver.
type notifyResult struct {
	Receiver  string `json:"receiver"`
	Delivered bool   `json:"delivered"`
	Host      string `json:"host"`
	Format    string `json:"format"`
	MessageID string `json:"message_id"`
	Status    int    `json:"status,omitempty"` // of HTTP; absent without an answer
	Problem   string `json:"problem,omitempty"`
	TookMs    int64  `json:"took_ms"`
}

// who names the receiver; the one that notify-url sets has no other name than its host.
func (r *notifyResult) who() string {
	if r.Receiver == config.DefaultReceiver {
		return r.Host
	}
	return r.Receiver + " (" + r.Host + ")"
}

func notifyTest() *cobra.Command {
	var asJSON bool
	cmd := &cobra.Command{
		Use: "test [RECEIVER...]", Short: "Send each receiver one message, marked as a test, and say what came back",
		Long: "Send one message, marked as a test, to each of the named receivers, or to all, with the settings of 'serve': notify-url and the\n" +
			"file notify-receivers. No server has to run. Where the format is pagerduty that opens an incident of the urgency info, for a\n" +
			"person to resolve. Exit 1 when a receiver did not take it, 2 when the settings are not valid.",
		Example: "  TOLLKEEPER_NOTIFY_URL_FILE=url TOLLKEEPER_NOTIFY_FORMAT=slack tollkeeper notify test\n" +
			"  tollkeeper notify test --notify-receivers receivers.yaml on-call\n" +
			"  tollkeeper notify test --config tollkeeper.yaml --json",
	}
	load := settings(cmd)
	concerning(cmd, "notify-url", "notify-secret", "notify-format", "notify-insecure", "notify-receivers")
	cmd.Flags().BoolVar(&asJSON, "json", false, "print JSON, a line for each receiver")
	cmd.RunE = func(cmd *cobra.Command, names []string) error {
		c, err := load()
		if err != nil {
			return err
		}
		list, err := chosen(c, names)
		if err != nil {
			return err
		}
		var refused []error
		for i := range list {
			r := try(cmd, &list[i])
			if err := cmd.Context().Err(); err != nil {
				return err
			}
			if asJSON {
				if err := json.NewEncoder(cmd.OutOrStdout()).Encode(r); err != nil {
					return err
				}
			} else if r.Delivered {
				fmt.Fprintf(cmd.OutOrStdout(), "%s took the message: it answered %d after %d ms\n", r.who(), r.Status, r.TookMs)
			}
			if !r.Delivered {
				refused = append(refused, fmt.Errorf("%s did not take the message: %s", r.who(), r.Problem))
			}
		}
		if len(refused) > 0 {
			return failed{errors.Join(refused...)}
		}
		return nil
	}
	return cmd
}

// chosen are the receivers with these names, without names all.
func chosen(c config.Config, names []string) ([]app.Receiver, error) {
	list, err := app.Receivers(c, version)
	if err != nil {
		return nil, err
	}
	if len(list) == 0 {
		return nil, errors.New("notify-url: is empty, so nobody is told of alerts; set it as for 'serve', by --config or TOLLKEEPER_NOTIFY_URL_FILE, or name several in a file with --notify-receivers")
	}
	known := make([]string, len(list))
	for i := range list {
		known[i] = list[i].Name
	}
	for _, n := range names {
		if !slices.Contains(known, n) {
			return nil, fmt.Errorf("there is no receiver %q; there are %s", n, strings.Join(known, ", "))
		}
	}
	if len(names) == 0 {
		return list, nil
	}
	return slices.DeleteFunc(list, func(r app.Receiver) bool { return !slices.Contains(names, r.Name) }), nil
}

func try(cmd *cobra.Command, r *app.Receiver) notifyResult {
	m, began := notify.Test(time.Now()), time.Now()
	a := r.Sender.Send(cmd.Context(), m)
	return notifyResult{r.Name, a.Delivered(), r.Sender.Host(), r.Format, m.ID, a.Status, a.Problem, time.Since(began).Milliseconds()}
}

func notifyStatus() *cobra.Command {
	r := &remote{}
	cmd := &cobra.Command{
		Use: "status", Short: "List who is told of alerts by a running server, and whether it arrives", Args: cobra.NoArgs,
		Long: "List the receivers of a running server: messages that each took, that wait, and that it would not have. It exits with 0 whether\n" +
			"or not they arrive; 'tollkeeper notify test' tries.",
	}
	r.flags(cmd)
	cmd.RunE = func(cmd *cobra.Command, _ []string) error {
		var list gen.ReceiverList
		if printed, err := r.call(cmd, http.MethodGet, "/v1/receivers", nil, &list); err != nil || printed {
			return err
		}
		if len(list.Items) == 0 {
			fmt.Fprintln(cmd.OutOrStdout(), "nobody is told of alerts; set notify-url or notify-receivers")
			return nil
		}
		return table(cmd.OutOrStdout(), func(row func(...any)) {
			row("RECEIVER", "HOST", "FORMAT", "STATE", "TOOK", "LAST", "WAITING", "SINCE", "REFUSED", "PROBLEM")
			for i := range list.Items {
				v := &list.Items[i]
				row(v.Name, v.Host, v.Format, string(v.State), v.Delivered, v.DeliveredAt, v.Waiting, v.OldestAt, v.Refused, v.Problem)
			}
		})
	}
	return cmd
}
