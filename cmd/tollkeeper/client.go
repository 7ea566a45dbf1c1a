package main

import (
	"bytes"
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"os"
	"strconv"
	"strings"
	"text/tabwriter"
	"time"

	"github.com/spf13/cobra"

	"github.com/tollkeeper/tollkeeper/internal/app"
	"github.com/tollkeeper/tollkeeper/internal/config"
)

// remote is what the commands that ask a running server have in common.
type remote struct {
	data, server, token string
	asJSON              bool
	patience            time.Duration // with one answer; 0: a minute
}

func (r *remote) flags(cmd *cobra.Command) {
	f := cmd.PersistentFlags()
	f.StringVar(&r.data, "data", config.Default().Data, "data folder of the server on this machine")
	f.StringVar(&r.server, "server", "", "address of a server elsewhere, such as https://tollkeeper.example")
	f.StringVar(&r.token, "token", "", "API token; for --server also from TOLLKEEPER_TOKEN")
	f.BoolVar(&r.asJSON, "json", false, "print the API's JSON")
}

// call asks the API and decodes the answer into out unless it is nil. With --json it prints the answer instead, and says so
// by the returned bool.
func (r *remote) call(cmd *cobra.Command, method, path string, in, out any) (printed bool, err error) {
	raw, err := r.ask(cmd.Context(), method, path, in)
	if err != nil {
		return false, err
	}
	if r.asJSON {
		_, err = fmt.Fprintln(cmd.OutOrStdout(), strings.TrimSpace(string(raw)))
		return true, err
	}
	if out == nil || len(raw) == 0 {
		return false, nil
	}
	return false, decode(raw, out)
}

// decode reads what the server answered.
func decode(raw []byte, out any) error {
	if err := json.Unmarshal(raw, out); err != nil {
		return failed{fmt.Errorf("the server's answer cannot be read: %w; is it another version?", err)}
	}
	return nil
}

// read asks the API and decodes the answer, whatever is to be printed.
func (r *remote) read(ctx context.Context, path string, out any) error {
	raw, err := r.ask(ctx, http.MethodGet, path, nil)
	if err != nil {
		return err
	}
	return decode(raw, out)
}

// copy prints what the API answers, as it is.
func (r *remote) copy(cmd *cobra.Command, path string) error {
	raw, err := r.ask(cmd.Context(), http.MethodGet, path, nil)
	if err != nil {
		return err
	}
	_, err = cmd.OutOrStdout().Write(raw)
	return err
}

// client says where the server is and with which token to come.
func (r *remote) client() (app.Client, error) {
	if r.server == "" {
		c, err := app.ReadClient(r.data)
		if r.token != "" {
			c.Token = r.token
		}
		return c, err
	}
	u, err := url.Parse(r.server)
	switch {
	case strings.Contains(r.server, "@"): // not repeated: it may hold a password
		return app.Client{}, errors.New("server: the address has a user or a password in it, which would not be sent; leave them out, and give an API token with --token or TOLLKEEPER_TOKEN")
	case err != nil || u.Host == "" || (u.Scheme != "http" && u.Scheme != "https"):
		return app.Client{}, fmt.Errorf("server: %q is not an address with http:// or https://, such as http://localhost:8080", r.server)
	}
	c := app.Client{URL: r.server, Token: cmp.Or(r.token, os.Getenv("TOLLKEEPER_TOKEN"))}
	if c.Token == "" {
		return c, errors.New("token: --server needs an API token; give it with --token or TOLLKEEPER_TOKEN")
	}
	return c, nil
}

// ask returns the API's answer; one that is not good is an error.
func (r *remote) ask(ctx context.Context, method, path string, in any) ([]byte, error) {
	status, raw, err := r.send(ctx, method, path, in)
	if err != nil {
		return nil, err
	}
	if status >= 300 {
		return nil, refusal(status, raw)
	}
	return raw, nil
}

