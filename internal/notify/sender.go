package notify

import (
	"bytes"
	"context"
	"crypto/hmac"
	"crypto/sha256"
	"crypto/tls"
	"encoding/base64"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"os"
	"strconv"
	"time"
)

// Formats of what is sent.
const (
	JSON      = "json"
	Slack     = "slack"
	PagerDuty = "pagerduty"
)

const (
	defaultTimeout = 10 * time.Second
	maxAnswerBytes = 64 << 10
	maxRetryAfter  = time.Hour // a receiver that asks for more gets a try all the same
)

// SenderConfig is where messages go, and how.
type SenderConfig struct {
	URL     string           // a secret: its path may be all that lets one post there
	Key     []byte           // signs; empty: nothing is signed
	Format  string           // JSON, Slack or PagerDuty
	Routing string           // PagerDuty's routing key, a secret
	Version string           // of this program
	Timeout time.Duration    // of one try, the answer included; 0: 10 s
	Now     func() time.Time // nil: time.Now
}

// Sender brings messages to one receiver. It is safe for concurrent use.
type Sender struct {
	cfg       SenderConfig
	url       *url.URL
	transport *http.Transport
}

// NewSender returns a sender. Its error does not hold the URL.
func NewSender(cfg SenderConfig) (*Sender, error) {
	u, err := url.Parse(cfg.URL)
	if err != nil || u.Host == "" || (u.Scheme != "http" && u.Scheme != "https") {
		return nil, errors.New("the receiver's address is not a http or https address")
	}
	if cfg.Timeout == 0 {
		cfg.Timeout = defaultTimeout
	}
	if cfg.Now == nil {
		cfg.Now = time.Now
	}
	// A transport follows no redirect and puts no URL into its errors, both of which a client does. Alerts are few: a
	// connection of its own for each is never one that the receiver has closed meanwhile.
	return &Sender{cfg: cfg, url: u, transport: &http.Transport{
		Proxy: http.ProxyFromEnvironment, DisableKeepAlives: true, ForceAttemptHTTP2: true, MaxResponseHeaderBytes: maxAnswerBytes,
	}}, nil
}

// Host is what may be said of the receiver: host and port.
func (s *Sender) Host() string { return s.url.Host }

// Answer is what came of a try.
type Answer struct {
	Status     int           // of HTTP; 0 without an answer
	Problem    string        // "" when the message was taken; it holds nothing that the receiver wrote, which could repeat the URL
	RetryAfter time.Duration // how long the receiver wants to be left alone, at most an hour
}

// Delivered says that the receiver has taken the message.
func (a Answer) Delivered() bool { return a.Problem == "" }

// Refused says that the receiver has answered, and that nothing is to be hoped for from its next answer: 3xx and 4xx without
// 408 and 429.
func (a Answer) Refused() bool {
	return a.Status >= 300 && a.Status < 500 && a.Status != http.StatusRequestTimeout && a.Status != http.StatusTooManyRequests
}

// Send tries once. It blocks until the receiver has answered, or for the timeout.
func (s *Sender) Send(ctx context.Context, m Message) Answer {
	m.SentAt = s.cfg.Now().UTC().Truncate(time.Millisecond)
	body, err := s.body(&m)
	if err != nil {
		return Answer{Problem: err.Error()}
	}
	ctx, cancel := context.WithTimeout(ctx, s.cfg.Timeout)
	defer cancel()
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, s.url.String(), bytes.NewReader(body))
	if err != nil { // cannot be: the URL has been parsed
		return Answer{Problem: "the request cannot be made"}
	}
	stamp := strconv.FormatInt(m.SentAt.Unix(), 10)
	req.Header.Set("Content-Type", "application/json")
	req.Header.Set("User-Agent", "tollkeeper/"+s.cfg.Version)
	req.Header.Set("Webhook-Id", m.ID)
	req.Header.Set("Webhook-Timestamp", stamp)
	if len(s.cfg.Key) > 0 {
		req.Header.Set("Webhook-Signature", sign(s.cfg.Key, m.ID, stamp, body))
	}
	if u := s.url.User; u != nil {
		password, _ := u.Password()
		req.SetBasicAuth(u.Username(), password)
	}
	res, err := s.transport.RoundTrip(req)
	if err != nil {
		return Answer{Problem: s.problem(err)}
	}
	// The status is the answer: what of the body does not come is not missed.
	_, _ = io.CopyN(io.Discard, res.Body, maxAnswerBytes)
	_ = res.Body.Close()
	a := Answer{Status: res.StatusCode}
	if a.Status < 200 || a.Status > 299 {
		a.Problem = fmt.Sprintf("it answered %d %s", a.Status, http.StatusText(a.Status))
		a.RetryAfter = retryAfter(res.Header.Get("Retry-After"), m.SentAt)
	}
	return a
}

func (s *Sender) body(m *Message) ([]byte, error) {
	switch s.cfg.Format {
	case Slack:
		return m.slack()
	case PagerDuty:
		return m.pagerDuty(s.cfg.Routing)
	default:
		return encode(m)
	}
}

// sign is the signature of the Standard Webhooks specification, version 1.0.0, symmetric.
func sign(key []byte, id, stamp string, body []byte) string {
	mac := hmac.New(sha256.New, key)
	fmt.Fprintf(mac, "%s.%s.%s", id, stamp, body)
	return "v1," + base64.StdEncoding.EncodeToString(mac.Sum(nil))
}

// problem says what is wrong with the connection. Errors about what the receiver wrote quote it, so only those are passed on
// that are known to come from this side.
func (s *Sender) problem(err error) string {
	var broken net.Error
	var dns *net.DNSError
	var op *net.OpError
	var certificate *tls.CertificateVerificationError
	switch {
	case errors.Is(err, context.Canceled):
		return "it was broken off"
	case errors.Is(err, context.DeadlineExceeded), errors.Is(err, os.ErrDeadlineExceeded), errors.As(err, &broken) && broken.Timeout():
		return "no answer within " + s.cfg.Timeout.String()
	case errors.As(err, &dns):
		return "its name cannot be found: " + dns.Err
	case errors.As(err, &certificate):
		return "its certificate is not valid: " + certificate.Err.Error()
	case errors.As(err, &op) && op.Op == "dial":
		return "it cannot be reached: " + op.Err.Error()
	default:
		return "the connection broke, or the answer was none of HTTP"
	}
}

// retryAfter reads the header, which is a number of seconds or a date.
func retryAfter(value string, now time.Time) time.Duration {
	var wait time.Duration
	if n, err := strconv.Atoi(value); err == nil {
		wait = time.Duration(min(n, int(maxRetryAfter/time.Second))) * time.Second
	} else if at, err := http.ParseTime(value); err == nil {
		wait = at.Sub(now)
	}
	return min(max(wait, 0), maxRetryAfter)
}
