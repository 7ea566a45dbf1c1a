package config

import (
	"encoding/base64"
	"errors"
	"fmt"
	"net/netip"
	"net/url"
	"slices"
	"strings"
)

// checkNotify never repeats the address: whoever knows that of a Slack channel may post there.
func (c *Config) checkNotify(bad func(string, string, ...any), oneOf func(string, string, ...string)) {
	oneOf("notify-format", c.NotifyFormat, "json", "slack")
	oneOf("notify-severity", c.NotifySeverity, severities...)
	for _, kind := range c.NotifyOn {
		oneOf("notify-on", kind, news...)
	}
	key, err := c.NotifyKey()
	if err != nil {
		bad("notify-secret", "%v", err)
	}
	if c.NotifyURL == "" {
		return
	}
	if len(c.NotifyOn) == 0 {
		bad("notify-on", "is empty; leave it out for opened,action, or leave notify-url out to tell nobody")
	}
	if err == nil && len(key) == 0 && c.NotifyFormat == "json" {
		bad("notify-secret", "is empty, so a receiver could not tell our messages from others'; %s", makeSecret)
	}
	if problem := addressProblem(c.NotifyURL, c.NotifyInsecure, "notify-insecure"); problem != "" {
		bad("notify-url", "%s", problem)
	}
}

// addressProblem says what is wrong with a receiver's address, "" when nothing is; it names no more of it than the host.
func addressProblem(address string, insecure bool, setting string) string {
	u, err := url.Parse(address)
	switch {
	case err != nil || u.Host == "" || (u.Scheme != "http" && u.Scheme != "https"):
		return "is not an address with https://, such as https://hooks.example/tollkeeper"
	case u.Port() != "" && hostPort(u.Host) != nil:
		return hostPort(u.Host).Error()
	case u.Scheme == "http" && !loopback(u.Hostname()) && !insecure:
		return fmt.Sprintf("has http:// to %s, where others could read it on the way; use https://, or set %s", u.Host, setting)
	}
	return ""
}

const makeSecret = "make one with: echo whsec_$(openssl rand -base64 32)"

// NotifyKey is the key in notify-secret, nil without one.
func (c *Config) NotifyKey() ([]byte, error) {
	if c.NotifySecret == "" {
		return nil, nil
	}
	return signingKey(c.NotifySecret)
}

func signingKey(secret string) ([]byte, error) {
	coded, ok := strings.CutPrefix(secret, "whsec_")
	key, err := base64.StdEncoding.DecodeString(coded)
	if !ok || err != nil || len(key) < 24 || len(key) > 64 {
		return nil, errors.New("is not whsec_ and base64 of 24 to 64 bytes; " + makeSecret)
	}
	return key, nil
}

func loopback(host string) bool {
	ip, err := netip.ParseAddr(host)
	return host == "localhost" || err == nil && ip.IsLoopback()
}

// redactURL keeps who is called, and blots out what may let one call.
func redactURL(s string) string {
	u, err := url.Parse(s)
	if err != nil || !slices.Contains([]string{"http", "https"}, u.Scheme) {
		return "xxxxx"
	}
	return u.Scheme + "://" + u.Host + "/xxxxx"
}
