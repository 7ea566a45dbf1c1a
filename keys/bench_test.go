package keys_test

import (
	"context"
	"fmt"
	"log/slog"
	"runtime"
	"strings"
	"testing"
	"time"

	"github.com/tollkeeper/tollkeeper/internal/redisrate"
	"github.com/tollkeeper/tollkeeper/internal/redisrate/redistest"
	"github.com/tollkeeper/tollkeeper/internal/sqlstore"
	"github.com/tollkeeper/tollkeeper/internal/sqlstore/sqltest"
	"github.com/tollkeeper/tollkeeper/keys"
	"github.com/tollkeeper/tollkeeper/keys/rate"
)

// manyKeys returns a verifier that holds n keys, some of their secrets, and what it holds per key in bytes. The keys are
// put in memory directly: what is measured is verification, not the database.
func manyKeys(b *testing.B, n int) (v *keys.Verifier, secrets []string, bytesPerKey float64) {
	b.Helper()
	s := newStore(b, sqltest.New(b, sqlstore.SQLite)(b), newPepper(b), nil)
	v = newVerifier(b, s, keys.VerifierConfig{Bound: never})
	var before, after runtime.MemStats
	runtime.GC()
	runtime.ReadMemStats(&before)
	secrets = keys.FillForBenchmark(s, v, n, 4096)
	runtime.GC()
	runtime.ReadMemStats(&after)
	return v, secrets, float64(int64(after.HeapAlloc)-int64(before.HeapAlloc)) / float64(n)
}

func BenchmarkVerify(b *testing.B) {
	for _, n := range []int{1_000, 1_000_000} {
		v, secrets, perKey := manyKeys(b, n)
		name := fmt.Sprintf("keys=%d", n)
		b.Run(name+"/valid", func(b *testing.B) {
			b.ReportAllocs()
			for i := 0; b.Loop(); i++ {
				if got := v.Verify(keys.Request{Key: secrets[i%len(secrets)]}); !got.Valid {
					b.Fatalf("%+v", got)
				}
			}
			if n > 10_000 { // below, noise
				b.ReportMetric(perKey, "B/key")
			}
		})
		b.Run(name+"/parallel", func(b *testing.B) {
			b.ReportAllocs()
			b.RunParallel(func(pb *testing.PB) {
				for i := 0; pb.Next(); i++ {
					if got := v.Verify(keys.Request{Key: secrets[i%len(secrets)]}); !got.Valid {
						b.Errorf("%+v", got)
						return
					}
				}
			})
		})
		junk := make([]string, len(secrets))
		unknown := make([]string, len(secrets))
		for i := range junk {
			junk[i] = strings.Repeat("x", 8) + secrets[i][:8] // foreign and unknown
			unknown[i] = secrets[i][:35] + "!"
		}
		b.Run(name+"/unknown", func(b *testing.B) {
			b.ReportAllocs()
			for i := 0; b.Loop(); i++ {
				if got := v.Verify(keys.Request{Key: junk[i%len(junk)]}); got.Code != keys.CodeNotFound {
					b.Fatalf("%+v", got)
				}
			}
		})
		b.Run(name+"/malformed", func(b *testing.B) {
			b.ReportAllocs()
			for i := 0; b.Loop(); i++ {
				if got := v.Verify(keys.Request{Key: unknown[i%len(unknown)]}); got.Code != keys.CodeMalformed {
					b.Fatalf("%+v", got)
				}
			}
		})
		b.Run(name+"/resolve", func(b *testing.B) {
			b.ReportAllocs()
			plain := make([][]byte, len(secrets))
			for i := range plain {
				plain[i] = []byte(secrets[i])
			}
			for i := 0; b.Loop(); i++ {
				if _, known := v.Resolve(plain[i%len(plain)]); !known {
					b.Fatal("unknown")
				}
			}
		})
	}
}

