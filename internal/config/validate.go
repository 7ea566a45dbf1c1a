package config

import (
	"fmt"
	"net"
	"net/netip"
	"net/url"
	"reflect"
	"slices"
	"strconv"
	"strings"
	"time"

	"go.yaml.in/yaml/v3"
)

// Validate returns every problem that can be seen without opening anything.
func (c *Config) Validate() []Problem {
	var ps []Problem
	bad := func(setting, format string, args ...any) {
		ps = append(ps, Problem{setting, fmt.Sprintf(format, args...)})
	}
	oneOf := func(setting, value string, allowed ...string) {
		for _, a := range allowed {
			if a == value {
				return
			}
		}
		bad(setting, "%q is not one of %s", value, strings.Join(allowed, ", "))
	}
	if c.Data == "" {
		bad("data", "is empty; name a folder, such as --data ./data")
	}
	for _, a := range []struct{ setting, value string }{{"listen", c.Listen}, {"kafka-listen", c.KafkaListen}} {
		if err := hostPort(a.value); err != nil {
			bad(a.setting, "%v; give it as 127.0.0.1:8080", err)
		}
	}
	for _, b := range c.Brokers() {
		if err := hostPort(b); err != nil {
			bad("kafka", "%v; give brokers as host:9092,host:9092", err)
		}
	}
	for _, p := range c.TrustedProxies {
		if _, err := netip.ParsePrefix(p); err != nil {
			if _, err := netip.ParseAddr(p); err != nil {
				bad("trusted-proxies", "%q is neither an address nor a CIDR", p)
			}
		}
	}
	if c.PublicURL != "" {
		if u, err := url.Parse(c.PublicURL); err != nil || u.Host == "" || (u.Scheme != "http" && u.Scheme != "https") {
			bad("public-url", "%q is not a http or https address", c.PublicURL)
		}
	}
	if len(c.Topics)+len(c.RekeyTopics) == 0 {
		bad("topics", "is empty; name at least one topic")
	}
	if c.Group == "" {
		bad("group", "is empty; name a consumer group")
	}
	positive := func(setting string, n int) {
		if n < 1 {
			bad(setting, "%d is too small; the least is 1", n)
		}
	}
	positive("kafka-partitions", c.KafkaPartitions)
	if c.EventsDays < 3 {
		bad("events-days", "%d is too few: an hour's usage is sealed from its events, which are dropped by whole days; the least is 3", c.EventsDays)
	}
	if c.AlertsDays != 0 && c.AlertsDays < 30 {
		bad("alerts-days", "%d is too few to look back at what happened; use 0 (for ever) or at least 30", c.AlertsDays)
	}
	if c.AuditDays != 0 && c.AuditDays < 90 {
		bad("audit-days", "%d is too few to find out who did what once it is asked for; use 0 (for ever) or at least 90", c.AuditDays)
	}
	positive("throttle-per-minute", c.ThrottlePerMinute)
	if c.KafkaRetention != 0 && c.KafkaRetention < time.Hour {
		bad("kafka-retention", "%v is too short to read everything before it is dropped; use 0 (for ever) or at least 1h", c.KafkaRetention)
	}
	if c.KafkaRetentionSize != 0 && c.KafkaRetentionSize < 64 {
		bad("kafka-retention-size", "%d MiB is too small to read everything before it is dropped; use 0 (no bound) or at least 64MiB", c.KafkaRetentionSize)
	}
	if c.IngestMemory < 64 {
		bad("ingest-memory", "%d MiB is too small; the least is 64", c.IngestMemory)
	}
	if c.TrustedHops < 0 {
		bad("trusted-hops", "%d is negative", c.TrustedHops)
	}
	if c.DedupWindow < 0 || c.DedupWindow > 24*time.Hour {
		bad("dedup-window", "%v is out of range; use 0 (off) to 24h", c.DedupWindow)
	}
	if c.SealGrace < 0 {
		bad("seal-grace", "%v is negative", c.SealGrace)
	}
	if c.StartWait < 0 {
		bad("start-wait", "%v is negative; use 0 not to wait", c.StartWait)
	}
	if c.FeedBound < 100*time.Millisecond {
		bad("feed-bound", "%v is too short; the least is 100ms", c.FeedBound)
	}
	if c.DetectKeys < 1000 {
		bad("detect-keys", "%d is too few to bound memory by; the least is 1000", c.DetectKeys)
	}
	oneOf("on-gap", c.OnGap, "stop", "continue")
	oneOf("mode", c.Mode, "enforce", "observe")
	oneOf("feed-policy", c.FeedPolicy, "closed", "open")
	oneOf("log-level", c.LogLevel, "debug", "info", "warn", "error")
	oneOf("log-format", c.LogFormat, "auto", "text", "json")
	if c.Format == "mapping" && c.Mapping == "" {
		bad("mapping", "is empty, but format is mapping; name the mapping file")
	}
	if c.Format != "mapping" && c.Mapping != "" {
		bad("mapping", "names %s, which the format %s does not read; set format to mapping, or leave mapping empty", c.Mapping, c.Format)
	}
	checkDSN(bad, "clickhouse", c.ClickHouse, "http", "https", "clickhouse")
	checkDSN(bad, "database", c.Database, "postgres", "postgresql")
	c.checkRole(bad, oneOf)
	c.checkRedis(bad)
	c.checkKafka(bad, oneOf)
	c.checkNotify(bad, oneOf)
	return ps
}

