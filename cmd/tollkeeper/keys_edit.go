package main

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strings"

	"github.com/spf13/cobra"

	"github.com/tollkeeper/tollkeeper/api/gen"
)

// never takes an expiry away.
const never = "never"

// terms are what is agreed for a key, when it is issued and later.
type terms struct {
	plan, expires       string
	tags, scopes, allow []string
	metadata            map[string]string
}

func (t *terms) flags(cmd *cobra.Command) {
	f := cmd.Flags()
	f.StringVar(&t.plan, "plan", "", "plan that gateways are told for the key")
	f.StringSliceVar(&t.tags, "tag", nil, "tags, by which policies may pick keys")
	f.StringSliceVar(&t.scopes, "scope", nil, "what the key is good for, such as orders:read; verify compares it with what a call needs")
	f.StringSliceVar(&t.allow, "allow", nil, "networks that may use the key; none means all")
	f.StringVar(&t.expires, "expires", "", "when it stops passing: 2026-12-31, the start of that day in UTC, or a time with its offset")
	f.StringToStringVar(&t.metadata, "metadata", nil, "words of your own, such as ticket=OPS-42")
}

// body holds what was named on the command line. A list replaces the one before; an empty word empties it, and takes away plan and expiry.
func (t *terms) body(cmd *cobra.Command) (map[string]any, error) {
	b := map[string]any{}
	for flag, list := range map[string][]string{"tag": t.tags, "scope": t.scopes, "allow": t.allow} {
		field := map[string]string{"tag": "tags", "scope": "scopes", "allow": "allowed_cidrs"}[flag]
		if cmd.Flags().Changed(flag) {
			b[field] = append([]string{}, list...)
		}
	}
	if cmd.Flags().Changed("metadata") {
		b["metadata"] = t.metadata
	}
	if cmd.Flags().Changed("plan") {
		if b["plan_id"] = t.plan; t.plan == "" {
			b["plan_id"] = nil
		}
	}
	if cmd.Flags().Changed("expires") {
		if t.expires == never || t.expires == "" {
			b["expires_at"] = nil
			return b, nil
		}
		at, err := day("expires", t.expires)
		if err != nil {
			return nil, err
		}
		b["expires_at"] = at
	}
	return b, nil
}

func keysEdit(r *remote) *cobra.Command {
	var name string
	var t terms
	cmd := &cobra.Command{
		Use: "edit ID", Short: "Change what is agreed for a key; what is not named stays as it is", Args: cobra.ExactArgs(1),
		Long: "Change what is agreed for a key; what is not named stays as it is. A list takes the place of the one before, and --tag '',\n" +
			"--scope '' and --allow '' empty it; --plan '' and --expires never take them away.",
		Example: "  tollkeeper keys edit key_01 --name 'production, Frankfurt' --allow 203.0.113.0/24,2001:db8::/48\n  tollkeeper keys edit key_01 --expires 2027-01-01",
	}
	cmd.Flags().StringVar(&name, "name", "", "what people call it")
	t.flags(cmd)
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		body, err := t.body(cmd)
		if err != nil {
			return err
		}
		if cmd.Flags().Changed("name") {
			body["name"] = name
		}
		if len(body) == 0 {
			return errors.New("what is to change is missing: give --name, --plan, --tag, --scope, --allow, --expires or --metadata")
		}
		var k gen.Key
		if printed, err := r.call(cmd, http.MethodPatch, "/v1/keys/"+url.PathEscape(args[0]), body, &k); err != nil || printed {
			return err
		}
		return showKey(cmd.OutOrStdout(), &k)
	}
	return cmd
}

func keysVerify(r *remote) *cobra.Command {
	var q gen.VerifyRequest
	var environment string
	cmd := &cobra.Command{
		Use: "verify [ID]", Short: "Ask whether a key passes now, and if not, why", Args: cobra.MaximumNArgs(1),
		Long: "Ask whether a key passes now, and if not, why: by its id, or by the key itself on standard input, where no list of processes shows it.\n" +
			"The answer is a gateway's, and counts as a call where the rate of the key is limited. The exit code is 1 for a key that does not pass.",
		Example: "  tollkeeper keys verify key_01 --ip 198.51.100.7\n  tollkeeper keys verify --scope orders:write   # and then the key",
	}
	cmd.Flags().StringVar(&q.ClientIp, "ip", "", "address that the call comes from")
	cmd.Flags().StringVar(&q.UserAgent, "agent", "", "user agent of the call")
	cmd.Flags().StringVar(&environment, "environment", "", "live or test: what the call asks for")
	cmd.Flags().StringSliceVar((*[]string)(&q.Scopes), "scope", nil, "what the call needs")
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		q.Environment = gen.Environment(environment)
		if len(args) == 1 {
			q.KeyId = args[0]
		} else {
			line, _ := bufio.NewReader(io.LimitReader(cmd.InOrStdin(), 1024)).ReadString('\n') // its end may be missing
			if q.Key = strings.TrimSpace(line); q.Key == "" {
				return errors.New("which key is missing: name its id, or give the key itself on standard input")
			}
		}
		var v gen.VerifyResponse
		printed, err := r.call(cmd, http.MethodPost, "/v1/keys/verify", q, &v)
		if err != nil || printed {
			return err
		}
		d := v.Data
		if d.Valid {
			fmt.Fprintf(cmd.OutOrStdout(), "%s passes\n", d.KeyId)
			return nil
		}
		text := string(d.Code)
		if d.KeyId != "" {
			text = d.KeyId + ": " + text
		}
		if d.Reason != "" {
			text += ": " + d.Reason
		}
		return failed{errors.New("does not pass: " + text)}
	}
	return cmd
}
