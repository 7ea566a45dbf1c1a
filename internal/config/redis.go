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
	if c.RedisCAFile != "" && !strings.HasPrefix(strings.ToLower(c.Redis), "rediss://") {
		bad("redis", "does not use TLS, but redis-ca-file is set; give it as rediss://user:password@host:6379/0")
	}
	if c.Redis == "" {
		return
	}
	before := 0
	checkDSN(func(setting, text string, args ...any) { before++; bad(setting, text, args...) }, "redis", c.Redis, "redis", "rediss")
	u, err := parseDSN(c.Redis)
	if err != nil || before > 0 {
		return
	}
	if strings.Contains(u.Host, ",") {
		bad("redis", "names several hosts; name one, such as the address under which the primary is reached")
	}
	if n := strings.Trim(u.Path, "/"); n != "" {
		if _, err := strconv.ParseUint(n, 10, 16); err != nil {
			bad("redis", "what comes after the host is the number of a database, such as /0")
		}
	}
	if u.RawQuery != "" || u.Fragment != "" {
		bad("redis", "has parameters, of which there are none; write special characters of the password as %%XX, such as %%23 for #")
	}
	if _, has := u.User.Password(); u.User != nil && !has {
		bad("redis", "has a user without a password; a password alone is written redis://:password@host:6379/0")
	}
}
