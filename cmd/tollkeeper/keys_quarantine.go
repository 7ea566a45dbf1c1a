package main

import (
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"time"

	"github.com/spf13/cobra"

	"github.com/tollkeeper/tollkeeper/api/gen"
)

// denied is by what a quarantine recognises a client: a network, a client family, or one family in a network.
type denied struct{ asn, cidr, agent string }

func (d *denied) flags(cmd *cobra.Command) {
	cmd.Flags().StringVar(&d.asn, "asn", "", "number of the network operator, such as 64500")
	cmd.Flags().StringVar(&d.cidr, "cidr", "", "address or network, such as 198.51.100.0/24")
	cmd.Flags().StringVar(&d.agent, "agent", "", "client family, such as python-requests; with --asn or --cidr only this one in that network")
}

// body is what the API takes, empty when nothing is named.
func (d *denied) body(reason string) (map[string]any, error) {
	b := map[string]any{"reason": reason}
	if d.asn != "" && d.cidr != "" {
		return nil, errors.New("name either --asn or --cidr")
	}
	switch {
	case d.asn != "":
		b["kind"], b["value"] = gen.QuarantineKindAsn, d.asn
	case d.cidr != "":
		b["kind"], b["value"] = gen.QuarantineKindCidr, d.cidr
	case d.agent != "":
		b["kind"], b["value"] = gen.QuarantineKindAgent, d.agent
		return b, nil
	}
	if d.agent != "" {
		b["agent"] = d.agent
	}
	return b, nil
}

func keysQuarantine(r *remote) *cobra.Command {
	var d denied
	var reason string
	var period time.Duration
	cmd := &cobra.Command{
		Use: "quarantine ID", Short: "Refuse some clients of a key and serve the others", Args: cobra.ExactArgs(1),
		Example: "  tollkeeper keys quarantine key_01 --asn 64500 --agent python-requests --for 24h --reason 'not theirs'",
	}
	d.flags(cmd)
	cmd.Flags().StringVar(&reason, "reason", "", "why; kept in the audit trail")
	cmd.Flags().DurationVar(&period, "for", 0, "after which they pass again; 0: until it is lifted")
	_ = cmd.MarkFlagRequired("reason")
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		body, err := d.body(reason)
		if err != nil {
			return err
		}
		if body["kind"] == nil {
			return errors.New("who is to be refused is missing: give --asn, --cidr or --agent")
		}
		if period > 0 {
			body["until"] = time.Now().Add(period).UTC().Format(time.RFC3339)
		}
		return keysPost(cmd, r, args[0], "quarantine", body, "refuses these clients")
	}
	return cmd
}

func keysRelease(r *remote) *cobra.Command {
	var d denied
	var reason string
	cmd := &cobra.Command{Use: "release ID", Short: "Lift the quarantines of a key: the one that is named, or all", Args: cobra.ExactArgs(1)}
	d.flags(cmd)
	cmd.Flags().StringVar(&reason, "reason", "", "why; kept in the audit trail")
	_ = cmd.MarkFlagRequired("reason")
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		body, err := d.body(reason)
		if err != nil {
			return err
		}
		return keysPost(cmd, r, args[0], "quarantine-release", body, "is released")
	}
	return cmd
}

func keysPost(cmd *cobra.Command, r *remote, id, verb string, body map[string]any, done string) error {
	var k gen.Key
	if printed, err := r.call(cmd, http.MethodPost, "/v1/keys/"+url.PathEscape(id)+"/"+verb, body, &k); err != nil || printed {
		return err
	}
	fmt.Fprintf(cmd.OutOrStdout(), "%s %s\n", k.Id, done)
	return nil
}
