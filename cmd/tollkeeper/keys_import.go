package main

import (
	"cmp"
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"strings"

	"github.com/spf13/cobra"

	"github.com/tollkeeper/tollkeeper/api/gen"
)

// importedKey is what became of one line.
type importedKey struct {
	Line int `json:"line"`
	gen.KeyImportResult
}

// keysImported is what became of a file.
type keysImported struct {
	DryRun   bool          `json:"dry_run"`
	Imported int64         `json:"imported"`
	Known    int64         `json:"known"`
	Refused  int64         `json:"refused"`
	Items    []importedKey `json:"items"`
}

func keysImport(r *remote) *cobra.Command {
	var account, environment string
	var dry bool
	cmd := &cobra.Command{
		Use: "import FILE", Short: "Take over keys that were made elsewhere and stay in use", Args: cobra.ExactArgs(1),
		Long: "FILE is a CSV file whose first line names its columns, or has a JSON object on each line; - is standard input. Columns, and\n" +
			"fields, are secret (the key as its holder sends it) and, as far as wanted, " + strings.Join(importColumns[1:], ", ") + ";\n" +
			"in CSV the parts of a list are divided by semicolons. JSON takes metadata, too. Only hashes of the keys are kept.\n" +
			"A key that is there already stays as it is, so an import that was broken off may be repeated. A line that is refused keeps\n" +
			"no other out; exit 1 when there is one.",
		Example: "  tollkeeper keys import --dry-run keys.csv\n  tollkeeper keys import --account acct_1 keys.jsonl",
	}
	cmd.Flags().StringVar(&account, "account", "", "account of the keys whose line names none")
	cmd.Flags().StringVar(&environment, "environment", "", "environment of those whose line names none: live, as is the default, or test")
	cmd.Flags().BoolVar(&dry, "dry-run", false, "only say what would come of it")
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		in, size, end, err := openKeys(args[0], cmd.InOrStdin())
		if err != nil {
			return err
		}
		defer end()
		done := keysImported{DryRun: dry, Items: []importedKey{}}
		bar := progress(cmd.ErrOrStderr(), "importing")
		err = eachImport(in, func(lines []int, list []gen.KeyImport, read int64) error {
			for i := range list {
				list[i].AccountId = cmp.Or(list[i].AccountId, account)
				list[i].Environment = cmp.Or(list[i].Environment, environment)
			}
			bar.set(read, max(size, read))
			return done.send(cmd.Context(), r, lines, list)
		})
		bar.end()
		if shown := done.show(cmd, r.asJSON); err == nil {
			err = shown
		}
		if err == nil && done.Refused > 0 {
			err = failed{fmt.Errorf("%d keys were refused", done.Refused)}
		}
		return err
	}
	return cmd
}

// send imports some keys and adds what became of them.
func (k *keysImported) send(ctx context.Context, r *remote, lines []int, list []gen.KeyImport) error {
	raw, err := r.ask(ctx, http.MethodPost, "/v1/keys/import", gen.KeyImportRequest{Keys: list, DryRun: k.DryRun})
	if err != nil {
		return fmt.Errorf("lines %d to %d, and none after them: %w", lines[0], lines[len(lines)-1], err)
	}
	var answer gen.KeyImportAnswer
	if err := decode(raw, &answer); err != nil {
		return err
	}
	if len(answer.Items) != len(list) {
		return failed{fmt.Errorf("the server answered for %d keys of %d; is it another version?", len(answer.Items), len(list))}
	}
	k.Imported, k.Known, k.Refused = k.Imported+answer.Imported, k.Known+answer.Known, k.Refused+answer.Refused
	for i, item := range answer.Items {
		k.Items = append(k.Items, importedKey{lines[i], item})
	}
	return nil
}

// refusedShown is how many refused lines are told one by one.
const refusedShown = 20

func (k *keysImported) show(cmd *cobra.Command, asJSON bool) error {
	w := cmd.OutOrStdout()
	if asJSON {
		return json.NewEncoder(w).Encode(k)
	}
	shown, revoked := 0, 0
	for _, item := range k.Items {
		if item.Outcome == gen.KeyImportOutcomeKnown && item.Status != gen.KeyStatusActive && item.Status != "" {
			revoked++
		}
		if item.Outcome != gen.KeyImportOutcomeRefused {
			continue
		}
		if shown++; shown <= refusedShown {
			fmt.Fprintf(w, "line %d is refused: %s\n", item.Line, item.Problem)
		}
	}
	if shown > refusedShown {
		fmt.Fprintf(w, "and %d more; --json tells all\n", shown-refusedShown)
	}
	verb := "were imported"
	if k.DryRun {
		verb = "would be imported"
	}
	_, err := fmt.Fprintf(w, "%d keys %s, %d are known already, %d are refused\n", k.Imported, verb, k.Known, k.Refused)
	if revoked > 0 {
		fmt.Fprintf(w, "%d of the known are suspended, revoked or expired, and stay so\n", revoked)
	}
	return err
}