// checkDSN never repeats the DSN, since it may hold a password.
func checkDSN(bad func(string, string, ...any), setting, dsn string, schemes ...string) {
	if dsn == "" {
		return
	}
	want := schemes[0] + "://user:password@host:port/database"
	u, err := parseDSN(dsn)
	if err != nil {
		bad(setting, "is not a DSN; give it as %s, and write special characters of the password as %%XX, such as %%23 for #", want)
		return
	}
	for host := range strings.SplitSeq(u.Host, ",") {
		if !strings.Contains(host[strings.LastIndexByte(host, ']')+1:], ":") {
			continue // the port may be left out
		}
		if err := hostPort(host); err != nil {
			bad(setting, "%v; give it as %s", err, want)
		}
	}
	for _, s := range schemes {
		if u.Scheme == s {
			if u.Host == "" && u.Query().Get("host") == "" {
				bad(setting, "names no host; give it as %s", want)
			}
			return
		}
	}
	bad(setting, "scheme %q is not one of %s; give it as %s", u.Scheme, strings.Join(schemes, ", "), want)
}

// parseDSN reads a URL that may have several hosts, separated by commas, which net/url refuses in one of http.
func parseDSN(dsn string) (*url.URL, error) {
	scheme, rest, ok := strings.Cut(dsn, "://")
	if !ok {
		return url.Parse(dsn)
	}
	u, err := url.Parse("dsn://" + rest)
	if err == nil {
		u.Scheme = strings.ToLower(scheme)
	}
	return u, err
}

func hostPort(s string) error {
	_, port, err := net.SplitHostPort(s)
	if err != nil {
		return fmt.Errorf("%q is not host:port", s)
	}
	if n, err := strconv.ParseUint(port, 10, 16); err != nil || n > 65535 {
		return fmt.Errorf("%q has no valid port", s)
	}
	return nil
}

// Brokers returns the external brokers, none when the embedded one is to be used.
func (c *Config) Brokers() []string {
	var out []string
	for b := range strings.SplitSeq(c.Kafka, ",") {
		if b = strings.TrimSpace(b); b != "" {
			out = append(out, b)
		}
	}
	return out
}

// Print returns the settings as YAML that --config reads back, secrets redacted.
func (c *Config) Print() string {
	var root yaml.Node
	root.Kind = yaml.MappingNode
	each(c, func(name string, f reflect.StructField, v reflect.Value) {
		key := &yaml.Node{Kind: yaml.ScalarNode, Value: name, HeadComment: f.Tag.Get("help")}
		var val yaml.Node
		x := v.Interface()
		if d, ok := x.(time.Duration); ok {
			x = d.String()
		}
		if s, ok := x.(string); ok && s != "" {
			x = redact(f.Tag.Get("secret"), s)
		}
		// Encoding strings, numbers, booleans and lists of strings cannot fail.
		_ = val.Encode(x)
		root.Content = append(root.Content, key, &val)
	})
	out, _ := yaml.Marshal(&root)
	return string(out)
}

// redact blots out what is secret in a value.
func redact(secret, s string) string {
	switch secret {
	case "dsn":
		return redactDSN(s)
	case "url":
		return redactURL(s)
	case "value":
		return "xxxxx"
	default:
		return s
	}
}

// redactDSN blots out the password, which both engines take as a parameter too. Parameters that are not known to be
// harmless are blotted out with it: there are more ways to write a secret than could be listed here.
func redactDSN(s string) string {
	u, err := parseDSN(s)
	if err != nil {
		return "(redacted)"
	}
	q := u.Query()
	for name, values := range q {
		if !slices.Contains(harmless, strings.ToLower(name)) {
			for i := range values {
				values[i] = "xxxxx"
			}
		}
	}
	u.RawQuery = q.Encode()
	return u.Redacted()
}

// harmless are the parameters of a DSN that hold no secret and that one wants to see.
var harmless = []string{
	"host", "port", "user", "username", "database", "dbname", "sslmode", "sslrootcert", "sslcert", "application_name", "connect_timeout",
	"target_session_attrs", "secure", "skip_verify", "compress", "compress_level", "dial_timeout", "read_timeout", "max_execution_time", "debug",
	"connection_open_strategy", "max_open_conns", "max_idle_conns", "conn_max_lifetime", "pool_max_conns", "search_path", "timezone",
}
