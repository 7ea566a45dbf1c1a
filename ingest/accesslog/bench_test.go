package accesslog

import (
	"bytes"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"syscall"
	"testing"
	"time"

	"github.com/tollkeeper/tollkeeper/internal/usage"
)

// benchLines makes lines of realistic cardinalities: 200 keys, many addresses and paths with ids, a dozen agents.
func benchLines(b testing.TB, format string) [][]byte {
	rng := rand.New(rand.NewPCG(1, 2))
	agents := []string{
		"python-requests/2.32.3", "Go-http-client/2.0", "axios/1.7.9", "okhttp/4.12.0", "curl/8.7.1",
		"Mozilla/5.0 (Macintosh; Intel Mac OS X 10_15_7) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/131.0.0.0 Safari/537.36",
	}
	paths := []string{"/v1/items/%d", "/v1/users/%d/orders", "/v1/search", "/v1/prices", "/v1/chat/completions", "/v1/reports/%d"}
	switch format {
	case "tollkeeper", "nginx", "combined", "kong":
	default: // the fixture's lines, over and over
		files, err := filepath.Glob("testdata/" + format + "/*.log")
		if err != nil || len(files) == 0 {
			b.Fatal("no fixture for ", format)
		}
		text, err := os.ReadFile(files[0])
		if err != nil {
			b.Fatal(err)
		}
		fixture := bytes.Split(bytes.TrimSpace(text), []byte("\n"))
		lines := make([][]byte, 4096)
		for i := range lines {
			lines[i] = fixture[i%len(fixture)]
		}
		return lines
	}
	lines := make([][]byte, 4096)
	for i := range lines {
		path := paths[rng.IntN(len(paths))]
		if path[len(path)-1] == 'd' || path == paths[1] {
			path = fmt.Sprintf(path, rng.IntN(2000000))
		}
		ip := fmt.Sprintf("%d.%d.%d.%d", rng.IntN(223)+1, rng.IntN(256), rng.IntN(256), rng.IntN(256))
		key, agent, rid := rng.IntN(200), agents[rng.IntN(len(agents))], fmt.Sprintf("%016x%016x", rng.Uint64(), rng.Uint64())
		sec, ms := rng.IntN(60), rng.IntN(1000)
		switch format {
		case "tollkeeper":
			lines[i] = fmt.Appendf(nil, `{"time":"2026-11-24T15:04:%02d.%03dZ","request_id":"%s","key_id":"key_%05d","method":"GET","host":"api.example.com","path":"%s",`+
				`"status":200,"latency_ms":%d.%02d,"request_bytes":%d,"response_bytes":%d,"client_ip":"%s","user_agent":"%s","units":{"input_tokens":%d,"output_tokens":%d},`+
				`"source":"edge-eu-1","trace":{"trace_id":"%s","span_id":"00f067aa0ba902b7","sampled":true},"upstream":"10.0.3.17:8080","upstream_ms":%d,"tls":"TLSv1.3","region":"eu-central-1"}`,
				sec, ms, rid, key, path, rng.IntN(900), rng.IntN(100), rng.IntN(900), rng.IntN(90000), ip, agent, rng.IntN(900), rng.IntN(900), rid, rng.IntN(900))
		case "nginx":
			lines[i] = fmt.Appendf(nil, `{"time":"2026-11-24T15:04:%02d+00:00","msec":"1795532645.%03d","remote_addr":"%s","remote_user":"","request_method":"GET","request_uri":"%s?limit=50&cursor=abc",`+
				`"status":"200","body_bytes_sent":"%d","request_length":"%d","request_time":"0.%03d","upstream_response_time":"0.%03d","request_id":"%s","http_host":"api.example.com",`+
				`"http_user_agent":"%s","http_referer":"","http_x_forwarded_for":"","http_x_api_key":"tk_live_%024d","ssl_protocol":"TLSv1.3","ssl_cipher":"TLS_AES_256_GCM_SHA384"}`,
				sec, ms, ip, path, rng.IntN(90000), rng.IntN(900), ms, ms, rid, agent, key)
		case "combined":
			lines[i] = fmt.Appendf(nil, `%s - key_%05d [24/Nov/2026:15:04:%02d +0000] "GET %s HTTP/1.1" 200 %d "-" "%s"`, ip, key, sec, path, rng.IntN(90000), agent)
		case "kong":
			lines[i] = fmt.Appendf(nil, `{"request":{"uri":"%s","method":"GET","size":"%d","id":"%s","url":"https://api.example.com:8443%s","querystring":{},"headers":{"host":"api.example.com","user-agent":"%s","accept":"*/*","apikey":"tk_live_%024d"}},`+
				`"response":{"status":200,"size":%d,"headers":{"content-type":"application/json","x-kong-upstream-latency":"12"}},"latencies":{"request":%d,"kong":3,"proxy":12},"consumer":{"id":"0b9a-%05d","username":"acme"},`+
				`"client_ip":"%s","started_at":17955326451%02d,"route":{"id":"r","paths":["/v1"]},"service":{"host":"10.0.0.1","name":"api"}}`,
				path, rng.IntN(900), rid, path, agent, key, rng.IntN(90000), ms, key, ip, sec)
		}
	}
	return lines
}

// cpuTime is what the process used of the processors: on a machine with other work it says more than the clock.
func cpuTime(t testing.TB) time.Duration {
	t.Helper()
	var u syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &u); err != nil {
		t.Fatal(err)
	}
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}

// BenchmarkDecode measures a warm decoder: lines to columns, normalised, keys resolved from the cache, without enrichment.
// tollkeeper, nginx, combined and kong have lines of realistic cardinalities (benchLines), the others their fixtures'.
func BenchmarkDecode(b *testing.B) {
	for _, info := range Formats() {
		format := info.Name
		if format == "auto" {
			continue
		}
		b.Run(format, func(b *testing.B) {
			lines := benchLines(b, format)
			d := newDecoder(b, format, fixtureOptions(b))
			var batch usage.Batch
			size := 0
			run := func(n int) {
				for i := range n {
					if i&4095 == 0 {
						batch.Reset()
					}
					if err := d.Decode(lines[i&4095], Origin{Source: "edge", ReceivedMillis: received.UnixMilli()}, &batch); err != nil {
						b.Fatal(err)
					}
				}
			}
			run(2 * len(lines))
			for _, l := range lines {
				size += len(l)
			}
			b.SetBytes(int64(size / len(lines)))
			b.ReportAllocs()
			b.ResetTimer()
			before := cpuTime(b)
			run(b.N)
			used := float64(cpuTime(b) - before)
			b.ReportMetric(float64(size/len(lines)), "line-bytes")
			perLine := float64(batch.Len()) / float64((b.N-1)&4095+1)
			b.ReportMetric(used/float64(b.N)/perLine, "cpu-ns/record")
		})
	}
}
