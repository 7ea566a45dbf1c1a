package clickhouse

import (
	"context"
	"net/http"

	ch "github.com/ClickHouse/clickhouse-go/v2"
)

type framedKey struct{}

// framed marks the context of an insert whose body is packed in compressed frames.
func framed(ctx context.Context) context.Context { return context.WithValue(ctx, framedKey{}, true) }

// framedTransport tells the server that the body of a marked insert is packed.
//
// It is not a setting of the insert's, because the client sends an insert's settings along with its first question on a
// new connection, too. That question is not packed, so the server would refuse every new connection, and with it every
// insert after a restart of the server.
type framedTransport struct{ *http.Transport }

// RoundTrip implements http.RoundTripper.
func (t framedTransport) RoundTrip(r *http.Request) (*http.Response, error) {
	marked, _ := r.Context().Value(framedKey{}).(bool)
	// Only an insert has its statement in the address; others have it in the body.
	if marked && r.URL.Query().Has("query") {
		address := *r.URL
		address.RawQuery += "&decompress=1"
		r = r.WithContext(r.Context()) // a copy: a transport must not change what it is given
		r.URL = &address
	}
	return t.Transport.RoundTrip(r)
}

// packInserts makes HTTP connections understand framed.
func packInserts(o *ch.Options) {
	if o.Protocol != ch.HTTP {
		return
	}
	o.TransportFunc = func(t *http.Transport) (http.RoundTripper, error) { return framedTransport{t}, nil }
}