// BenchmarkSuspend is a suspension from the call until it is durable, audited and in force in this process.
func BenchmarkSuspend(b *testing.B) {
	for _, dialect := range []sqlstore.Dialect{sqlstore.SQLite, sqlstore.Postgres} {
		b.Run(string(dialect), func(b *testing.B) {
			ctx := context.Background()
			s := newStore(b, sqltest.New(b, dialect)(b), newPepper(b), nil)
			k, _ := issue(b, s, keys.New{})
			for i := 0; b.Loop(); i++ {
				if _, _, err := s.Suspend(ctx, k.ID, time.Now().Add(time.Hour+time.Duration(i)*time.Second), ada); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}

// BenchmarkIssueMany is an import of 10,000 keys in one call.
func BenchmarkIssueMany(b *testing.B) {
	for _, dialect := range []sqlstore.Dialect{sqlstore.SQLite, sqlstore.Postgres} {
		b.Run(string(dialect), func(b *testing.B) {
			ctx := context.Background()
			s := newStore(b, sqltest.New(b, dialect)(b), newPepper(b), nil)
			list := make([]keys.New, 10_000)
			for b.Loop() {
				for i := range list {
					list[i] = keys.New{Name: fmt.Sprint("n", i), AccountID: fmt.Sprint("a", i%1000)}
				}
				if _, err := s.IssueMany(ctx, list, ada); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}

// BenchmarkLoad is how long a node with 100,000 keys takes to start.
func BenchmarkLoad(b *testing.B) {
	for _, dialect := range []sqlstore.Dialect{sqlstore.SQLite, sqlstore.Postgres} {
		b.Run(string(dialect), func(b *testing.B) {
			ctx := context.Background()
			s := newStore(b, sqltest.New(b, dialect)(b), newPepper(b), nil)
			list := make([]keys.New, 100_000)
			for i := range list {
				list[i] = keys.New{Name: fmt.Sprint("n", i), AccountID: fmt.Sprint("a", i%1000)}
			}
			if _, err := s.IssueMany(ctx, list, ada); err != nil {
				b.Fatal(err)
			}
			for b.Loop() {
				v, err := keys.NewVerifier(s, keys.VerifierConfig{})
				if err != nil {
					b.Fatal(err)
				}
				if err := v.Load(ctx); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}

// BenchmarkVerifyThrottled is a throttled key whose calls pass and one whose calls are refused, counted in memory and, with a
// real Redis on this machine, by all nodes together.
func BenchmarkVerifyThrottled(b *testing.B) {
	redis := redistest.Start(b)
	shared, err := redisrate.Open(b.Context(), redisrate.Config{URL: "redis://" + redis.Addr, Timeout: time.Second, Logger: slog.New(slog.DiscardHandler)})
	if err != nil {
		b.Fatal(err)
	}
	defer shared.Close()
	for _, limiter := range []struct {
		name string
		rate.Limiter
	}{{"memory", rate.Local{}}, {"redis", shared}} {
		s := newStore(b, sqltest.New(b, sqlstore.SQLite)(b), newPepper(b), nil)
		v := newVerifier(b, s, keys.VerifierConfig{Bound: never, Limiter: limiter})
		throttled := func(perMinute int64) string {
			k, secret := issue(b, s, keys.New{})
			if _, _, err := s.Throttle(context.Background(), k.ID, perMinute, time.Time{}, ada); err != nil {
				b.Fatal(err)
			}
			return secret
		}
		for _, c := range []struct {
			name    string
			secrets []string
		}{
			{"passes", many(100, func() string { return throttled(keys.MaxPerMinute) })}, // 100,000 at once each
			{"refused", many(1, func() string { return throttled(1) })},
		} {
			b.Run(limiter.name+"/"+c.name, func(b *testing.B) {
				b.ReportAllocs()
				for i := 0; b.Loop(); i++ {
					v.Verify(keys.Request{Key: c.secrets[i%len(c.secrets)]})
				}
			})
			b.Run(limiter.name+"/"+c.name+"/parallel", func(b *testing.B) {
				b.ReportAllocs()
				b.RunParallel(func(pb *testing.PB) {
					for i := 0; pb.Next(); i++ {
						v.Verify(keys.Request{Key: c.secrets[i%len(c.secrets)]})
					}
				})
			})
		}
		if err := shared.Ready(b.Context()); err != nil {
			b.Fatal(err)
		}
	}
}

func many(n int, one func() string) (list []string) {
	for range n {
		list = append(list, one())
	}
	return list
}
