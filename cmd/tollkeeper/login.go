package main

import (
	"fmt"
	"net/http"
	"os"
	"os/user"
	"strings"

	"github.com/spf13/cobra"

	"github.com/tollkeeper/tollkeeper/api/gen"
)

func newLoginCmd() *cobra.Command {
	r := &remote{}
	var l gen.LoginLinkCreate
	var role string
	cmd := &cobra.Command{
		Use: "login", Short: "Make a one-time link to the dashboard of a running server", Args: cobra.NoArgs,
		Long: "Make a link that opens the dashboard, once, within 30 minutes: for oneself, or for a colleague with a role of their own.",
		Example: "  tollkeeper login\n" +
			"  tollkeeper login --name grace --role billing",
	}
	r.flags(cmd)
	cmd.Flags().StringVar(&l.Name, "name", "", "name in the audit trail; default: the user of this machine")
	cmd.Flags().StringVar(&role, "role", "admin", "what the person may do: admin, security, billing, platform, viewer or customer")
	cmd.Flags().StringVar(&l.AccountId, "account", "", "account of a customer")
	cmd.RunE = func(cmd *cobra.Command, _ []string) error {
		l.Role = gen.Role(role)
		if l.Name == "" {
			l.Name = userName()
		}
		c, err := r.client()
		if err != nil {
			return err
		}
		var link gen.LoginLink
		if printed, err := r.call(cmd, http.MethodPost, "/v1/login-links", l, &link); err != nil || printed {
			return err
		}
		fmt.Fprintln(cmd.OutOrStdout(), strings.TrimSuffix(c.URL, "/")+link.Path)
		fmt.Fprintf(cmd.ErrOrStderr(), "It works once, until %s.\n", link.ExpiresAt.Local().Format("15:04"))
		return nil
	}
	return cmd
}

func userName() string {
	if u, err := user.Current(); err == nil && u.Username != "" {
		return u.Username
	}
	if host, err := os.Hostname(); err == nil {
		return "somebody on " + host
	}
	return "somebody"
}
