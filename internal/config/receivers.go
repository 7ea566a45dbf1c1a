package config

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"net/url"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"

	"go.yaml.in/yaml/v3"
)

// maxReceivers bounds what a process asks the database every second: a few small reads for each.
const maxReceivers = 16

// DefaultReceiver is the name of the receiver that notify-url sets.
const DefaultReceiver = "alerts"

const pagerDutyURL = "https://events.pagerduty.com/v2/enqueue"

// Receiver is who is told of alerts, and how.
type Receiver struct {
	Name       string
	Format     string // json, slack or pagerduty
	URL        string // a secret: that of a Slack channel lets one post there
	Key        []byte // signs what is sent; nil: nothing is signed
	RoutingKey string // PagerDuty's, a secret
	On         []string
	Severity   string
	Families   []string // of evidence; none: all
}

// receiverEntry is a Receiver as the file has it: what is secret stands in a file of its own, named from the file's folder.
type receiverEntry struct {
	Name           string   `yaml:"name"`
	Format         string   `yaml:"format"`
	URL            string   `yaml:"url"`
	URLFile        string   `yaml:"url_file"`
	SecretFile     string   `yaml:"secret_file"`
	RoutingKeyFile string   `yaml:"routing_key_file"`
	On             []string `yaml:"on"`
	Severity       string   `yaml:"severity"`
	Families       []string `yaml:"families"`
	Insecure       bool     `yaml:"insecure"`
}

var (
	receiverFormats = []string{"json", "slack", "pagerduty"}
	receiverName    = regexp.MustCompile(`^[a-z0-9][a-z0-9-]{0,31}$`)
	news            = []string{"opened", "action", "reopened", "confirmed", "dismissed", "closed"}
	severities      = []string{"low", "medium", "high", "critical"}
)

// Receivers are the one that notify-url sets, if it does, and those of the file notify-receivers, which is read here with the
// files that it names. The error is an *Error with every problem; it holds no secret. Families are not looked up: only
// detection knows them.
func (c *Config) Receivers() ([]Receiver, error) {
	var list []Receiver
	if c.NotifyURL != "" {
		key, err := c.NotifyKey()
		if err != nil {
			return nil, &Error{[]Problem{{"notify-secret", err.Error()}}}
		}
		list = append(list, Receiver{Name: DefaultReceiver, Format: c.NotifyFormat, URL: c.NotifyURL, Key: key, On: c.NotifyOn, Severity: c.NotifySeverity})
	}
	if c.NotifyReceivers == "" {
		return list, nil
	}
	var problems []Problem
	bad := func(format string, args ...any) {
		problems = append(problems, Problem{"notify-receivers", fmt.Sprintf(format, args...)})
	}
	entries, err := readReceivers(c.NotifyReceivers)
	if err != nil {
		bad("%v", err)
	}
	seen := map[string]bool{}
	for i := range entries {
		e := &entries[i]
		name := e.Name
		if name == "" {
			name = fmt.Sprintf("receiver %d", i+1)
		}
		field := func(f, format string, args ...any) { bad("%s: %s: %s", name, f, fmt.Sprintf(format, args...)) }
		switch {
		case !receiverName.MatchString(e.Name):
			field("name", "%q is not 1 to 32 lower-case letters, digits and dashes", e.Name)
		case e.Name == DefaultReceiver:
			field("name", "is that of the receiver which notify-url sets; choose another")
		case seen[e.Name]:
			field("name", "is there twice")
		}
		seen[e.Name] = true
		list = append(list, e.receiver(filepath.Dir(c.NotifyReceivers), field))
	}
	if len(problems) > 0 {
		return nil, &Error{problems}
	}
	return list, nil
}

