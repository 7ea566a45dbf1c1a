package api

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"net/http"
	"sync"
	"time"

	"github.com/gin-gonic/gin"
)

const (
	idempotencyHeader = "Idempotency-Key"
	replayedHeader    = "Idempotency-Replayed"
	// IdempotencyTTL is how long an answer is remembered.
	IdempotencyTTL = 24 * time.Hour
)

// idempotent makes repeats of one request safe (draft-ietf-httpapi-idempotency-key-header). An answer of 500 and above is
// not remembered: the request may be tried again with the same key. Unless it may have been carried out: doing it again might do
// it twice.
func (s *Server) idempotent(c *gin.Context) {
	r := requestOf(c)
	name := c.GetHeader(idempotencyHeader)
	if !r.op.idempotent || name == "" {
		return
	}
	ctx := c.Request.Context()
	scope := r.who.ID + " " + r.op.id
	answer, err := s.cfg.Idempotency.Begin(ctx, scope, name, requestHash(c))
	if err != nil {
		s.fail(c, err)
		return
	}
	if answer != nil {
		c.Header(replayedHeader, "true")
		for name, value := range answer.Header {
			c.Header(name, value)
		}
		c.Data(answer.Status, answer.Header["Content-Type"], answer.Body)
		c.Abort()
		return
	}
	rec := &recorder{ResponseWriter: c.Writer}
	c.Writer = rec
	var keep *StoredAnswer
	defer func() { // after a panic too: the claim must not stay
		ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), 5*time.Second)
		defer cancel()
		if err := s.cfg.Idempotency.Finish(ctx, scope, name, keep); err != nil {
			s.log.Error("the answer of an idempotent request was not stored", "request_id", r.id, "err", err)
		}
	}()
	c.Next()
	if status := rec.Status(); status < http.StatusInternalServerError || r.failure != nil && r.failure.Code == CodeOutcomeUnknown {
		keep = &StoredAnswer{Status: status, Header: map[string]string{}, Body: withoutSecret(rec.body.Bytes())}
		for _, name := range []string{"Content-Type", "ETag", "Location"} {
			if v := rec.Header().Get(name); v != "" {
				keep.Header[name] = v
			}
		}
	}
}

// requestHash tells requests apart by all that decides about their effect.
func requestHash(c *gin.Context) string {
	h := sha256.New()
	for _, part := range []string{c.Request.Method, c.Request.URL.Path, c.Request.URL.RawQuery, c.GetHeader("If-Match")} {
		h.Write([]byte(part))
		h.Write([]byte{0})
	}
	if raw, ok := c.Get(bodyKey); ok {
		if b, ok := raw.([]byte); ok {
			h.Write(b)
		}
	}
	return hex.EncodeToString(h.Sum(nil))
}

// withoutSecret drops the secret of an answer that shows one.
func withoutSecret(body []byte) []byte {
	if !bytes.Contains(body, []byte(`"secret"`)) {
		return body
	}
	var fields map[string]json.RawMessage
	if json.Unmarshal(body, &fields) != nil {
		return body
	}
	if _, ok := fields["secret"]; !ok {
		return body
	}
	delete(fields, "secret")
	out, err := json.Marshal(fields)
	if err != nil {
		return nil
	}
	return out
}

// recorder keeps a copy of what is written. Answers of operations with a key are small.
type recorder struct {
	gin.ResponseWriter
	body bytes.Buffer
}

func (r *recorder) Write(b []byte) (int, error) {
	r.body.Write(b)
	return r.ResponseWriter.Write(b)
}

func (r *recorder) WriteString(s string) (int, error) {
	r.body.WriteString(s)
	return r.ResponseWriter.WriteString(s)
}

// memoryIdempotency serves one process that has no database for it: at most maxAnswers answers; beyond that the oldest go.
type memoryIdempotency struct {
	now func() time.Time

	mu      sync.Mutex
	answers map[string]*memoryAnswer
	order   []string // by time of the claim
}

type memoryAnswer struct {
	hash    string
	claimed time.Time
	answer  *StoredAnswer // nil while the first request runs
}

const maxAnswers = 10_000

func newMemoryIdempotency(now func() time.Time) *memoryIdempotency {
	return &memoryIdempotency{now: now, answers: make(map[string]*memoryAnswer)}
}

func (m *memoryIdempotency) Begin(_ context.Context, scope, key, hash string) (*StoredAnswer, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	now := m.now()
	for len(m.order) > 0 {
		first := m.answers[m.order[0]]
		if first != nil && len(m.order) < maxAnswers && now.Sub(first.claimed) < IdempotencyTTL {
			break
		}
		delete(m.answers, m.order[0])
		m.order = m.order[1:]
	}
	id := scope + "\x00" + key
	if a, ok := m.answers[id]; ok {
		switch {
		case a.hash != hash:
			return nil, &Error{Code: CodeIdempotencyReused}
		case a.answer == nil:
			return nil, &Error{Code: CodeIdempotencyRunning}
		}
		return a.answer, nil
	}
	m.answers[id] = &memoryAnswer{hash: hash, claimed: now}
	m.order = append(m.order, id)
	return nil, nil
}

func (m *memoryIdempotency) Finish(_ context.Context, scope, key string, answer *StoredAnswer) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	id := scope + "\x00" + key
	if answer == nil {
		delete(m.answers, id) // its place in order is skipped when it comes up
		return nil
	}
	if a, ok := m.answers[id]; ok {
		a.answer = answer
	}
	return nil
}
