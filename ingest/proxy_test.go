package ingest

import (
	"bytes"
	"context"
	"io"
	"net"
	"net/http"
	"net/http/httputil"
	"net/url"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"
)

// moment is a point in the life of an ingester at which a fault can meet it.
type moment int

const (
	whileStarting moment = iota // up to half a second after its process was started: connecting, joining, taking over
	whenever                    // at any time in the first one and a half seconds
	inTakeover                  // it asks the store whether a planned block has landed
	beforeInsert                // its plan is committed, the store has not seen the block yet
	inInsert                    // the store has the block and has not answered
	afterInsert                 // stored; the answer is not there yet
	inCommit                    // the answer is there; the next commit is on its way
)

func (m moment) String() string {
	return [...]string{"while starting", "whenever", "in takeover", "before an insert", "in an insert", "after an insert", "in a commit"}[m]
}

// faultProxy stands between one ingester and the engine.
type faultProxy struct {
	addr   string
	inject atomic.Bool // faults of the store, in turn for every insert
	n      atomic.Int64
	counts [4]atomic.Int64 // by kind of fault
	lying  atomic.Pointer[ambush]
	close  func()
}

// The kinds of faults of the store.
const (
	faultNone       = iota
	faultRefuse     // an error without the engine having seen the insert
	faultLoseAnswer // stored, but the connection breaks before the answer
	faultStall      // stored, but the answer comes after the client has given up
)

// ambush holds what the ingester asks for at a moment until it is released; then it goes on, or is dropped.
type ambush struct {
	at        moment
	hit, free chan struct{}
	once      sync.Once
	drop      atomic.Bool
	proxy     *faultProxy
}

// ambush waits for the next time that the ingester comes to that moment.
func (p *faultProxy) ambush(at moment) *ambush {
	a := &ambush{at: at, hit: make(chan struct{}), free: make(chan struct{}), proxy: p}
	p.lying.Store(a)
	return a
}

func (a *ambush) wait(within time.Duration) bool {
	select {
	case <-a.hit:
		return true
	case <-time.After(within):
		return !a.proxy.lying.CompareAndSwap(a, nil) // it may have been hit just now
	}
}

func (a *ambush) release() {
	a.proxy.lying.CompareAndSwap(a, nil)
	a.once.Do(func() { close(a.free) })
}

// reached springs the ambush if it is for this moment, and waits until it is over. It says whether to drop the request.
func (p *faultProxy) reached(at moment) (drop bool) {
	a := p.lying.Load()
	if a == nil || a.at != at || !p.lying.CompareAndSwap(a, nil) {
		return false
	}
	close(a.hit)
	<-a.free
	return a.drop.Load()
}

func startProxy(t *testing.T, socket string) *faultProxy {
	t.Helper()
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	p := &faultProxy{addr: ln.Addr().String()}
	tr := &http.Transport{DialContext: func(ctx context.Context, _, _ string) (net.Conn, error) {
		return (&net.Dialer{}).DialContext(ctx, "unix", socket)
	}, MaxIdleConnsPerHost: 32}
	target := &url.URL{Scheme: "http", Host: "engine"}
	rp := &httputil.ReverseProxy{
		Transport: tr, FlushInterval: -1, Rewrite: func(r *httputil.ProxyRequest) { r.SetURL(target) },
		ErrorHandler: func(w http.ResponseWriter, _ *http.Request, err error) {
			http.Error(w, err.Error(), http.StatusBadGateway)
		},
	}
	srv := &http.Server{Handler: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		// Read to its end: what is held here must not depend on the client any more.
		body, err := io.ReadAll(r.Body)
		if err != nil {
			panic(http.ErrAbortHandler)
		}
		r.Body = io.NopCloser(bytes.NewReader(body))
		switch {
		case strings.Contains(r.URL.Query().Get("query"), "INSERT INTO events"):
			p.insert(w, r, rp)
		case bytes.Contains(body, []byte("SELECT 1 FROM events")) && p.reached(inTakeover):
			panic(http.ErrAbortHandler)
		default:
			rp.ServeHTTP(w, r)
		}
	})}
	done := make(chan struct{})
	go func() {
		defer close(done)
		srv.Serve(ln)
	}()
	p.close = sync.OnceFunc(func() {
		if a := p.lying.Load(); a != nil {
			a.release()
		}
		srv.Close()
		tr.CloseIdleConnections()
		<-done
	})
	t.Cleanup(p.close)
	return p
}

func (p *faultProxy) insert(w http.ResponseWriter, r *http.Request, engine http.Handler) {
	// The client may go away, the insert goes on.
	alone := r.WithContext(context.WithoutCancel(r.Context()))
	if p.reached(beforeInsert) {
		panic(http.ErrAbortHandler)
	}
	kind := faultNone
	if p.inject.Load() {
		kind = int(p.n.Add(1) % 4)
		p.counts[kind].Add(1)
	}
	if a := p.lying.Load(); a != nil && a.at == inInsert {
		stored := make(chan struct{})
		go func() {
			defer close(stored)
			engine.ServeHTTP(&discardAnswer{h: http.Header{}}, alone)
		}()
		p.reached(inInsert)
		<-stored
		panic(http.ErrAbortHandler)
	}
	switch kind {
	case faultRefuse:
		http.Error(w, "Code: 252. DB::Exception: too many parts (injected)", http.StatusInternalServerError)
	case faultLoseAnswer, faultStall:
		engine.ServeHTTP(&discardAnswer{h: http.Header{}}, alone)
		if kind == faultStall {
			select {
			case <-r.Context().Done():
			case <-time.After(30 * time.Second):
			}
		}
		panic(http.ErrAbortHandler)
	default:
		answer := &heldAnswer{ResponseWriter: w}
		engine.ServeHTTP(answer, alone)
		if p.reached(afterInsert) {
			panic(http.ErrAbortHandler)
		}
		answer.send()
		p.reached(inCommit)
	}
}

type discardAnswer struct{ h http.Header }

func (d *discardAnswer) Header() http.Header         { return d.h }
func (d *discardAnswer) Write(b []byte) (int, error) { return len(b), nil }
func (d *discardAnswer) WriteHeader(int)             {}

// heldAnswer keeps an answer until it is sent.
type heldAnswer struct {
	http.ResponseWriter
	status int
	body   bytes.Buffer
}

func (h *heldAnswer) WriteHeader(status int) { h.status = status }

func (h *heldAnswer) Write(b []byte) (int, error) { return h.body.Write(b) }

func (h *heldAnswer) Flush() {}

func (h *heldAnswer) send() {
	if h.status != 0 {
		h.ResponseWriter.WriteHeader(h.status)
	}
	h.ResponseWriter.Write(h.body.Bytes())
	http.NewResponseController(h.ResponseWriter).Flush()
}

func (p *faultProxy) dsn() string { return "http://" + p.addr + "/tollkeeper?compress=none" }
