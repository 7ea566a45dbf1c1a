package main

import (
	"fmt"
	"net/http"
	"testing"
	"time"

	"github.com/segmentio/kafka-go"
	"github.com/stretchr/testify/require"
)

// Who tries keys that do not exist is told of, though there is no key that it could be about; and people can settle it.
func TestWhoGuessesKeysIsAnAlertWithoutAKey(t *testing.T) {
	dir := t.TempDir()
	s := serve(t, "--data", dir, "--kafka-partitions", "1")
	var lines []kafka.Message
	for i := range 30 {
		lines = append(lines, kafka.Message{Value: fmt.Appendf(nil,
			`{"time":%q,"request_id":"g%d","api_key":"sk_live_%024d","method":"GET","path":"/v1/items","status":401,"client_ip":"203.0.113.77","user_agent":"curl/8"}`,
			time.Now().UTC().Format(time.RFC3339Nano), i, i)})
	}
	w := &kafka.Writer{Addr: kafka.TCP(s.kafka), Topic: "access-log", RequiredAcks: kafka.RequireAll, BatchTimeout: time.Millisecond}
	require.NoError(t, w.WriteMessages(t.Context(), lines...))
	require.NoError(t, w.Close())

	var page struct{ Items []map[string]any }
	eventually(t, 30*time.Second, func() error {
		require.Equal(t, http.StatusOK, s.call("GET", "/v1/alerts", nil, &page))
		if len(page.Items) == 0 {
			return fmt.Errorf("no alert yet")
		}
		return nil
	})
	require.Len(t, page.Items, 1)
	a := page.Items[0]
	require.Equal(t, "Somebody is guessing keys", a["title"])
	require.Contains(t, a["sentence"], "203.0.113.77")
	require.NotContains(t, a, "key_id")
	out, errOut, code := tollkeeper(t, "alerts", "show", "--data", dir, a["id"].(string))
	require.Zero(t, code, errOut)
	require.Contains(t, out, "key none: keys are guessed")
	require.Equal(t, http.StatusOK, s.call("POST", "/v1/alerts/"+a["id"].(string)+"/dismiss", map[string]any{"reason": "our own scanner"}, &a))
	require.Equal(t, "dismissed", a["status"])
}
