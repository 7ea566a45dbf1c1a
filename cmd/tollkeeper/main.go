// Command tollkeeper counts who passes, charges them, and stops the one with somebody else's key: it takes gateways' access
// logs from Kafka into ClickHouse exactly once, finds abused API keys and suspends them, and turns the same records into
// quotas and bills.
package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/signal"
	"slices"
	"strings"
	"syscall"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"github.com/tollkeeper/tollkeeper/internal/config"
)

// version is set by the linker.
var version = "dev"

// Exit codes: the work failed, or waited in vain for a database or ClickHouse to begin; or it could not begin because of how the
// program was called or set up; or the user stopped it before it was done (as shells have it: 128 and the number of SIGINT).
const (
	exitFailed      = 1
	exitUsage       = 2
	exitInterrupted = 130
)

// failed marks an error that came up while working; every other error is one of usage or setup.
type failed struct{ error }

func (f failed) Unwrap() error { return f.error }

// interrupted says that the user stopped the work before it was done, and what that leaves.
type interrupted string

func (i interrupted) Error() string { return string(i) }

func main() {
	ends := []os.Signal{os.Interrupt, syscall.SIGTERM}
	if !signal.Ignored(syscall.SIGHUP) { // as nohup has it
		ends = append(ends, syscall.SIGHUP)
	}
	ctx, stop := signal.NotifyContext(context.Background(), ends...)
	code := run(ctx, os.Args[1:], os.Stdin, os.Stdout, os.Stderr)
	stop()
	os.Exit(code)
}

func run(ctx context.Context, args []string, in io.Reader, out, errOut io.Writer) int {
	root := newRootCmd()
	root.SetArgs(args)
	root.SetIn(in)
	root.SetOut(out)
	root.SetErr(errOut)
	cmd, err := root.ExecuteContextC(ctx)
	if err == nil {
		return 0
	}
	err = missingFlags(cmd, err)
	var stop interrupted
	if !errors.As(err, &stop) && ctx.Err() != nil && (errors.Is(err, context.Canceled) || errors.Is(err, context.Cause(ctx))) {
		err = interrupted("interrupted")
	}
	fmt.Fprint(errOut, complaint(err))
	if errors.As(err, &stop) {
		return exitInterrupted
	}
	var f failed
	if errors.As(err, &f) {
		return exitFailed
	}
	return exitUsage
}

// complaint is one line per problem.
func complaint(err error) string {
	lines := []string{strings.Join(strings.Fields(err.Error()), " ")}
	var settings *config.Error
	var several interface{ Unwrap() []error }
	if errors.As(err, &settings) {
		lines = strings.Split(settings.Error(), "\n")
	} else if errors.As(err, &several) && len(several.Unwrap()) > 1 {
		lines = nil
		for _, e := range several.Unwrap() {
			lines = append(lines, strings.Join(strings.Fields(e.Error()), " "))
		}
	}
	return "tollkeeper: " + strings.Join(lines, "\ntollkeeper: ") + "\n"
}

func newRootCmd() *cobra.Command {
	root := &cobra.Command{
		Use:   "tollkeeper",
		Short: "Counts API calls exactly once, finds abused keys, suspends them, and bills the rest",
		Long: "Tollkeeper takes gateways' access logs from Kafka into ClickHouse exactly once, learns how every API key is\n" +
			"normally used, suspends the key that is being abused, and turns the same records into quotas and tiered bills.\n\n" +
			"Start with 'tollkeeper demo'.",
		SilenceErrors: true,
		SilenceUsage:  true,
		Version:       version,
	}
	root.AddCommand(
		newServeCmd(), newDemoCmd(), newStatusCmd(), newImportCmd(), newShipCmd(), newKeysCmd(), newAlertsCmd(), newNotifyCmd(),
		newAccountsCmd(), newPlansCmd(), newUsageCmd(), newStatementsCmd(), newLoginCmd(), newTokensCmd(), newPepperCmd(),
		newDeadLettersCmd(), newAuditCmd(), newTrailCmd(), newFormatsCmd(), newBacktestCmd(), newPolicyCmd(),
		newConfigCmd(), newVersionCmd(), newEngineCmd(),
	)
	explain(root)
	return root
}

// settings adds the program's settings to a command and returns what reads them once its flags are parsed. A command may
// have defaults of its own.
func settings(cmd *cobra.Command, own ...func(*config.Config)) func() (config.Config, error) {
	def := config.Default()
	for _, set := range own {
		set(&def)
	}
	config.Flags(cmd.Flags(), def)
	return func() (config.Config, error) { return config.Load(cmd.Flags(), os.Environ(), def) }
}

// concerning leaves the settings that a command makes no use of out of its help. They are taken all the same: the file of settings
// and the environment are those of the server.
func concerning(cmd *cobra.Command, names ...string) {
	all := pflag.NewFlagSet("", pflag.ContinueOnError)
	config.Flags(all, config.Default())
	all.VisitAll(func(f *pflag.Flag) {
		if !slices.Contains(names, f.Name) && !slices.Contains(always, f.Name) {
			cmd.Flags().Lookup(f.Name).Hidden = true
		}
	})
}

// always concern a command that has settings.
var always = []string{"config", "data", "format", "mapping", "trusted-hops", "database", "log-level", "log-format"}

// quiet is for commands whose own output is what matters.
func quiet(c *config.Config) { c.LogLevel = "warn" }
