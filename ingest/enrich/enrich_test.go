package enrich

import (
	"bytes"
	"context"
	"encoding/binary"
	"fmt"
	"log/slog"
	"math"
	"math/rand/v2"
	"net/netip"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"go.uber.org/goleak"
	"pgregory.net/rapid"

	"github.com/tollkeeper/tollkeeper/internal/usage"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// defaults are the files that `make engine` fetches.
func defaults(t testing.TB) *Enricher {
	t.Helper()
	c, a := DefaultFiles(filepath.Join("..", "..", ".cache", "engine", "node_modules"))
	if len(c) != 1 || len(a) != 2 {
		t.Fatal("the tests need the default address data: run `make engine` first")
	}
	e, err := New(Config{CountryFiles: c, ASNFiles: a})
	if err != nil {
		t.Fatal(err)
	}
	return e
}

func TestTheDefaultFilesKnowWellKnownNetworks(t *testing.T) {
	e := defaults(t)
	for addr, want := range map[string]struct {
		country string
		asn     uint32
		name    string
	}{
		"8.8.8.8":              {"US", 15169, "Google"},
		"1.1.1.1":              {"AU", 13335, "Cloudflare"},
		"2606:4700:4700::1111": {"US", 13335, "Cloudflare"},
		"193.0.6.139":          {"NL", 3333, ""},
		"10.1.2.3":             {}, "192.168.0.1": {}, "127.0.0.1": {}, "100.64.1.1": {}, "169.254.0.1": {}, "224.0.0.1": {}, "::1": {}, "fd00::1": {},
		"fe80::1": {}, "0.0.0.0": {}, "255.255.255.255": {}, "192.0.2.1": {},
	} {
		country, asn := e.Lookup(netip.MustParseAddr(addr))
		if country != want.country || asn != want.asn || !strings.Contains(e.Network(asn), want.name) {
			t.Errorf("%s is in %q, network %d (%s); want %q, %d (%s)", addr, country, asn, e.Network(asn), want.country, want.asn, want.name)
		}
	}
}

func batchOf(records ...usage.Record) *usage.Batch {
	b := &usage.Batch{}
	for i := range records {
		b.Append(&records[i])
	}
	return b
}

func TestFillSetsWhatIsKnownFromTheGivenRecordOn(t *testing.T) {
	e := defaults(t)
	b := batchOf(
		usage.Record{ClientIP: netip.MustParseAddr("8.8.8.8"), UserAgent: "curl/8.7.1"},
		usage.Record{ClientIP: netip.MustParseAddr("8.8.8.8"), UserAgent: "curl/8.7.1"},
		usage.Record{UserAgent: ""},
		usage.Record{ClientIP: netip.MustParseAddr("10.0.0.1"), UserAgent: "acme-mobile/5.4.1 (iOS 19.1)"},
	)
	e.Fill(b, 1)
	var got []string
	var r usage.Record
	for i := range b.Len() {
		b.At(i, &r)
		got = append(got, fmt.Sprintf("%s %d %s", r.Country, r.ASN, r.Agent))
	}
	want := []string{" 0 ", "US 15169 curl", " 0 ", " 0 acme-mobile"}
	if strings.Join(got, "|") != strings.Join(want, "|") {
		t.Errorf("got %q, want %q", got, want)
	}
	// A batch that starts anew gives its numbers out anew.
	*b = *batchOf(usage.Record{ClientIP: netip.MustParseAddr("8.8.8.8"), UserAgent: "okhttp/4.12.0"})
	b.Agent.AppendString("something else")
	b.Agent.Index = b.Agent.Index[:1]
	e.Fill(b, 0)
	b.At(0, &r)
	if r.Agent != "okhttp" || r.Country != "US" {
		t.Errorf("after the batch began anew: %q, %q", r.Agent, r.Country)
	}
}

func TestWithoutFilesOnlyTheFamilyIsFilled(t *testing.T) {
	e, err := New(Config{})
	if err != nil {
		t.Fatal(err)
	}
	b := batchOf(usage.Record{ClientIP: netip.MustParseAddr("8.8.8.8"), UserAgent: "curl/8"})
	e.Fill(b, 0)
	if b.ASN[0] != 0 || b.Country.At(0) != "" || b.Agent.At(0) != "curl" {
		t.Errorf("%d %q %q", b.ASN[0], b.Country.At(0), b.Agent.At(0))
	}
}

func TestFamilies(t *testing.T) {
	chrome := "Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/131.0.0.0 Safari/537.36"
	for ua, want := range map[string]string{
		"python-requests/2.32.3": "python-requests", "python-httpx/0.28.1": "python-httpx", "Go-http-client/2.0": "Go-http-client", "axios/1.7.9": "axios",
		"node-fetch/3.3.2": "node-fetch", "okhttp/4.12.0": "okhttp", "curl/8.7.1": "curl", "Java-http-client/21.0.4": "Java-http-client",
		"Ruby Faraday/2.12": "Ruby Faraday", "GuzzleHttp/7.9": "GuzzleHttp", "PostmanRuntime/7.43.0": "PostmanRuntime", "reqwest/0.12.9": "reqwest",
		"acme-mobile/5.4.1 (iOS 19.1)": "acme-mobile", "acme-mobile/5.4.0 (Android 16)": "acme-mobile", "Wget 1.21": "Wget", "Dalvik/2.1.0 (Linux; U; Android 9)": "Dalvik",
		"Apache-HttpClient/4.5.13 (Java/1.8.0_292)": "Apache-HttpClient", "Tiny Tiny RSS/1.11 (http://tt-rss.org/)": "Tiny Tiny RSS",
		chrome: "Chrome", chrome + " Edg/131.0": "Edge", chrome + " OPR/117.0": "Opera",
		"Mozilla/5.0 (X11; Linux x86_64; rv:133.0) Gecko/20100101 Firefox/133.0":                                                                                "Firefox",
		"Mozilla/5.0 (iPhone; CPU iPhone OS 18_1 like Mac OS X) AppleWebKit/605.1.15 (KHTML, like Gecko) Version/18.1 Mobile/15E148 Safari/604.1":               "Safari",
		"Mozilla/5.0 (compatible; Googlebot/2.1; +http://www.google.com/bot.html)":                                                                              "Googlebot",
		"Mozilla/5.0 AppleWebKit/537.36 (KHTML, like Gecko; compatible; GPTBot/1.2; +https://openai.com/gptbot)":                                                "GPTBot",
		"Mozilla/5.0 (Linux; Android 6.0.1) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/131.0 Mobile Safari/537.36 (compatible; AdsBot-Google-Mobile; +http)": "AdsBot-Google-Mobile",
		"Mozilla/4.0 (compatible; MSIE 8.0; Windows NT 6.1)":                                                                                                    "Internet Explorer",
		"Mozilla/5.0 (Windows; U; en-US) Ezooms.bot/1.0":                                                                                                        "Ezooms.bot",
		"Mozilla/5.0": "Mozilla", "": "", "-": "", "   ": "", "2.0": "", "/": "", "[redacted]": "", "(compatible)": "",
		"This is a very long sentence that names nothing": "This", strings.Repeat("x", 300) + "/1": "",
	} {
		if got := Family(ua); got != want {
			t.Errorf("%q is of family %q, want %q", ua, got, want)
		}
	}
}

func FuzzFamily(f *testing.F) {
	for _, s := range []string{"curl/8", "Mozilla/5.0 (compatible; X/1)", "a b c d e/1", "Mozilla/5.0 compatible;"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, ua string) {
		if got := Family(ua); len(got) > maxFamilyBytes {
			t.Errorf("%d bytes", len(got))
		}
	})
}