func readReceivers(path string) ([]receiverEntry, error) {
	raw, err := os.ReadFile(path)
	if err != nil {
		return nil, fmt.Errorf("cannot read %q: %w", path, errors.Unwrap(err))
	}
	var file struct {
		Receivers []receiverEntry `yaml:"receivers"`
	}
	d := yaml.NewDecoder(bytes.NewReader(raw))
	d.KnownFields(true)
	if err := d.Decode(&file); err != nil && !errors.Is(err, io.EOF) {
		return nil, fmt.Errorf("%q is not a list of receivers: %w", path, err)
	}
	switch n := len(file.Receivers); {
	case n == 0:
		return nil, fmt.Errorf("%q names no receiver; see docs/notifications.md, or leave it out to tell nobody", path)
	case n > maxReceivers:
		return nil, fmt.Errorf("%q: %d receivers are too many; the most is %d", path, n, maxReceivers)
	}
	return file.Receivers, nil
}

// receiver reads an entry with its files. bad gets every problem by its field.
func (e *receiverEntry) receiver(folder string, bad func(field, format string, args ...any)) Receiver {
	r := Receiver{Name: e.Name, Format: e.Format, URL: e.URL, On: e.On, Severity: e.Severity, Families: e.Families}
	if r.Format == "" {
		r.Format = "json"
	}
	if r.Severity == "" {
		r.Severity = "medium"
	}
	if r.On == nil {
		r.On = news[:2]
		if r.Format == "pagerduty" { // an incident ends with what is said of the alert
			r.On = news
		}
	}
	among := func(field, value string, allowed []string) {
		if !slices.Contains(allowed, value) {
			bad(field, "%q is not one of %s", value, strings.Join(allowed, ", "))
		}
	}
	among("format", r.Format, receiverFormats)
	among("severity", r.Severity, severities)
	for _, kind := range r.On {
		among("on", kind, news)
	}
	if len(r.On) == 0 {
		bad("on", "is empty; leave it out for the usual ones")
	}
	secret := func(field, path string) string {
		if !filepath.IsAbs(path) {
			path = filepath.Join(folder, path)
		}
		raw, err := os.ReadFile(path)
		if err != nil {
			bad(field, "cannot read %q: %v", path, errors.Unwrap(err))
			return ""
		}
		if text := strings.TrimSpace(string(raw)); text != "" {
			return text
		}
		bad(field, "%q is empty", path)
		return ""
	}
	e.address(&r, secret, bad)
	switch {
	case e.SecretFile != "":
		if text := secret("secret_file", e.SecretFile); text != "" {
			key, err := signingKey(text)
			if err != nil {
				bad("secret_file", "%v", err)
			}
			r.Key = key
		}
	case r.Format == "json":
		bad("secret_file", "is missing, so a receiver could not tell our messages from others'; %s", makeSecret)
	}
	switch {
	case e.RoutingKeyFile != "" && r.Format != "pagerduty":
		bad("routing_key_file", "is for format pagerduty only")
	case e.RoutingKeyFile != "":
		r.RoutingKey = secret("routing_key_file", e.RoutingKeyFile)
	case r.Format == "pagerduty":
		bad("routing_key_file", "is missing; it names the file with the integration key of a PagerDuty service")
	}
	return r
}

// address finds and judges where a receiver is.
func (e *receiverEntry) address(r *Receiver, secret func(field, path string) string, bad func(field, format string, args ...any)) {
	field := "url"
	switch {
	case e.URL != "" && e.URLFile != "":
		bad("url", "is there twice, as url_file too; leave one out")
		return
	case e.URL != "" && r.Format == "slack":
		bad("url", "lets whoever knows it post there; put it into a file, and name that as url_file")
		return
	case e.URL != "":
		if u, err := url.Parse(e.URL); err == nil && u.User != nil {
			bad("url", "holds a password; put it into a file, and name that as url_file")
			return
		}
	case e.URLFile != "":
		field = "url_file"
		if r.URL = secret(field, e.URLFile); r.URL == "" {
			return
		}
	case r.Format == "pagerduty":
		r.URL = pagerDutyURL
	default:
		bad("url_file", "is missing; it names the file with the address that is told")
		return
	}
	if problem := addressProblem(r.URL, e.Insecure, "insecure"); problem != "" {
		bad(field, "%s", problem)
	}
}
