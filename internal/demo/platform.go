package demo

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"log/slog"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/tollkeeper/tollkeeper/internal/app"
	"github.com/tollkeeper/tollkeeper/keys"
)

// Config is what Open needs.
type Config struct {
	App        *app.App
	Folder     string // where the customers' keys are kept between two runs; a real platform's customers keep their own
	Topic      string
	Out        io.Writer // the story
	Log        *slog.Logger
	TheftAfter time.Duration // from the start of the live traffic
	Progress   func(done, total time.Duration, calls int)
}

// Platform is the simulated API platform.
type Platform struct {
	// Seeded is how many calls of history were written by this run.
	Seeded int

	cfg       Config
	gateway   *Gateway
	customers []*Customer
	keys      map[*Customer]Key
	victim    *Customer
	refused   chan string
}

const (
	seed    = 20
	history = 14 * 24 * time.Hour
)

// state is what is kept between two runs.
type state struct {
	Keys  map[string]Key `json:"keys"`  // by customer
	Until time.Time      `json:"until"` // up to when there is traffic
	Runs  int            `json:"runs"`
}

// Open issues the customers' keys, writes their history since the last run, at most two weeks, and returns when all of it
// is in ClickHouse.
func Open(ctx context.Context, cfg Config) (*Platform, error) {
	p := &Platform{cfg: cfg, customers: Customers(seed), keys: map[*Customer]Key{}, refused: make(chan string, 1)}
	st, err := p.load()
	if err != nil {
		return nil, err
	}
	if err := p.issue(ctx, &st); err != nil {
		return nil, err
	}
	if err := p.choose(ctx, st.Runs); err != nil {
		return nil, err
	}
	p.gateway = NewGateway(cfg.App.URL(), cfg.App.Brokers()[0], cfg.Topic, p.keys)
	now := time.Now().UTC()
	from := now.Add(-history).Truncate(time.Hour)
	if st.Until.After(from) {
		from = st.Until
	}
	stored, err := p.stored(ctx)
	if err != nil {
		return nil, err
	}
	if p.Seeded, err = p.gateway.Seed(ctx, seed, p.customers, from, now, func(done time.Duration, calls int) {
		cfg.Progress(done, now.Sub(from), calls)
	}); err != nil {
		return nil, err
	}
	if err := p.await(ctx, stored+int64(p.Seeded)); err != nil {
		return nil, err
	}
	st.Until, st.Runs = now, st.Runs+1
	return p, p.save(st)
}

// Close flushes the gateway's log.
func (p *Platform) Close() { _ = p.gateway.Close() }

// Customers is how many there are.
func (p *Platform) Customers() int { return len(p.customers) }

// Refused tells, once, that the thief was turned away.
func (p *Platform) Refused() <-chan string { return p.refused }

func (p *Platform) file() string { return filepath.Join(p.cfg.Folder, "demo.json") }

func (p *Platform) load() (state, error) {
	var st state
	raw, err := os.ReadFile(p.file())
	if errors.Is(err, fs.ErrNotExist) {
		return state{Keys: map[string]Key{}}, nil
	}
	if err != nil {
		return st, fmt.Errorf("the demo's own state: %w", err)
	}
	if err := json.Unmarshal(raw, &st); err != nil {
		return st, fmt.Errorf("the demo's own state %s is damaged: %w; remove the data folder to begin anew", p.file(), err)
	}
	return st, nil
}

func (p *Platform) save(st state) error {
	raw, err := json.Marshal(st)
	if err != nil {
		return fmt.Errorf("the demo's own state: %w", err)
	}
	if err := os.WriteFile(p.file(), raw, 0o600); err != nil {
		return fmt.Errorf("the demo's own state: %w", err)
	}
	return nil
}

func (p *Platform) issue(ctx context.Context, st *state) error {
	by := keys.By{Actor: "system:demo", Reason: "simulated customer"}
	for _, c := range p.customers {
		k, ok := st.Keys[c.Name]
		if !ok {
			account := "acct_" + strings.ToLower(strings.ReplaceAll(c.Name, " ", "_"))
			if _, err := p.cfg.App.Keys.PutAccount(ctx, account, c.Name, nil, by); err != nil {
				return fmt.Errorf("account of %s: %w", c.Name, err)
			}
			key, secret, err := p.cfg.App.Keys.Issue(ctx, keys.New{Name: c.Name, AccountID: account, Tags: []string{"demo"}}, by)
			if err != nil {
				return fmt.Errorf("key of %s: %w", c.Name, err)
			}
			k = Key{ID: key.ID, Secret: secret}
			st.Keys[c.Name] = k
		}
		p.keys[c] = k
	}
	return p.save(*st)
}

