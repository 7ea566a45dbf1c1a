package api

import (
	"encoding/json"
	"net/http"
	"strconv"
	"sync"
	"time"

	"github.com/gin-gonic/gin"

	"github.com/tollkeeper/tollkeeper/api/gen"
)

const (
	// DefaultEvents is how many live events are held for clients that come back.
	DefaultEvents = 1024
	// subscriberQueue is how far a client may fall behind before it is disconnected.
	subscriberQueue = 256
	// maxSubscribers bounds the open streams of this process.
	maxSubscribers = 1000
	// keepAlive is shorter than the idle timeouts of common proxies.
	keepAlive = 15 * time.Second
	// eventWriteBound is how long one write to a client may take.
	eventWriteBound = 10 * time.Second
)

// Events is a ring of the newest live events, with subscribers. Publishing never blocks: a subscriber whose queue is full
// is disconnected (it comes back and gets what it missed, as far as the ring reaches). Numbers begin at the time the
// process started, in microseconds, so that they grow across restarts and a client that comes back after one is told that
// it missed something.
type Events struct {
	now func() time.Time

	mu      sync.Mutex
	ring    []gen.Event // oldest first from start
	start   int
	next    int64
	subs    map[*subscriber]struct{}
	dropped int64
	closed  bool
}

type subscriber struct {
	queue chan gen.Event
}

// NewEvents returns a ring of size events; 0: DefaultEvents.
func NewEvents(size int, now func() time.Time) *Events {
	if size <= 0 {
		size = DefaultEvents
	}
	return &Events{now: now, ring: make([]gen.Event, 0, size), next: now().UnixMicro(), subs: make(map[*subscriber]struct{})}
}

// Publish hands e to all clients. Its number is set here, its time when it has none.
func (h *Events) Publish(e gen.Event) {
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.closed {
		return
	}
	e.Id = h.next
	h.next++
	if e.At.IsZero() {
		e.At = h.now().UTC()
	}
	if len(h.ring) < cap(h.ring) {
		h.ring = append(h.ring, e)
	} else {
		h.ring[h.start] = e
		h.start = (h.start + 1) % len(h.ring)
	}
	for sub := range h.subs {
		select {
		case sub.queue <- e:
		default:
			delete(h.subs, sub)
			close(sub.queue)
			h.dropped++
		}
	}
}

// Close ends all streams. Publishing afterwards does nothing.
func (h *Events) Close() {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.closed = true
	for sub := range h.subs {
		delete(h.subs, sub)
		close(sub.queue)
	}
}

// subscribe returns what came after the event number last, whether something between is lost, and the subscriber, which is
// nil when there are too many.
func (h *Events) subscribe(last int64, resume bool) (missed []gen.Event, lost bool, sub *subscriber) {
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.closed || len(h.subs) >= maxSubscribers {
		return nil, false, nil
	}
	for i := range h.ring {
		if e := h.ring[(h.start+i)%len(h.ring)]; e.Id > last {
			missed = append(missed, e)
		}
	}
	if resume {
		oldest := h.next
		if len(h.ring) > 0 {
			oldest = h.ring[h.start].Id
		}
		lost = last+1 < oldest || last >= h.next
	}
	sub = &subscriber{queue: make(chan gen.Event, subscriberQueue)}
	h.subs[sub] = struct{}{}
	return missed, lost, sub
}

func (h *Events) unsubscribe(sub *subscriber) {
	h.mu.Lock()
	defer h.mu.Unlock()
	if _, ok := h.subs[sub]; ok {
		delete(h.subs, sub)
		close(sub.queue)
	}
}

// counts returns the number of open streams and of those that were disconnected for being slow.
func (h *Events) counts() (open int, dropped int64) {
	h.mu.Lock()
	defer h.mu.Unlock()
	return len(h.subs), h.dropped
}

// streamEvents writes the ring's content and then what comes, until the client goes. A first visit gets what the ring
// holds, so that a page has something to show at once.
func (s *Server) streamEvents(c *gin.Context, lastID string) {
	r := requestOf(c)
	r.quiet = true
	last, resume := int64(0), lastID != ""
	if resume {
		n, err := strconv.ParseInt(lastID, 10, 64)
		if err != nil || n < 0 {
			s.fail(c, InvalidParameter("Last-Event-ID", "must be the number of an event"))
			return
		}
		last = n
	}
	missed, lost, sub := s.events.subscribe(last, resume)
	if sub == nil {
		c.Header("Retry-After", "5")
		s.fail(c, &Error{Code: CodeUnavailable, Detail: "Too many live streams are open, or the server is stopping."})
		return
	}
	defer s.events.unsubscribe(sub)
	h := c.Writer.Header()
	h.Set("Content-Type", "text/event-stream")
	h.Set("Cache-Control", "no-store")
	h.Set("X-Accel-Buffering", "no") // nginx would collect the stream
	c.Status(http.StatusOK)
	out := &eventWriter{w: c.Writer, control: http.NewResponseController(c.Writer)}
	out.raw("retry: 2000\n\n")
	if lost {
		out.raw("event: reset\ndata: {}\n\n")
		// What the client has cannot be continued: it gets all that there is.
		if missed == nil {
			out.flush()
		}
	}
	for i := range missed {
		out.event(&missed[i])
	}
	out.flush()
	tick := time.NewTicker(keepAlive)
	defer tick.Stop()
	for out.err == nil {
		select {
		case <-c.Request.Context().Done():
			return
		case <-tick.C:
			out.raw(": still here\n\n")
		case e, ok := <-sub.queue:
			if !ok {
				return
			}
			out.event(&e)
		}
		out.flush()
	}
}

// eventWriter writes until the first error and keeps it.
type eventWriter struct {
	w       http.ResponseWriter
	control *http.ResponseController
	err     error
}

func (o *eventWriter) raw(text string) {
	if o.err != nil {
		return
	}
	// A server without write deadlines (a test's recorder) says that it has none; that is no reason to stop.
	_ = o.control.SetWriteDeadline(time.Now().Add(eventWriteBound))
	_, o.err = o.w.Write([]byte(text))
}

func (o *eventWriter) event(e *gen.Event) {
	data, err := json.Marshal(e)
	if err != nil {
		o.err = err
		return
	}
	o.raw("id: " + strconv.FormatInt(e.Id, 10) + "\ndata: " + string(data) + "\n\n")
}

func (o *eventWriter) flush() {
	if o.err == nil {
		o.err = o.control.Flush()
	}
}
