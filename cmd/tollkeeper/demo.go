package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"time"

	"github.com/spf13/cobra"

	"github.com/tollkeeper/tollkeeper/internal/app"
	"github.com/tollkeeper/tollkeeper/internal/config"
	"github.com/tollkeeper/tollkeeper/internal/demo"
)

func newDemoCmd() *cobra.Command {
	var once bool
	var theftAfter, within time.Duration
	cmd := &cobra.Command{
		Use: "demo", Short: "Watch a key being stolen, found and suspended, with simulated customers", Args: cobra.NoArgs,
		Long: "Start everything embedded with thirty simulated customers and two weeks of history. After a while one key is stolen;\n" +
			"the terminal tells what happens. The state is kept in the data folder, so that a second start is quick.",
	}
	load := settings(cmd, quiet, func(c *config.Config) { c.Data = app.DemoData(c.Data) })
	cmd.Flags().BoolVar(&once, "once", false, "end after the thief was refused; exit 1 when nothing was suspended in time")
	cmd.Flags().DurationVar(&theftAfter, "theft-after", 20*time.Second, "how long after the start of live traffic the key is stolen")
	cmd.Flags().DurationVar(&within, "within", 3*time.Minute, "with --once: how long the suspension may take")
	cmd.RunE = func(cmd *cobra.Command, _ []string) error {
		c, err := load()
		if err != nil {
			return err
		}
		if len(c.Topics) == 0 {
			return errors.New("topics: is empty; the demo's gateway writes to the first of them")
		}
		// The simulated gateway is on this machine and says whose call it asks about.
		c.TrustedProxies = append(c.TrustedProxies, "127.0.0.0/8", "::1/128")
		began := time.Now()
		a, err := app.Start(cmd.Context(), appOptions(cmd, c, true))
		if err != nil {
			return err
		}
		return stopped(a, playDemo(cmd.Context(), cmd, a, c.Data, c.Topics[0], began, once, theftAfter, within))
	}
	return cmd
}

func playDemo(ctx context.Context, cmd *cobra.Command, a *app.App, folder, topic string, began time.Time, once bool, theftAfter, within time.Duration) error {
	out := cmd.OutOrStdout()
	bar := progress(cmd.ErrOrStderr(), "two weeks of history")
	p, err := demo.Open(ctx, demo.Config{
		App: a, Folder: folder, Topic: topic, Out: out, Log: a.Log, TheftAfter: theftAfter,
		Progress: func(done, total time.Duration, calls int) { bar.set(int64(done/time.Minute), int64(total/time.Minute)) },
	})
	bar.end()
	if err != nil {
		return failed{err}
	}
	defer p.Close()
	if p.Seeded > 0 {
		fmt.Fprintf(out, "%d calls of %d customers are in ClickHouse\n", p.Seeded, p.Customers())
	}
	fmt.Fprintf(out, "ready after %s\n", time.Since(began).Round(10*time.Millisecond))
	if err := greet(ctx, out, a, folder); err != nil {
		return failed{err}
	}
	return watch(ctx, out, a, p, once, theftAfter+within)
}

func watch(ctx context.Context, out io.Writer, a *app.App, p *demo.Platform, once bool, within time.Duration) error {
	live, cancel := context.WithCancel(ctx)
	defer cancel()
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		p.Live(live)
	}()
	defer func() { cancel(); <-ended }()
	var late <-chan time.Time
	if once {
		timer := time.NewTimer(within)
		defer timer.Stop()
		late = timer.C
	}
	broken := make(chan error, 1)
	go func() { broken <- a.Wait(live) }()
	for {
		select {
		case <-ctx.Done():
			return nil
		case err := <-broken:
			if err != nil {
				return failed{err}
			}
			return nil
		case <-late:
			return failed{errors.New("nothing was suspended in time")}
		case s := <-p.Refused():
			fmt.Fprintf(out, "%s\n", s)
			if once {
				return nil
			}
			fmt.Fprintln(out, "The traffic goes on until Ctrl-C. Reinstate the key on the dashboard and the thief comes back.")
		}
	}
}
