package config

import (
	"strconv"
	"strings"
	"time"
)

// checkRedis never repeats the address, since it may hold a password.
func (c *Config) checkRedis(bad func(string, string, ...any)) {
	if c.RedisTimeout < time.Millisecond || c.RedisTimeout > time.Second {
		bad("redis-timeout", "%v is out of range; use 1ms to 1s: calls of throttled keys wait for it", c.RedisTimeout)
	}
	if c.RedisCAFile != "" && !strings.HasPrefix(strings.ToLower(c.Redis), "rediss") {
		bad("redis", "does not use TLS, but redis-ca-file is set; give it as rediss://user:password@host:6379/0")
	}
	if scheme, _, _ := strings.Cut(c.Redis, "://"); c.RedisSentinelPassword != "" && !strings.HasSuffix(strings.ToLower(scheme), "+sentinel") {
		bad("redis-sentinel-password", "is set, but redis does not name Sentinels; give it as redis+sentinel://user:password@host:26379/mymaster/0")
	}
	if c.Redis == "" {
		return
	}
	before := 0
	checkDSN(func(setting, text string, args ...any) { before++; bad(setting, text, args...) }, "redis", c.Redis,
		"redis", "rediss", "redis+cluster", "rediss+cluster", "redis+sentinel", "rediss+sentinel")
	u, err := parseDSN(c.Redis)
	if err != nil || before > 0 {
		return
	}
	_, kind, _ := strings.Cut(u.Scheme, "+")
	database := strings.Trim(u.Path, "/")
	switch {
	case kind == "" && strings.Contains(u.Host, ","):
		bad("redis", "names several hosts; say by redis+cluster:// that they are nodes of a cluster, or by redis+sentinel:// that they are Sentinels, or name the one server that counts")
	case kind == "cluster" && database != "":
		bad("redis", "has a path, but a cluster has no databases: leave it out")
	case kind == "sentinel":
		var name string
		if name, database, _ = strings.Cut(database, "/"); name == "" {
			bad("redis", "does not say by which name the Sentinels know the primary; give it as redis+sentinel://user:password@host:26379,host:26379/mymaster/0")
		}
	}
	if database != "" && kind != "cluster" {
		if _, err := strconv.ParseUint(database, 10, 16); err != nil {
			bad("redis", "what comes last is the number of a database, such as /0")
		}
	}
	if u.RawQuery != "" || u.Fragment != "" {
		bad("redis", "has parameters, of which there are none; write special characters of the password as %%XX, such as %%23 for #")
	}
	if _, has := u.User.Password(); u.User != nil && !has {
		bad("redis", "has a user without a password; a password alone is written redis://:password@host:6379/0")
	}
}
