package app

import (
	"context"
	"encoding/json"
	"net/http"
	"net/netip"
	"sync/atomic"
	"time"

	"github.com/cenkalti/backoff/v5"

	"github.com/tollkeeper/tollkeeper/api/gen"
)

// AbsentError says that a database or ClickHouse did not answer for as long as the start waits. A later start may do, whereas one that
// fails for another reason needs other settings first.
type AbsentError struct{ error }

// Unwrap returns what was tried last.
func (e *AbsentError) Unwrap() error { return e.error }

// awaitPart calls open until it works or fails for a reason that time does not mend, as away tells. Tools do not wait: somebody looks on.
func (a *App) awaitPart(ctx context.Context, name string, open func() error, away func(error) bool) error {
	patience := a.cfg.StartWait
	if a.tool {
		patience = 0
	}
	defer a.waiting.say(name, nil)
	tries := backoff.NewExponentialBackOff()
	tries.InitialInterval, tries.MaxInterval = 500*time.Millisecond, 5*time.Second
	began, n := time.Now(), 0
	for {
		n++
		err := open()
		left := patience - time.Since(began)
		switch {
		case err == nil || !away(err):
			return err
		case left <= 0:
			return &AbsentError{err}
		}
		a.waiting.say(name, err)
		pause := min(tries.NextBackOff(), left)
		a.Log.Warn("the start waits", "for", name, "try", n, "again", pause.Round(time.Millisecond), "at_most", left.Round(time.Second), "err", err)
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-time.After(pause):
		}
	}
}

// waiting answers in the place of the API while the start waits: the process lives and is not ready, and says what it waits for.
type waiting struct {
	check atomic.Pointer[gen.Check]
}

func (w *waiting) say(name string, err error) {
	if err == nil {
		w.check.Store(nil)
		return
	}
	w.check.Store(&gen.Check{Name: name, Status: gen.CheckStatusFailing, Detail: err.Error()})
}

// ServeHTTP implements http.Handler.
func (w *waiting) ServeHTTP(out http.ResponseWriter, r *http.Request) {
	answer, status := any(gen.Problem{
		Type: "about:blank", Title: "Not available now", Status: http.StatusServiceUnavailable, Code: "unavailable", Instance: r.URL.Path,
		Detail: "The program is starting; `/readyz` says what it waits for.",
	}), http.StatusServiceUnavailable
	kind := "application/problem+json"
	switch r.URL.Path {
	case "/livez":
		answer, status, kind = gen.Health{Status: gen.HealthStatusOk, Checks: []gen.Check{}}, http.StatusOK, "application/json"
	case "/readyz":
		check := gen.Check{Name: "start", Status: gen.CheckStatusFailing, Detail: "the program is starting"}
		if c := w.check.Load(); c != nil {
			check = *c
		}
		if !r.URL.Query().Has("verbose") || !fromHere(r) {
			check.Detail = ""
		}
		answer, kind = gen.Health{Status: gen.HealthStatusFailing, Checks: []gen.Check{check}}, "application/json"
	}
	if status != http.StatusOK {
		out.Header().Set("Retry-After", "1")
	}
	reply(out, kind, status, answer)
}

func reply(out http.ResponseWriter, kind string, status int, answer any) {
	out.Header().Set("Content-Type", kind)
	out.Header().Set("Cache-Control", "no-store")
	out.WriteHeader(status)
	_ = json.NewEncoder(out).Encode(answer) // the client may be gone
}

// healthOnly lets through what asks for the health and the figures of a process that only takes logs in.
func healthOnly(api http.Handler) http.Handler {
	return http.HandlerFunc(func(out http.ResponseWriter, r *http.Request) {
		switch r.URL.Path {
		case "/livez", "/readyz", "/metrics":
			api.ServeHTTP(out, r)
			return
		}
		reply(out, "application/problem+json", http.StatusNotFound, gen.Problem{
			Type: "about:blank", Title: "Not found", Status: http.StatusNotFound, Code: "not_found", Instance: r.URL.Path,
			Detail: "This process takes access logs in (role ingest) and answers `/livez`, `/readyz` and `/metrics` only. Ask one with the role api.",
		})
	})
}

// fromHere says that the caller is on this machine, with no proxy in between that says for whom it asks: nobody else can show a role yet.
func fromHere(r *http.Request) bool {
	peer, err := netip.ParseAddrPort(r.RemoteAddr)
	return err == nil && peer.Addr().Unmap().IsLoopback() && r.Header.Get("X-Forwarded-For") == "" && r.Header.Get("Forwarded") == ""
}
