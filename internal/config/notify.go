package config

import (
	"encoding/base64"
	"errors"
	"net/netip"
	"net/url"
	"slices"
	"strings"
)

// checkNotify never repeats the address: whoever knows that of a Slack channel may post there.
func (c *Config) checkNotify(bad func(string, string, ...any), oneOf func(string, string, ...string)) {
	oneOf("notify-format", c.NotifyFormat, "json", "slack")
	oneOf("notify-severity", c.NotifySeverity, "low", "medium", "high", "critical")
	for _, kind := range c.NotifyOn {
		oneOf("notify-on", kind, "opened", "action", "reopened", "confirmed", "dismissed", "closed")
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
	u, parseErr := url.Parse(c.NotifyURL)
	switch {
	case parseErr != nil || u.Host == "" || (u.Scheme != "http" && u.Scheme != "https"):
		bad("notify-url", "is not an address with https://, such as https://hooks.example/tollkeeper")
	case u.Port() != "" && hostPort(u.Host) != nil:
		bad("notify-url", "%v", hostPort(u.Host))
	case u.Scheme == "http" && !loopback(u.Hostname()) && !c.NotifyInsecure:
		bad("notify-url", "has http:// to %s, where others could read it on the way; use https://, or set notify-insecure", u.Host)
	}
}

const makeSecret = "make one with: echo whsec_$(openssl rand -base64 32)"

// NotifyKey is the key in notify-secret, nil without one.
func (c *Config) NotifyKey() ([]byte, error) {
	if c.NotifySecret == "" {
		return nil, nil
	}
	coded, ok := strings.CutPrefix(c.NotifySecret, "whsec_")
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
