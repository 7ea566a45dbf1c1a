package clickhouse

import (
	"errors"
	"fmt"
	"net"
	"strings"
	"time"

	ch "github.com/ClickHouse/clickhouse-go/v2"
)

// ParseDSN reads and checks a ClickHouse DSN: clickhouse://user:password@host:9000/database for the native protocol,
// http:// or https:// for HTTP. Several hosts are separated by commas. Its errors never hold the password.
func ParseDSN(dsn string) (*ch.Options, error) {
	scheme, rest, ok := strings.Cut(dsn, "://")
	ports := map[string]string{"clickhouse": "9000", "native": "9000", "tcp": "9000", "clickhouses": "9440", "http": "8123", "https": "8443"}
	port, known := ports[scheme]
	if !ok || !known {
		return nil, errors.New("the ClickHouse DSN must begin with clickhouse://, http:// or https://, such as clickhouse://user:password@host:9000/tollkeeper")
	}
	switch scheme {
	case "native", "tcp":
		dsn = "clickhouse://" + rest
	case "clickhouses":
		dsn = withParam("clickhouse://"+rest, "secure", "true")
	case "https":
		dsn = withParam(dsn, "secure", "true")
	}
	noHost := errors.New("the ClickHouse DSN names no host; it looks like clickhouse://user:password@host:9000/tollkeeper")
	if rest == "" || strings.ContainsAny(rest[:1], "/?") {
		return nil, noHost
	}
	options, err := ch.ParseDSN(dsn)
	if err != nil {
		return nil, fmt.Errorf("the ClickHouse DSN: %w", err)
	}
	if options.TLS != nil && scheme == "clickhouse" {
		port = "9440"
	}
	for i, addr := range options.Addr {
		host, given, err := net.SplitHostPort(addr)
		if err != nil {
			host, given = strings.Trim(addr, "[]"), port
		}
		if host == "" {
			return nil, noHost
		}
		options.Addr[i] = net.JoinHostPort(host, given)
	}
	if options.Compression == nil {
		options.Compression = &ch.Compression{Method: ch.CompressionLZ4}
	}
	if options.DialTimeout == 0 {
		options.DialTimeout = 10 * time.Second
	}
	if options.MaxOpenConns == 0 {
		options.MaxOpenConns, options.MaxIdleConns = 32, 8
	}
	return options, nil
}

// withParam adds a parameter to a DSN that does not have it.
func withParam(dsn, name, value string) string {
	if strings.Contains(dsn, name+"=") {
		return dsn
	}
	separator := "?"
	if strings.Contains(dsn, "?") {
		separator = "&"
	}
	return dsn + separator + name + "=" + value
}
