package app

import (
	"fmt"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/tollkeeper/tollkeeper/internal/config"
)

// sentTwice are calls every ten seconds, of which the last, after six minutes, repeats the first by its request id.
func sentTwice() (log []byte, lines int64) {
	start := time.Date(2026, 3, 2, 10, 0, 0, 0, time.UTC)
	for at := time.Duration(0); at <= 6*time.Minute; at += 10 * time.Second {
		log = fmt.Appendf(log, `{"time":%q,"key":"tk_a","source":"edge","request_id":"r-%d","method":"GET","path":"/v1/items","status":200}`+"\n",
			start.Add(at).Format(time.RFC3339), at%(6*time.Minute))
		lines++
	}
	return log, lines
}

func TestDedupWindowIsHowLongARepetitionCountsOnce(t *testing.T) {
	file := filepath.Join(t.TempDir(), "access.log")
	log, lines := sentTwice()
	require.NoError(t, os.WriteFile(file, log, 0o600))
	for _, tt := range []struct {
		window time.Duration
		twice  int64
	}{
		{config.Default().DedupWindow, 1},
		{7 * time.Minute, 1},
		{5 * time.Minute, 0},
		{0, 0}, // off
	} {
		c := config.Default()
		c.DedupWindow, c.Format = tt.window, "tollkeeper"
		sum, err := DryImport(t.Context(), c, []string{file}, nil)
		require.NoError(t, err)
		require.Equal(t, tt.twice, sum.Duplicates, "within %v", tt.window)
		require.Equal(t, lines, sum.Lines)
	}
}

func TestFeedPolicyIsWhetherVerifyAcceptsWhatItCannotAsk(t *testing.T) {
	for policy, open := range map[string]bool{config.Default().FeedPolicy: false, "closed": false, "open": true} {
		a := &App{cfg: config.Default()}
		a.cfg.FeedPolicy = policy
		require.Equal(t, open, a.verifierConfig().FailOpen, policy)
	}
}
