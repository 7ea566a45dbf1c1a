package demo

import (
	"context"
	"fmt"
	"io"
	"log/slog"
	"math/rand/v2"
	"net"
	"net/http"
	"time"

	"github.com/segmentio/kafka-go"
	"github.com/segmentio/kafka-go/compress"
)

// Key is a customer's key as the gateway meets it.
type Key struct {
	ID     string `json:"id"`
	Secret string `json:"secret"`
}

// Gateway stands in for an API gateway: it asks Tollkeeper about every call over HTTP, as nginx's auth_request does, and
// writes an access-log record of it to Kafka.
type Gateway struct {
	authorize string
	client    *http.Client
	writer    *kafka.Writer
	keys      map[*Customer]Key
}

// NewGateway makes a gateway that asks baseURL and logs to topic. Close it after use.
func NewGateway(baseURL, broker, topic string, keys map[*Customer]Key) *Gateway {
	return &Gateway{
		authorize: baseURL + "/v1/authorize",
		client:    &http.Client{Timeout: 5 * time.Second, Transport: &http.Transport{MaxIdleConnsPerHost: 8}},
		writer: &kafka.Writer{
			Addr: kafka.TCP(broker), Topic: topic, Balancer: kafka.Murmur2Balancer{}, Compression: compress.Lz4,
			RequiredAcks: kafka.RequireAll, BatchTimeout: 20 * time.Millisecond, BatchSize: 5000, BatchBytes: 1 << 20,
			Transport: &kafka.Transport{Dial: (&net.Dialer{Timeout: 5 * time.Second}).DialContext, IdleTimeout: time.Minute},
		},
		keys: keys,
	}
}

// Close flushes the log.
func (g *Gateway) Close() error {
	g.client.CloseIdleConnections()
	err := g.writer.Close()
	if t, ok := g.writer.Transport.(*kafka.Transport); ok {
		t.CloseIdleConnections()
	}
	return err
}

// Pass takes one call: asks whether its key is welcome, answers, and logs. It returns the status that the caller got.
func (g *Gateway) Pass(ctx context.Context, c Call) (status int, err error) {
	key := g.keys[c.Customer]
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, g.authorize, http.NoBody)
	if err != nil {
		return 0, fmt.Errorf("ask for key %s: %w", key.ID, err)
	}
	req.Header.Set("X-Api-Key", key.Secret)
	req.Header.Set("X-Forwarded-For", c.ClientIP.String())
	req.Header.Set("X-Original-Method", c.Method)
	req.Header.Set("X-Original-URI", c.Path)
	req.Header.Set("User-Agent", c.UserAgent)
	res, err := g.client.Do(req)
	if err != nil {
		return 0, fmt.Errorf("ask for key %s: %w", key.ID, err)
	}
	_, _ = io.Copy(io.Discard, io.LimitReader(res.Body, 64<<10))
	_ = res.Body.Close()
	if res.StatusCode != http.StatusOK {
		c.Status, c.Bytes, c.Millis, c.Units = res.StatusCode, 160, 0.4, nil
	}
	if err := g.writer.WriteMessages(ctx, kafka.Message{Key: []byte(key.ID), Value: c.Line(key.ID)}); err != nil {
		return 0, fmt.Errorf("log a call of key %s: %w", key.ID, err)
	}
	return c.Status, nil
}

// Seed writes what the customers did in [from, to) straight to Kafka and calls progress with how far it has come.
func (g *Gateway) Seed(ctx context.Context, seed uint64, customers []*Customer, from, to time.Time, progress func(done time.Duration, calls int)) (int, error) {
	total := 0
	var batch []kafka.Message
	err := History(rand.New(rand.NewPCG(seed, uint64(from.Unix()))), customers, from, to, func(until time.Time, calls []Call) error {
		for i := range calls {
			id := g.keys[calls[i].Customer].ID
			batch = append(batch, kafka.Message{Key: []byte(id), Value: calls[i].Line(id)})
		}
		total += len(calls)
		progress(until.Sub(from), total)
		if len(batch) < 20_000 && until.Before(to) {
			return nil
		}
		if err := g.writer.WriteMessages(ctx, batch...); err != nil {
			return fmt.Errorf("write history to Kafka: %w", err)
		}
		batch = batch[:0]
		return nil
	})
	return total, err
}

// Heist is what happens live: when which key is stolen, and what became of it.
type Heist struct {
	Victim    *Customer
	After     time.Duration // from the start of the live traffic
	OnStolen  func(first Call)
	OnRefused func(refused Call, status int, passed int)
	Log       *slog.Logger
}

// Live plays the customers' traffic in real time until ctx ends, and the thief's from h.After on. A thief that was
// refused tries again now and then, as thieves do.
func (g *Gateway) Live(ctx context.Context, seed uint64, customers []*Customer, h Heist) {
	rng := rand.New(rand.NewPCG(seed, uint64(time.Now().UnixNano())))
	th := newThief(rng)
	start := time.Now()
	last := start
	stolen, refused, passed := false, false, 0
	tick := time.NewTicker(200 * time.Millisecond)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		}
		now := time.Now()
		var calls []Call
		for _, c := range customers {
			calls = append(calls, c.Calls(rng, last, now)...)
		}
		if now.Sub(start) >= h.After && h.Victim != nil {
			if refused {
				th.per = 0.1
			}
			calls = append(calls, th.calls(h.Victim, last, now)...)
		}
		last = now
		for _, c := range calls {
			if c.Thief && !stolen {
				stolen = true
				h.OnStolen(c)
			}
			status, err := g.Pass(ctx, c)
			switch {
			case err != nil:
				if ctx.Err() == nil {
					h.Log.Warn("a simulated call was lost", "err", err)
				}
			case c.Thief && status == http.StatusForbidden && !refused:
				refused = true
				h.OnRefused(c, status, passed)
			case c.Thief && status != http.StatusForbidden:
				passed++
			}
		}
	}
}
