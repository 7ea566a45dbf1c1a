package ingest

import (
	"slices"
	"testing"
	"time"

	"github.com/tollkeeper/tollkeeper/ingest/accesslog"
	"github.com/tollkeeper/tollkeeper/internal/usage"
)

// The audit knows by it whether a line's last record is stored.
func TestAllRecordsOfALineButTheLastSayThatMoreFollow(t *testing.T) {
	keys, err := accesslog.NewHMACResolver([]byte("a pepper for tests only"))
	if err != nil {
		t.Fatal(err)
	}
	dec, err := accesslog.New("apisix", accesslog.Options{Keys: keys})
	if err != nil {
		t.Fatal(err)
	}
	p := pipeline{dec: dec, metrics: newMetrics(nil), window: newWindow(time.Minute, 1<<20), now: time.Now}
	var b block
	const call = `{"start_time":1764400000000,"client_ip":"192.0.2.1","request":{"method":"GET","uri":"/a"},"response":{"status":200}}`
	for i, line := range []string{call, "[" + call + "," + call + "," + call + "]", call, "[" + call + ",{}]"} {
		p.add(&b, []byte(line), int64(i), 1_764_400_000_000)
	}
	p.finish(&b, 1_764_400_000_000)
	var more []int
	for _, f := range b.batch.Flags {
		more = append(more, int(f&usage.FlagMoreFollow))
	}
	if want := []int{0, 16, 16, 0, 0}; !slices.Equal(more, want) || len(b.letters) != 1 {
		t.Errorf("flags %v, want %v; %d letters", more, want, len(b.letters))
	}
}
