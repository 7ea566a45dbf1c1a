package app

import (
	"bufio"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/http/httptest"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// Whoever sends half a request and waits is cut off, whether the handler asks for the body or turns him away before; whoever
// gets a live stream stays for longer than either bound.
func TestAClientThatTakesForEverIsCutOff(t *testing.T) {
	const short = 300 * time.Millisecond
	server := httptest.NewUnstartedServer(nil)
	server.Config = newServer(slog.New(slog.DiscardHandler), http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		switch r.URL.Path {
		case "/reads":
			_, _ = io.ReadAll(r.Body)
		case "/stream":
			control := http.NewResponseController(w)
			for range 6 {
				_ = control.SetWriteDeadline(time.Now().Add(short))
				_, _ = io.WriteString(w, "still here\n")
				_ = control.Flush()
				select {
				case <-r.Context().Done():
					return
				case <-time.After(short / 2):
				}
			}
			_, _ = io.WriteString(w, "end\n")
		}
	}))
	for _, bound := range []*time.Duration{&server.Config.ReadHeaderTimeout, &server.Config.ReadTimeout, &server.Config.WriteTimeout, &server.Config.IdleTimeout} {
		require.Positive(t, *bound)
		*bound = short
	}
	server.Start()
	defer server.Close()
	for _, half := range []string{
		"POST /reads HTTP/1.1\r\nHost: a\r\nContent-Length: 10\r\n\r\n{", "POST /refuses HTTP/1.1\r\nHost: a\r\nContent-Length: 10\r\n\r\n{",
		"POST /reads HTTP/1.1\r\nHost: a\r\n",
	} {
		conn, err := net.Dial("tcp", server.Listener.Addr().String())
		require.NoError(t, err)
		defer conn.Close()
		_, err = io.WriteString(conn, half)
		require.NoError(t, err)
		require.NoError(t, conn.SetReadDeadline(time.Now().Add(10*time.Second)))
		_, err = io.Copy(io.Discard, conn)
		require.NoError(t, err, "it still has its connection: %q", half)
	}
	res, err := http.Get(server.URL + "/stream")
	require.NoError(t, err)
	defer res.Body.Close()
	last := ""
	for lines := bufio.NewScanner(res.Body); lines.Scan(); {
		last = lines.Text()
	}
	require.Equal(t, "end", last)
}