// write puts a whole file in the place of another at once: one that is being read meanwhile is the old or the new one, and no
// third that is half written.
func write(t *testing.T, path, text string, at time.Time) {
	t.Helper()
	draft := path + ".new"
	if err := os.WriteFile(draft, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := os.Chtimes(draft, at, at); err != nil {
		t.Fatal(err)
	}
	if err := os.Rename(draft, path); err != nil {
		t.Fatal(err)
	}
}

func TestAChangedFileIsReadAgainAndABrokenOneIsNot(t *testing.T) {
	dir := t.TempDir()
	asn, country := filepath.Join(dir, "asn.csv"), filepath.Join(dir, "country.csv")
	now := time.Now()
	write(t, asn, "8.8.8.0,8.8.8.255,1,\"First, Inc.\"\n", now)
	write(t, country, "8.8.8.0,8.8.8.255,de\n", now)
	var log bytes.Buffer
	var mu sync.Mutex
	e, err := New(Config{CountryFiles: []string{country}, ASNFiles: []string{asn}, Logger: slog.New(slog.NewTextHandler(writerFunc(func(p []byte) (int, error) {
		mu.Lock()
		defer mu.Unlock()
		return log.Write(p)
	}), nil))})
	if err != nil {
		t.Fatal(err)
	}
	addr := netip.MustParseAddr("8.8.8.8")
	b := batchOf(usage.Record{ClientIP: addr})
	expect := func(when string, wantCountry string, wantASN uint32, wantName string) {
		t.Helper()
		e.Fill(b, 0)
		if b.Country.At(0) != wantCountry || b.ASN[0] != wantASN || e.Network(wantASN) != wantName {
			t.Errorf("%s: %q, %d %q", when, b.Country.At(0), b.ASN[0], e.Network(wantASN))
		}
	}
	expect("at first", "DE", 1, "First, Inc.")

	write(t, asn, "8.8.8.0,8.8.8.255,22,Second\n", now.Add(time.Second))
	if err := e.Reload(); err != nil {
		t.Fatal(err)
	}
	expect("after a change", "DE", 22, "Second")

	write(t, asn, "8.8.8.0,broken\n", now.Add(2*time.Second))
	if err := e.Reload(); err == nil || !strings.Contains(err.Error(), asn) {
		t.Errorf("a broken file: %v, want an error that names it", err)
	}
	if err := e.Reload(); err == nil {
		t.Error("the broken file was forgotten")
	}
	expect("with a broken file", "DE", 22, "Second")

	ctx, stop := context.WithCancel(context.Background())
	ticks, done := make(chan time.Time), make(chan struct{})
	go func() { e.Watch(ctx, ticks); close(done) }()
	for range 3 {
		ticks <- now
	}
	write(t, asn, "8.8.8.0,8.8.8.255,333,Third\n", now.Add(3*time.Second))
	ticks <- now
	ticks <- now // taken when the tick before is done with
	expect("after a tick", "DE", 333, "Third")
	stop()
	<-done
	mu.Lock()
	defer mu.Unlock()
	if n := strings.Count(log.String(), "cannot be read again"); n != 1 {
		t.Errorf("the broken file was logged %d times", n)
	}
}

type writerFunc func([]byte) (int, error)

func (f writerFunc) Write(p []byte) (int, error) { return f(p) }

func TestErrorsNameTheFileAndWhatIsWrong(t *testing.T) {
	dir := t.TempDir()
	for name, c := range map[string]struct{ text, want string }{
		"a.txt":  {"x", "use .mmdb or .csv"},
		"b.mmdb": {"not one", "MaxMind"},
		"c.csv":  {"1.0.0.0,1.0.0.255,DE\n16777216,16777471,DE\n", "line 2"},
		"d.csv":  {"1.0.0.9,1.0.0.1,DE\n", "ends before it starts"},
		"e.csv":  {"1.0.0.0,1.0.0.255,Germany\n", "third column"},
		"f.csv":  {"", "holds no range"},
	} {
		path := filepath.Join(dir, name)
		write(t, path, c.text, time.Now())
		if _, err := New(Config{CountryFiles: []string{path}}); err == nil || !strings.Contains(err.Error(), path) || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s: %v, want it to name the file and say %q", name, err, c.want)
		}
	}
	if _, err := New(Config{ASNFiles: []string{filepath.Join(dir, "none.csv")}}); err == nil || !strings.Contains(err.Error(), "make engine") {
		t.Errorf("a missing file: %v", err)
	}
}

