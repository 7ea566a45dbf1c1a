package demo

import (
	"encoding/json"
	"math/rand/v2"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

func TestHistoryIsInOrderInsideItsBoundsAndComesFromEveryCustomer(t *testing.T) {
	from := time.Date(2026, 11, 9, 0, 0, 0, 0, time.UTC)
	to := from.Add(49*time.Hour + 20*time.Minute)
	customers := Customers(1)
	require.Len(t, customers, 30)
	seen, last := map[*Customer]int{}, from
	require.NoError(t, History(rand.New(rand.NewPCG(1, 2)), customers, from, to, func(until time.Time, calls []Call) error {
		for _, c := range calls {
			require.False(t, c.At.Before(last) || c.At.After(until), "call at %v after %v", c.At, last)
			last = c.At
			seen[c.Customer]++
		}
		return nil
	}))
	require.True(t, last.Before(to))
	require.Len(t, seen, 30)
	for c, n := range seen {
		require.Greater(t, n, 20, c.Name)
	}
}

func TestALineIsOneJSONObjectWithTheKeyIDOnly(t *testing.T) {
	rng := rand.New(rand.NewPCG(1, 2))
	c := Customers(1)[0]
	call := newThief(rng).calls(c, time.Now(), time.Now().Add(time.Minute))[0]
	var got map[string]any
	require.NoError(t, json.Unmarshal(call.Line("key_1"), &got))
	require.Equal(t, "key_1", got["key_id"])
	require.Equal(t, call.ClientIP.String(), got["client_ip"])
}
