package config

import (
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

func TestTheAddressOfRedisIsChecked(t *testing.T) {
	for _, c := range []struct {
		name    string
		args    []string
		problem string
	}{
		{"nobody counts together", nil, ""},
		{"a host", []string{"--redis", "redis://cache"}, ""},
		{"all of it", []string{"--redis", "rediss://tk:canary@cache:6380/3", "--redis-ca-file", "ca.pem", "--redis-timeout", "100ms"}, ""},
		{"a password alone", []string{"--redis", "redis://:canary@cache:6379"}, ""},
		{"another scheme", []string{"--redis", "http://tk:canary@cache"}, `redis: scheme "http" is not one of redis, rediss`},
		{"no host", []string{"--redis", "redis://tk:canary@/0"}, "redis: names no host"},
		{"no such port", []string{"--redis", "redis://tk:canary@cache:99999"}, `redis: "cache:99999" has no valid port`},
		{"several hosts", []string{"--redis", "redis://tk:canary@a:1,b:2"}, "redis: names several hosts"},
		{"a cluster", []string{"--redis", "rediss+cluster://tk:canary@a:1,b:2", "--redis-ca-file", "ca.pem"}, ""},
		{"a database of a cluster", []string{"--redis", "redis+cluster://tk:canary@a:1/3"}, "redis: has a path, but a cluster has no databases"},
		{"Sentinels", []string{"--redis", "redis+sentinel://tk:canary@a:1,b:2/limits/3", "--redis-sentinel-password", "canary"}, ""},
		{"Sentinels of no primary", []string{"--redis", "redis+sentinel://tk:canary@a:1,b:2"}, "redis: does not say by which name"},
		{"a database behind Sentinels with a name", []string{"--redis", "redis+sentinel://tk:canary@a:1/limits/canary"}, "redis: what comes last is the number of a database"},
		{"a password of Sentinels that are none", []string{"--redis", "redis://tk:canary@cache", "--redis-sentinel-password", "canary"}, "redis-sentinel-password: is set"},
		{"a password of Sentinels without Redis", []string{"--redis-sentinel-password", "canary"}, "redis-sentinel-password: is set"},
		{"a database with a name", []string{"--redis", "redis://tk:canary@cache/canary"}, "redis: what comes last is the number of a database"},
		{"parameters", []string{"--redis", "redis://tk:x@cache?password=canary"}, "redis: has parameters"},
		{"a password in the place of the user", []string{"--redis", "redis://canary@cache"}, "redis: has a user without a password"},
		{"a password with a #", []string{"--redis", "redis://tk:canary#@cache"}, "write special characters of the password as %XX"},
		{"a file for TLS without TLS", []string{"--redis", "redis://cache", "--redis-ca-file", "ca.pem"}, "redis: does not use TLS"},
		{"a file for TLS without Redis", []string{"--redis-ca-file", "ca.pem"}, "redis: does not use TLS"},
		{"no time", []string{"--redis-timeout", "0s"}, "redis-timeout: 0s is out of range"},
		{"too much time", []string{"--redis-timeout", "2s"}, "redis-timeout: 2s is out of range"},
	} {
		t.Run(c.name, func(t *testing.T) {
			wantProblem(t, c.problem, c.args...)
		})
	}
}

func TestTheAddressOfRedisIsPrintedWithoutItsPasswordAndMayComeFromAFile(t *testing.T) {
	file := filepath.Join(t.TempDir(), "redis")
	require.NoError(t, os.WriteFile(file, []byte("rediss://tk:canary@cache:6380/3\n"), 0o600))
	c, err := load(t, []string{"TOLLKEEPER_REDIS_FILE=" + file})
	require.NoError(t, err)
	require.Equal(t, "rediss://tk:canary@cache:6380/3", c.Redis)
	require.Equal(t, 25*time.Millisecond, c.RedisTimeout)
	require.Contains(t, c.Print(), "redis: rediss://tk:xxxxx@cache:6380/3\n")
	require.NotContains(t, c.Print(), "canary")
}
