package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"os"
	"strings"

	"github.com/spf13/cobra"

	"github.com/tollkeeper/tollkeeper/api/gen"
)

func newPolicyHistoryCmd() *cobra.Command {
	r := &remote{}
	cmd := &cobra.Command{Use: "history", Short: "List the policy files that were in force on a server", Args: cobra.NoArgs}
	r.flags(cmd)
	cmd.RunE = func(cmd *cobra.Command, _ []string) error {
		var list gen.PolicyList
		if printed, err := r.call(cmd, http.MethodGet, "/v1/policies", nil, &list); err != nil || printed {
			return err
		}
		w := cmd.OutOrStdout()
		fmt.Fprintf(w, "in force: %s\n", list.InForce)
		if list.Problem != "" {
			fmt.Fprintf(w, "the file as it is now is not: %s\n", list.Problem)
		}
		return table(w, func(row func(...any)) {
			row("REVISION", "FIRST", "LAST", "HOST", "")
			for _, p := range list.Items {
				mark := ""
				if p.InForce {
					mark = "in force"
				}
				row(p.Revision, p.FirstAt, p.LastAt, p.Host, mark)
			}
		})
	}
	return cmd
}

func newPolicyShowCmd() *cobra.Command {
	r := &remote{}
	cmd := &cobra.Command{
		Use: "show REVISION", Short: "Print a policy file that was in force", Args: cobra.ExactArgs(1),
		Long:    "Print a policy file that was in force. To have it back, write it over the present file: the server takes it within seconds.",
		Example: "  tollkeeper policy show 9f86d081884c > policy.yaml",
	}
	r.flags(cmd)
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		var p gen.PolicyRevision
		if printed, err := r.call(cmd, http.MethodGet, "/v1/policies/"+url.PathEscape(args[0]), nil, &p); err != nil || printed {
			if _, unknown := errors.AsType[notFound](err); unknown {
				return failed{fmt.Errorf("there is no revision %s; 'tollkeeper policy history' lists those that were in force", args[0])}
			}
			return err
		}
		_, err := io.WriteString(cmd.OutOrStdout(), p.Content)
		return err
	}
	return cmd
}

func newPolicyDiffCmd() *cobra.Command {
	r := &remote{}
	cmd := &cobra.Command{
		Use: "diff REVISION OTHER", Short: "Show what differs between two policy files", Args: cobra.ExactArgs(2),
		Long: "Show what differs between two policy files; each is a revision that was in force, or a file.",
	}
	r.flags(cmd)
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		var lines [2][]string
		for i, arg := range args {
			content, err := os.ReadFile(arg)
			if err != nil {
				var p gen.PolicyRevision
				if err := r.read(cmd.Context(), "/v1/policies/"+url.PathEscape(arg), &p); err != nil {
					if _, unknown := errors.AsType[notFound](err); unknown {
						return failed{fmt.Errorf("%s is no file here and no revision there; 'tollkeeper policy history' lists those", arg)}
					}
					return err
				}
				content = []byte(p.Content)
			}
			lines[i] = strings.Split(strings.TrimRight(string(content), "\n"), "\n")
		}
		diff := diffLines(lines[0], lines[1])
		if r.asJSON {
			return printDiffJSON(cmd.OutOrStdout(), args[0], args[1], diff)
		}
		for _, l := range diff {
			fmt.Fprintln(cmd.OutOrStdout(), l)
		}
		return nil
	}
	return cmd
}

func printDiffJSON(w io.Writer, from, to string, diff []string) error {
	type line struct {
		Change string `json:"change"`
		Text   string `json:"text"`
	}
	lines := make([]line, len(diff))
	for i, l := range diff {
		lines[i] = line{Change: map[byte]string{' ': "same", '-': "removed", '+': "added"}[l[0]], Text: l[2:]}
	}
	return json.NewEncoder(w).Encode(map[string]any{"from": from, "to": to, "lines": lines})
}

// diffLines lists lines with what has become of them in front, by their longest common subsequence. Its time and memory
// grow with the product of the lengths: it is for files that people write.
func diffLines(a, b []string) []string {
	common := make([][]int, len(a)+1) // common[i][j]: length for a[i:] and b[j:]
	for i := range common {
		common[i] = make([]int, len(b)+1)
	}
	for i := len(a) - 1; i >= 0; i-- {
		for j := len(b) - 1; j >= 0; j-- {
			if a[i] == b[j] {
				common[i][j] = common[i+1][j+1] + 1
			} else {
				common[i][j] = max(common[i+1][j], common[i][j+1])
			}
		}
	}
	var out []string
	i, j := 0, 0
	for i < len(a) || j < len(b) {
		switch {
		case i < len(a) && j < len(b) && a[i] == b[j]:
			out = append(out, "  "+a[i])
			i, j = i+1, j+1
		case j == len(b) || i < len(a) && common[i+1][j] >= common[i][j+1]:
			out = append(out, "- "+a[i])
			i++
		default:
			out = append(out, "+ "+b[j])
			j++
		}
	}
	return out
}
