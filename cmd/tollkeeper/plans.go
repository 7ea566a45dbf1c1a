package main

import (
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"os"
	"strconv"
	"strings"

	"github.com/spf13/cobra"
	"go.yaml.in/yaml/v3"

	"github.com/tollkeeper/tollkeeper/api/gen"
)

func newPlansCmd() *cobra.Command {
	r := &remote{}
	cmd := &cobra.Command{
		Use: "plans", Short: "List, draft and publish plans: what accounts pay and may use, on a running server",
		Long: "A plan has versions. A draft may be written again and again; a published version never changes, and holds for an account\n" +
			"from its next period on. Accounts without a subscription are on the plan named default.",
	}
	r.flags(cmd)
	cmd.AddCommand(plansList(r), plansShow(r), plansDraft(r), plansPublish(r))
	return cmd
}

func plansList(r *remote) *cobra.Command {
	var at paging
	cmd := &cobra.Command{Use: "list", Short: "List the newest version of every plan", Args: cobra.NoArgs}
	at.flags(cmd)
	cmd.RunE = func(cmd *cobra.Command, _ []string) error {
		var page gen.PlanPage
		if printed, err := r.call(cmd, http.MethodGet, "/v1/plans"+at.query(), nil, &page); err != nil || printed {
			return err
		}
		err := table(cmd.OutOrStdout(), func(row func(...any)) {
			row("ID", "VERSION", "STATUS", "NAME", "CURRENCY", "CHARGES", "QUOTAS")
			for _, p := range page.Items {
				row(p.Id, p.Version, p.Status, p.Name, p.Currency, len(p.Charges), len(p.Quotas))
			}
		})
		more(cmd, page.NextCursor)
		return err
	}
	return cmd
}

func plansShow(r *remote) *cobra.Command {
	var version int
	cmd := &cobra.Command{Use: "show ID", Short: "Print a plan as a file that 'plans draft' takes", Args: cobra.ExactArgs(1)}
	cmd.Flags().IntVar(&version, "version", 0, "version; 0: the newest")
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		asked := ""
		if version != 0 {
			asked = query("version", strconv.Itoa(version))
		}
		var p gen.Plan
		if printed, err := r.call(cmd, http.MethodGet, "/v1/plans/"+url.PathEscape(args[0])+asked, nil, &p); err != nil || printed {
			return err
		}
		// By way of JSON, whose names and strings the API takes back.
		raw, err := json.Marshal(gen.PlanDraft{Name: p.Name, Currency: p.Currency, Meters: p.Meters, Charges: p.Charges, Quotas: p.Quotas})
		if err != nil {
			return fmt.Errorf("print the plan: %w", err)
		}
		var tree yaml.Node
		if err := yaml.Unmarshal(raw, &tree); err != nil {
			return fmt.Errorf("print the plan: %w", err)
		}
		blockStyle(&tree)
		fmt.Fprintf(cmd.OutOrStdout(), "# %s version %d, %s\n", p.Id, p.Version, p.Status)
		out := yaml.NewEncoder(cmd.OutOrStdout())
		out.SetIndent(2)
		return out.Encode(&tree)
	}
	return cmd
}

// blockStyle lays out as YAML is written what was JSON; strings stay in quotes, so that amounts stay strings.
func blockStyle(n *yaml.Node) {
	if n.Kind != yaml.ScalarNode {
		n.Style = 0
	}
	for i, c := range n.Content {
		blockStyle(c)
		if n.Kind == yaml.MappingNode && i%2 == 0 {
			c.Style = 0
		}
	}
}

func plansDraft(r *remote) *cobra.Command {
	return &cobra.Command{
		Use: "draft ID FILE", Short: "Write the next version of a plan, from a YAML or JSON file; - is standard input", Args: cobra.ExactArgs(2),
		Example: "  tollkeeper plans show default > growth.yaml   # a file to begin with\n" +
			"  tollkeeper plans draft growth growth.yaml\n" +
			"  tollkeeper plans publish growth 1",
		RunE: func(cmd *cobra.Command, args []string) error {
			raw, err := readFileOr(cmd.InOrStdin(), args[1])
			if err != nil {
				return err
			}
			var body map[string]any
			if err := yaml.Unmarshal(raw, &body); err != nil {
				return fmt.Errorf("%s: %w", args[1], err)
			}
			var p gen.Plan
			if printed, err := r.call(cmd, http.MethodPost, "/v1/plans/"+url.PathEscape(args[0])+"/versions", body, &p); err != nil || printed {
				return err
			}
			fmt.Fprintf(cmd.OutOrStdout(), "%s version %d is a draft; put it in force with: tollkeeper plans publish %s %d\n", p.Id, p.Version, p.Id, p.Version)
			return nil
		},
	}
}

func plansPublish(r *remote) *cobra.Command {
	return &cobra.Command{
		Use: "publish ID VERSION", Short: "Put a draft in force, for good; accounts move to it with their next period", Args: cobra.ExactArgs(2),
		RunE: func(cmd *cobra.Command, args []string) error {
			var p gen.Plan
			path := "/v1/plans/" + url.PathEscape(args[0]) + "/versions/" + url.PathEscape(args[1]) + "/publish"
			if printed, err := r.call(cmd, http.MethodPost, path, nil, &p); err != nil || printed {
				return err
			}
			fmt.Fprintf(cmd.OutOrStdout(), "%s version %d is published\n", p.Id, p.Version)
			return nil
		},
	}
}

func readFileOr(in io.Reader, name string) ([]byte, error) {
	if name == "-" {
		return io.ReadAll(in)
	}
	raw, err := os.ReadFile(name)
	if err != nil {
		return nil, fmt.Errorf("%w; name the file, or - for standard input", err)
	}
	if strings.TrimSpace(string(raw)) == "" {
		return nil, fmt.Errorf("%s is empty", name)
	}
	return raw, nil
}