// Without this the two files, swapped, would leave every country and network unknown and say nothing.
func TestAFileOfTheOtherKindIsRefused(t *testing.T) {
	countries, _ := DefaultFiles(filepath.Join("..", "..", ".cache", "engine", "node_modules"))
	if _, err := New(Config{ASNFiles: countries}); err == nil || !strings.Contains(err.Error(), "no network numbers") {
		t.Errorf("countries for networks: %v", err)
	}
}

func TestOfOverlappingRangesTheOneThatStartsLaterCounts(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		const base4 = 1<<24 + 1<<16 - 40 // around a border of the index
		type span struct{ from, to uint32 }
		var spans []span
		var rows []string
		six := rapid.Bool().Draw(t, "IPv6")
		addr := func(n uint32) netip.Addr {
			if six {
				b := netip.MustParseAddr("2001:db8::").As16()
				binary.BigEndian.PutUint64(b[8:], uint64(n)+math.MaxUint64-40) // over the border between the halves
				if uint64(n)+math.MaxUint64-40 < 1<<63 {
					b[7]++
				}
				return netip.AddrFrom16(b)
			}
			return v4(base4 + n)
		}
		for range rapid.IntRange(0, 8).Draw(t, "ranges") {
			from := rapid.Uint32Range(0, 80).Draw(t, "from")
			s := span{from, from + rapid.Uint32Range(0, 30).Draw(t, "size")}
			spans = append(spans, s)
			rows = append(rows, fmt.Sprintf("%v,%v,%d,n", addr(s.from), addr(s.to), len(spans)))
		}
		r, err := parseRanges([]byte(strings.Join(rows, "\r\n")), networkValue)
		if err != nil {
			t.Fatal(err)
		}
		for ip := range uint32(120) {
			want := -1
			for i, s := range spans {
				if s.from <= ip && ip <= s.to && (want < 0 || s.from > spans[want].from || s.from == spans[want].from && s.to <= spans[want].to) {
					want = i
				}
			}
			if got, ok := r.find(addr(ip)); ok != (want >= 0) || ok && int(got) != want+1 {
				t.Fatalf("%v is in range %d (%v), want %d", addr(ip), got, ok, want+1)
			}
		}
	})
}