// choose finds a customer whose key works and that calls from servers of its own, another one with every run.
func (p *Platform) choose(ctx context.Context, runs int) error {
	var candidates []*Customer
	for _, c := range p.customers {
		if c.kind != server && c.kind != fleet && c.kind != model {
			continue
		}
		k, err := p.cfg.App.Keys.Get(ctx, p.keys[c].ID)
		if err != nil {
			return fmt.Errorf("key of %s: %w", c.Name, err)
		}
		if k.Status == keys.Active && len(k.Quarantine) == 0 {
			candidates = append(candidates, c)
		}
	}
	if len(candidates) == 0 {
		return errors.New("every customer's key has been stolen already: remove the demo's data folder to begin anew")
	}
	p.victim = candidates[runs%len(candidates)]
	return nil
}

func (p *Platform) stored(ctx context.Context) (int64, error) {
	totals, err := p.cfg.App.Events.StatusTotals(ctx, p.cfg.Topic)
	var n int64
	for _, t := range totals {
		n += t
	}
	return n, err
}

func (p *Platform) await(ctx context.Context, want int64) error {
	const patience = 3 * time.Minute
	ctx, cancel := context.WithTimeoutCause(ctx, patience, fmt.Errorf("the history was not in ClickHouse within %s; see the log for what ingest waits for", patience))
	defer cancel()
	for {
		n, err := p.stored(ctx)
		if err == nil && n >= want {
			return nil
		}
		select {
		case <-ctx.Done():
			return context.Cause(ctx)
		case <-time.After(50 * time.Millisecond):
		}
	}
}

// Live plays the traffic and tells the story until ctx ends.
func (p *Platform) Live(ctx context.Context) {
	id := p.keys[p.victim].ID
	alerts := p.cfg.App.Alerts.Subscribe(256)
	defer alerts.Close()
	changes := p.cfg.App.Keys.Subscribe(256)
	defer changes.Close()
	stolen := make(chan time.Time, 1)
	done := make(chan struct{})
	go func() {
		defer close(done)
		var since time.Time
		found := false
		for {
			select {
			case <-ctx.Done():
				return
			case since = <-stolen:
			case e, ok := <-alerts.C():
				if ok && !e.Resync && e.Value.Alert.KeyID == id && !since.IsZero() && !found {
					found = true
					p.tell("found", fmt.Sprintf("%s (alert %s)", e.Value.Alert.Sentence, e.Value.Alert.ID))
				}
			case e, ok := <-changes.C():
				if !ok || e.Resync || e.Value.Key.ID != id || since.IsZero() {
					continue
				}
				if k := e.Value.Key; k.Status == keys.Suspended {
					until := "until somebody reinstates it"
					if !k.SuspendedUntil.IsZero() {
						until = "until " + k.SuspendedUntil.UTC().Format("2006-01-02 15:04 UTC")
					}
					p.tell("suspended", fmt.Sprintf("%s, %.1f s after the theft, %s", id, time.Since(since).Seconds(), until))
				} else if len(k.Quarantine) > 0 {
					p.tell("quarantined", fmt.Sprintf("%s refuses the thief's network, %.1f s after the theft", id, time.Since(since).Seconds()))
				}
			}
		}
	}()
	p.gateway.Live(ctx, seed, p.customers, Heist{
		Victim: p.victim, After: p.cfg.TheftAfter, Log: p.cfg.Log,
		OnStolen: func(first Call) {
			stolen <- time.Now()
			text := fmt.Sprintf("the key of %s (%s) is now in a thief's hands, too: %s, %s", p.victim.Name, id, first.ClientIP, first.UserAgent)
			p.tell("stolen", text)
			p.cfg.App.Tell("key.stolen", id, text)
		},
		OnRefused: func(c Call, status, passed int) {
			text := fmt.Sprintf("%d %s for the thief's next call to %s; %d calls of the thief got through", status, http.StatusText(status), c.Path, passed)
			p.refused <- line3("refused", text)
			p.cfg.App.Tell("key.refused", id, text)
		},
	})
	<-done
}

func (p *Platform) tell(what, text string) { fmt.Fprintln(p.cfg.Out, line3(what, text)) }

func line3(what, text string) string {
	return fmt.Sprintf("%s  %-11s %s", time.Now().Format("15:04:05.000"), what, text)
}
