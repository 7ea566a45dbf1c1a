package redisrate

import (
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"net"
	"os"
	"strings"

	"github.com/redis/go-redis/v9"
)

// An address is redis://user:password@host:port/database, or rediss:// for TLS, of one server. Of a cluster it is redis+cluster:// with
// one or several of its nodes, separated by commas, and without a database. Behind Sentinels it is redis+sentinel:// with their hosts, and
// the name of the primary before the database: /mymaster/0.
const (
	clustered = "+cluster"
	sentinels = "+sentinel"

	serverPort   = "6379"
	sentinelPort = "26379"
)

var errAddress = errors.New("redis: is not an address; give it as redis://user:password@host:6379/0, redis+cluster://user:password@host:6379,host:6379 or " +
	"redis+sentinel://user:password@host:26379,host:26379/mymaster/0, with rediss for TLS")

// options reads an address. Its errors never repeat it, since it may hold a password.
func options(cfg *Config) (*redis.UniversalOptions, error) {
	scheme, rest, ok := strings.Cut(cfg.URL, "://")
	if !ok {
		return nil, errAddress
	}
	scheme, kind := cutKind(strings.ToLower(scheme))
	authority, path, _ := strings.Cut(rest, "/")
	u := redis.UniversalOptions{IsClusterMode: kind == clustered, SentinelPassword: cfg.SentinelPassword}
	port := serverPort
	if kind == sentinels {
		port = sentinelPort
		if u.MasterName, path, _ = strings.Cut(path, "/"); u.MasterName == "" {
			return nil, errAddress
		}
	}
	user, hosts := "", authority
	if at := strings.LastIndexByte(authority, '@'); at >= 0 {
		user, hosts = authority[:at+1], authority[at+1:]
	}
	for host := range strings.SplitSeq(hosts, ",") {
		o, err := redis.ParseURL(scheme + "://" + user + withPort(host, port) + "/" + path)
		if err != nil || host == "" || kind == clustered && o.DB != 0 {
			return nil, errAddress
		}
		u.Addrs = append(u.Addrs, o.Addr)
		u.Username, u.Password, u.DB, u.TLSConfig = o.Username, o.Password, o.DB, o.TLSConfig
	}
	if kind == "" && len(u.Addrs) > 1 {
		return nil, errAddress
	}
	if u.TLSConfig == nil {
		return &u, nil
	}
	u.TLSConfig.MinVersion = tls.VersionTLS12
	u.TLSConfig.ServerName = "" // of each what it is reached by
	if cfg.CAFile == "" {
		return &u, nil
	}
	pem, err := os.ReadFile(cfg.CAFile)
	if err != nil {
		return nil, fmt.Errorf("redis-ca-file: cannot read %q: %w", cfg.CAFile, errors.Unwrap(err))
	}
	u.TLSConfig.RootCAs = x509.NewCertPool()
	if !u.TLSConfig.RootCAs.AppendCertsFromPEM(pem) {
		return nil, fmt.Errorf("redis-ca-file: %q holds no certificate", cfg.CAFile)
	}
	return &u, nil
}

func cutKind(scheme string) (plain, kind string) {
	for _, kind := range []string{clustered, sentinels} {
		if plain, ok := strings.CutSuffix(scheme, kind); ok {
			return plain, kind
		}
	}
	return scheme, ""
}

func withPort(host, port string) string {
	if _, _, err := net.SplitHostPort(host); err == nil || host == "" {
		return host
	}
	return net.JoinHostPort(strings.Trim(host, "[]"), port)
}