// send returns what the server answers, good or not.
func (r *remote) send(ctx context.Context, method, path string, in any) (status int, raw []byte, err error) {
	c, err := r.client()
	if err != nil {
		return 0, nil, err
	}
	var body io.Reader = http.NoBody
	if in != nil {
		raw, err := json.Marshal(in)
		if err != nil {
			return 0, nil, fmt.Errorf("encode the request: %w", err)
		}
		body = bytes.NewReader(raw)
	}
	ctx, cancel := context.WithTimeout(ctx, cmp.Or(r.patience, time.Minute))
	defer cancel()
	req, err := http.NewRequestWithContext(ctx, method, strings.TrimSuffix(c.URL, "/")+path, body)
	if err != nil {
		return 0, nil, fmt.Errorf("ask %s: %w", c.URL, err)
	}
	req.Header.Set("Authorization", "Bearer "+c.Token)
	if in != nil {
		req.Header.Set("Content-Type", "application/json")
	}
	res, err := http.DefaultClient.Do(req)
	if err != nil {
		return 0, nil, failed{fmt.Errorf("the server at %s does not answer: %w", c.URL, errors.Unwrap(err))}
	}
	defer func() { _ = res.Body.Close() }()
	raw, err = io.ReadAll(io.LimitReader(res.Body, 64<<20))
	if err != nil {
		return 0, nil, failed{fmt.Errorf("read the server's answer: %w", err)}
	}
	return res.StatusCode, raw, nil
}

// refusal puts the server's problem into one line.
func refusal(status int, raw []byte) error {
	var p struct {
		Title, Detail string
		Errors        []struct{ Pointer, Parameter, Detail string }
	}
	if json.Unmarshal(raw, &p) != nil || p.Title == "" {
		p.Title = strings.TrimSpace(fmt.Sprint(status, " ", http.StatusText(status)))
	}
	text := p.Title
	if p.Detail != "" && len(p.Errors) == 0 { // with a list of errors it only says that there is one
		text += ": " + p.Detail
	}
	for i, e := range p.Errors {
		text += fmt.Sprintf("%s%s %s", []string{": ", "; "}[min(i, 1)], cmp.Or(e.Parameter, strings.TrimPrefix(e.Pointer, "#/"), "the body"), e.Detail)
	}
	if status == http.StatusNotFound {
		return failed{notFound(text)}
	}
	return failed{errors.New(text)}
}

// notFound is the server's word for what it does not have.
type notFound string

func (n notFound) Error() string { return string(n) }

// more says on the side that a list goes on, and from where.
func more(cmd *cobra.Command, cursor string) {
	if cursor != "" {
		fmt.Fprintf(cmd.ErrOrStderr(), "There are more: add --cursor %s\n", cursor)
	}
}

// table writes aligned rows.
func table(w io.Writer, rows func(row func(cells ...any))) error {
	tw := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	rows(func(cells ...any) {
		for i, c := range cells {
			if i > 0 {
				fmt.Fprint(tw, "\t")
			}
			if t, ok := c.(time.Time); ok {
				c = ""
				if !t.IsZero() {
					c = t.UTC().Format("2006-01-02 15:04:05")
				}
			}
			fmt.Fprint(tw, c)
		}
		fmt.Fprintln(tw)
	})
	return tw.Flush()
}

// query builds a query string of what is not empty.
func query(pairs ...string) string {
	q := url.Values{}
	for i := 0; i+1 < len(pairs); i += 2 {
		if pairs[i+1] != "" {
			q.Set(pairs[i], pairs[i+1])
		}
	}
	if len(q) == 0 {
		return ""
	}
	return "?" + q.Encode()
}

// paging is which part of a list a command asks for.
type paging struct {
	cursor string
	limit  int
}

func (p *paging) flags(cmd *cobra.Command) {
	cmd.Flags().StringVar(&p.cursor, "cursor", "", "where to go on, as the page before said")
	cmd.Flags().IntVar(&p.limit, "limit", 50, "how many, at most 200")
}

// query builds the query string of a list: of what fits the pairs, the part that is asked for.
func (p *paging) query(pairs ...string) string {
	return query(append(pairs, "cursor", p.cursor, "limit", strconv.Itoa(p.limit))...)
}