func v4(n uint32) netip.Addr {
	return netip.AddrFrom4([4]byte{byte(n >> 24), byte(n >> 16), byte(n >> 8), byte(n)})
}

func TestFillIsSafeForManyBatchesAtOnceWhileFilesChange(t *testing.T) {
	path := filepath.Join(t.TempDir(), "asn.csv")
	write(t, path, "8.0.0.0,8.255.255.255,1,x\n", time.Now())
	e, err := New(Config{ASNFiles: []string{path}})
	if err != nil {
		t.Fatal(err)
	}
	var wg sync.WaitGroup
	for range 4 {
		wg.Go(func() {
			b := batchOf(usage.Record{ClientIP: netip.MustParseAddr("8.8.8.8"), UserAgent: "curl/8"})
			for range 200 {
				e.Fill(b, 0)
				if b.ASN[0] == 0 {
					t.Error("an address lost its network during a reload")
					return
				}
			}
		})
	}
	for i := range 20 {
		write(t, path, fmt.Sprintf("8.0.0.0,8.255.255.255,%d,x\n", i+1), time.Now().Add(time.Duration(i)*time.Second))
		if err := e.Reload(); err != nil {
			t.Error(err)
		}
	}
	wg.Wait()
}

// filled makes a batch of 10,000 calls from 3,000 addresses, some of them new in every batch, with a dozen agents.
func filled(rng *rand.Rand) *usage.Batch {
	b := &usage.Batch{}
	for i := range 10000 {
		ip := v4(uint32(rng.IntN(3000))*1_000_003 + 1<<24)
		b.Append(&usage.Record{ClientIP: ip, UserAgent: fmt.Sprintf("client-%d/1.0", i%12)})
	}
	return b
}

func TestAWarmFillAllocatesNothing(t *testing.T) {
	e := defaults(t)
	b := filled(rand.New(rand.NewPCG(1, 2)))
	e.Fill(b, 0)
	if n := testing.AllocsPerRun(20, func() { e.Fill(b, 0) }); n > 0 {
		t.Errorf("%v allocations", n)
	}
}

// cpuTime is what the process used of the processors: on a machine with other work it says more than the clock.
func cpuTime(b *testing.B) time.Duration {
	var u syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &u); err != nil {
		b.Fatal(err)
	}
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}

func BenchmarkFill(b *testing.B) {
	e := defaults(b)
	batch := filled(rand.New(rand.NewPCG(1, 2)))
	e.Fill(batch, 0)
	b.ReportAllocs()
	before := cpuTime(b)
	for b.Loop() {
		e.Fill(batch, 0)
	}
	b.ReportMetric(float64(cpuTime(b)-before)/float64(b.N*batch.Len()), "cpu-ns/record")
}

func BenchmarkLookupCold(b *testing.B) {
	e := defaults(b)
	rng := rand.New(rand.NewPCG(1, 2))
	t := e.tables.Load()
	for b.Loop() {
		t.lookup(v4(rng.Uint32()))
	}
}

func BenchmarkLoad(b *testing.B) {
	for b.Loop() {
		defaults(b)
	}
}
