package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"time"

	"github.com/spf13/cobra"

	"github.com/tollkeeper/tollkeeper/internal/app"
	"github.com/tollkeeper/tollkeeper/internal/config"
	"github.com/tollkeeper/tollkeeper/internal/telemetry"
)

// stopWithin is how long an orderly end may take.
const stopWithin = 30 * time.Second

func newServeCmd() *cobra.Command {
	cmd := &cobra.Command{
		Use: "serve", Short: "Run Tollkeeper", Args: cobra.NoArgs,
		Long: "Run Tollkeeper: take access logs in, watch the keys, answer the API. Without settings everything is embedded and\n" +
			"state lies in ./data; see 'tollkeeper config print' for what can be set.",
	}
	load := settings(cmd)
	cmd.RunE = func(cmd *cobra.Command, _ []string) error {
		c, err := load()
		if err != nil {
			return err
		}
		a, err := start(cmd.Context(), cmd, c, false)
		if err != nil {
			return err
		}
		w := cmd.ErrOrStderr()
		if err := greet(cmd.Context(), w, a, c.Data); err != nil {
			return stopped(a, failed{err})
		}
		err = a.Wait(cmd.Context())
		if err != nil {
			err = failed{err}
		}
		return stopped(a, err)
	}
	return cmd
}

// start starts the program with the command's settings.
func start(ctx context.Context, cmd *cobra.Command, c config.Config, tool bool) (*app.App, error) {
	o := appOptions(cmd, c, false)
	o.Tool = tool
	a, err := app.Start(ctx, o)
	return a, absent(err)
}

// absent tells a part that is not there yet, for which a supervisor may start the program again, from settings that no start mends.
func absent(err error) error {
	if _, ok := errors.AsType[*app.AbsentError](err); ok {
		return failed{err}
	}
	return err
}

func appOptions(cmd *cobra.Command, c config.Config, simulated bool) app.Options {
	return app.Options{
		Config: c, Logger: logger(cmd, c), Registry: telemetry.Registry(version, commit()), Version: version, Simulated: simulated,
	}
}

func logger(cmd *cobra.Command, c config.Config) *slog.Logger {
	return telemetry.Logger(cmd.ErrOrStderr(), c.LogLevel, c.LogFormat)
}

// stopped ends the program in order and keeps the first error.
func stopped(a *app.App, err error) error {
	ctx, cancel := context.WithTimeout(context.Background(), stopWithin)
	defer cancel()
	if e := a.Stop(ctx); e != nil && err == nil {
		return failed{e}
	}
	return err
}

// greet tells where everything is, with a one-time link for the first administrator, unless that would stay in a log.
func greet(ctx context.Context, w io.Writer, a *app.App, folder string) error {
	if !a.Answers() {
		fmt.Fprintf(w, "\n  Tollkeeper %s, role ingest\n", version)
		fmt.Fprintf(w, "  ├─ health     %s/readyz   figures at %s/metrics\n", a.URL(), a.URL())
		fmt.Fprintf(w, "  ├─ Kafka      %s\n", a.Brokers()[0])
		fmt.Fprintf(w, "  └─ stop       Ctrl-C\n\n")
		return nil
	}
	where := ""
	if folder != config.Default().Data {
		where = " --data " + folder
	}
	dashboard := a.URL() + "   (a link to it: tollkeeper login" + where + ")"
	if !kept(w) {
		link, err := a.AdminLink(ctx)
		if err != nil {
			return err
		}
		dashboard = link + "   (once, within 30 minutes)"
	}
	fmt.Fprintf(w, "\n  Tollkeeper %s\n", version)
	fmt.Fprintf(w, "  ├─ dashboard  %s\n", dashboard)
	fmt.Fprintf(w, "  ├─ API        %s/v1   documentation at %s/docs\n", a.URL(), a.URL())
	fmt.Fprintf(w, "  ├─ Kafka      %s\n", a.Brokers()[0])
	fmt.Fprintf(w, "  ├─ commands   tollkeeper status%s, keys, alerts, accounts, ...\n", where)
	fmt.Fprintf(w, "  └─ stop       Ctrl-C\n\n")
	return nil
}

// kept says that what is written to w stays: in a file, or in the journal, which hands its services a socket. A pipe has a
// reader, as a container's has, and that is where its owner looks for the link.
func kept(w io.Writer) bool {
	f, ok := w.(*os.File)
	if !ok {
		return false
	}
	info, err := f.Stat()
	return err == nil && (info.Mode().IsRegular() || info.Mode()&os.ModeSocket != 0)
}
