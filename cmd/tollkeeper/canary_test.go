package main

import (
	"bytes"
	"context"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"maps"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/segmentio/kafka-go"
	"github.com/stretchr/testify/require"

	"github.com/tollkeeper/tollkeeper/ingest/accesslog"
	"github.com/tollkeeper/tollkeeper/internal/clickhouse"
)

// canaryLines has for every format lines with a key, {K}, wherever that gateway may log one: in headers, queries, referers,
// user names, agents. {B} is the key as basic credentials, {P} behind percent signs; {RFC}, {MS}, {S}, {CLF} are the time.
var canaryLines = map[string][]string{
	"tollkeeper": {
		`{"time":"{RFC}","api_key":"{K}","path":"/v1/items/7?api_key={K}","status":200,"user_agent":"app/1 key={K}"}`,
		`{"time":"{RFC}","key_id":"{K}","request_id":"{K}","method":"{K}","host":"{K}","path":"/{K}","route":"/x/{K}","status":200,"user_agent":"{K}","source":"{K}","units":{"{K}":1}}`,
		`{"time":"{RFC}","api_key":"{K}","path":"https://user:{K}@api.example.com/v1;s={K}/x#{K}","status":200,"extra":{"{K}":["{K}"]}}`,
	},
	"nginx": {
		`{"time_iso8601":"{RFC}","remote_addr":"192.0.2.7","http_x_api_key":"{K}","http_authorization":"Bearer {K}","request_uri":"/v1/items?api_key={K}&sig={K}","status":"200","http_referer":"https://x.example/?token={K}","http_user_agent":"Mozilla/5.0 Bearer {K}","http_cookie":"s={K}"}`,
		`{"time_iso8601":"{RFC}","remote_user":"{K}","request":"GET /v1/{K}?access_token={K} HTTP/1.1","status":"200","request_id":"{K}","http_host":"{K}.example.com"}`,
		`{"time_iso8601":"{RFC}","http_authorization":"Basic {B}","request_uri":"/{P}","status":"200"}`,
	},
	"combined":   {`192.0.2.7 - {K} [{CLF}] "GET /v1/{K}?api_key={K} HTTP/1.1" 200 12 "https://x.example/?key={K}" "app/1 ({K})"`},
	"apache":     {`192.0.2.7 - {K} [{CLF}] "GET http://u:{K}@h/v1?api_key={K} HTTP/1.1" 200 12 "https://x.example/{P}" "{K}/1.0" 1234`},
	"envoy":      {`{"start_time":"{RFC}","method":"GET","path":"/a?api_key={K}","response_code":200,"duration":1,"bytes_received":1,"x_api_key":"{K}","authority":"{K}","user_agent":"{K}","request_id":"{K}","downstream_remote_address":"192.0.2.7:1","authorization":"Bearer {K}"}`},
	"envoy-text": {`[{RFC}] "GET /v1/{K}?api_key={K} HTTP/2" 200 - 1 2 3 4 "-" "{K}" "{K}" "{K}" "{K}"`},
	"kong":       {`{"started_at":{MS},"request":{"uri":"/a?apikey={K}","method":"GET","size":"75","id":"{K}","querystring":{"apikey":"{K}"},"headers":{"apikey":"{K}","authorization":"Bearer {K}","cookie":"{K}","user-agent":"{K}","host":"{K}"}},"response":{"status":200,"size":"1"},"latencies":{"request":15},"authenticated_entity":{"id":"{K}"},"client_ip":"192.0.2.7"}`},
	"apisix":     {`[{"start_time":{MS},"route_id":"1","request":{"uri":"/hello?apikey={K}","method":"GET","size":90,"headers":{"apikey":"{K}","user-agent":"{K}","referer":"/?k={K}"}},"response":{"status":200,"size":1},"latency":1.5,"client_ip":"192.0.2.7","consumer":{"username":"{K}"}}]`},
	"traefik":    {`{"ClientHost":"192.0.2.7","ClientUsername":"{K}","RequestMethod":"GET","RequestPath":"/a?api_key={K}","DownstreamStatus":200,"Duration":1234567,"StartUTC":"{RFC}","request_X-Api-Key":"{K}","request_Authorization":"Basic {B}","request_User-Agent":"{K}","request_Referer":"{K}"}`},
	"aws":        {`{"requestId":"{K}","ip":"192.0.2.7","requestTimeEpoch":"{MS}","httpMethod":"GET","path":"/p/{K}","status":"200","responseLength":"12","responseLatency":"31","apiKey":"{K}","apiKeyId":"{K}","userAgent":"{K}"}`},
	"caddy":      {`{"ts":{S},"request":{"remote_ip":"192.0.2.7","proto":"HTTP/2.0","method":"GET","host":"{K}","uri":"/?api_key={K}","headers":{"X-Api-Key":["{K}"],"Authorization":["Bearer {K}"],"Cookie":["{K}"],"User-Agent":["{K}"]}},"duration":0.0009,"size":10900,"status":200,"user_id":"{K}","resp_headers":{"Set-Cookie":["{K}"]}}`},
	"haproxy":    {`<134>Nov 24 15:04:05 lb haproxy[1]: 192.0.2.7:1 [{HA}] fe be/srv 10/0/30/69/109 200 2750 - - ---- 1/1/1/1/0 0/0 {{K}|Bearer {K}|app/1 {K}} "GET /a/{K}?api_key={K} HTTP/1.1"`},
	"tyk":        {`{"timestamp":"{RFC}","method":"GET","path":"/a/{K}","raw_path":"/a?api_key={K}","response_code":200,"alias":"{K}","api_key":"{K}","request_time_ms":12,"ip_address":"192.0.2.7","raw_request":"{B}","user_agent":"{K}","oauth_id":"{K}"}`},
	"otel": {
		`{"resourceLogs":[{"resource":{"attributes":[{"key":"service.name","value":{"stringValue":"{K}"}}]},"scopeLogs":[{"logRecords":[{"timeUnixNano":"{MS}000000","traceId":"{K}","attributes":[{"key":"http.response.status_code","value":{"intValue":"200"}},{"key":"url.path","value":{"stringValue":"/a/{K}"}},{"key":"http.request.header.x-api-key","value":{"arrayValue":{"values":[{"stringValue":"{K}"}]}}},{"key":"user_agent.original","value":{"stringValue":"{K}"}},{"key":"{K}","value":{"stringValue":"{K}"}}]}]}]}]}`,
	},
	"cloudevents": {`[{"specversion":"1.0","id":"{K}","source":"{K}","type":"api-call","subject":"{K}","time":"{RFC}","data":{"method":"GET","path":"/{K}?key={K}","status":200,"api_key":"{K}","user_agent":"{K}"}}]`},
	"mapping":     {`{"ts":{MS},"http":{"status":200,"url":"/x/{K}?api_key={K}"},"headers":{"x-api-key":"{K}"},"took":"12"}`},
}

const canaryMapping = "fields: {time: {from: ts, unit: ms}, status: http.status, path: http.url, api_key: headers.x-api-key, latency: {from: took, unit: ms}}"

func percentAll(s string) string {
	var out strings.Builder
	for _, c := range []byte(s) {
		fmt.Fprintf(&out, "%%%02X", c)
	}
	return out.String()
}

// withKey writes the lines of a format with a key in them: whole ones, and broken ones, cut anywhere and in the middle of the
// key, and with values of wrong types.
func withKey(format, key string) (good, broken [][]byte) {
	now := time.Now().UTC()
	fill := strings.NewReplacer("{K}", key, "{B}", base64.StdEncoding.EncodeToString([]byte("user:"+key)), "{P}", percentAll(key),
		"{RFC}", now.Format("2006-01-02T15:04:05.000Z"), "{MS}", strconv.FormatInt(now.UnixMilli(), 10), "{S}", strconv.FormatInt(now.Unix(), 10),
		"{CLF}", now.Format("02/Jan/2006:15:04:05 +0000"), "{HA}", now.Format("02/Jan/2006:15:04:05.000"))
	for _, template := range canaryLines[format] {
		line := fill.Replace(template)
		good = append(good, []byte(line))
		for i := 1; i < 6; i++ {
			broken = append(broken, []byte(line[:len(line)*i/6]), []byte(line[len(line)*i/6:]))
		}
		for at, rest := 0, line; ; {
			i := strings.Index(rest, key)
			if i < 0 {
				break
			}
			at, rest = at+i+len(key), rest[i+len(key):]
			broken = append(broken, []byte(line[:at]), []byte(line[:at-len(key)/3]))
		}
		for _, wrong := range []string{`{"` + key + `":1}`, `["` + key + `"]`, `"` + key + `"`, key, "99999999999999999999" + key} {
			broken = append(broken, []byte(strings.Replace(line, "200", wrong, 1)), []byte(strings.Replace(line, "GET", wrong, 1)))
		}
	}
	return good, broken
}

// canary finds keys in what comes out: nine characters in a row of a key's secret part, in any case, or of it in base64 or
// behind percent signs.
type canary struct {
	t     *testing.T
	grams map[[9]byte]bool
	bytes int // searched
}

func newCanary(t *testing.T, keys ...string) *canary {
	c := &canary{t: t, grams: map[[9]byte]bool{}}
	for _, key := range keys {
		secret := strings.TrimPrefix(strings.TrimPrefix(key, "tk_live_"), "sk_live_")
		forms := []string{secret, percentAll(secret)}
		for shift := range 3 {
			coded := base64.RawStdEncoding.EncodeToString([]byte("###"[:shift] + secret))
			forms = append(forms, coded[4:len(coded)-4])
		}
		for _, form := range forms {
			form = strings.ToLower(form)
			for i := 0; i+9 <= len(form); i++ {
				c.grams[[9]byte([]byte(form[i:]))] = true
			}
		}
	}
	return c
}

// find is where a part of a key begins in text, or -1.
func (c *canary) find(text []byte) int {
	lower := bytes.ToLower(text)
	for i := 0; i+9 <= len(lower); i++ {
		if c.grams[[9]byte(lower[i:])] {
			return i
		}
	}
	return -1
}

func (c *canary) absent(where string, text []byte) {
	c.t.Helper()
	c.bytes += len(text)
	if i := c.find(text); i >= 0 {
		lower := bytes.ToLower(text)
		c.t.Errorf("a part of a key is in %s, at %d: …%q…", where, i, lower[max(0, i-150):min(len(lower), i+150)])
	}
}

// folder looks into every file, apart from the embedded broker's: it holds what gateways send there as they send it.
func (c *canary) folder(dir string) {
	c.t.Helper()
	require.NoError(c.t, filepath.WalkDir(dir, func(path string, d fs.DirEntry, err error) error {
		switch {
		case errors.Is(err, fs.ErrNotExist): // a file of a process at work
			return nil
		case err != nil:
			return err
		case d.IsDir() && d.Name() == "kafka":
			return filepath.SkipDir
		case !d.Type().IsRegular():
			return nil
		}
		raw, err := os.ReadFile(path)
		if errors.Is(err, fs.ErrNotExist) {
			return nil
		}
		c.absent(path, raw)
		return err
	}))
}

// tables reads every row of every table, unpacked.
func (c *canary) tables(dir string) (rows map[string]int) {
	c.t.Helper()
	var db *clickhouse.DB
	eventually(c.t, 20*time.Second, func() (err error) { // an engine whose server was killed ends a moment later
		db, err = clickhouse.Open(c.t.Context(), clickhouse.Config{DataDir: filepath.Join(dir, "clickhouse"), Executable: binary})
		return err
	})
	defer db.Close()
	names := func(query string) (out []string) {
		r, err := db.Conn().Query(c.t.Context(), query)
		require.NoError(c.t, err)
		defer r.Close()
		for r.Next() {
			var s string
			require.NoError(c.t, r.Scan(&s))
			out = append(out, s)
		}
		require.NoError(c.t, r.Err())
		return out
	}
	rows = map[string]int{}
	for _, table := range names("SELECT name FROM system.tables WHERE database = currentDatabase()") {
		for _, row := range names("SELECT formatRowNoNewline('JSONEachRow', *) FROM `" + table + "`") {
			c.absent("table "+table, []byte(row))
			rows[table]++
		}
	}
	return rows
}

// topic reads all records of a topic, keys and headers too.
func (c *canary) topic(broker, topic string) (records int) {
	c.t.Helper()
	ctx, cancel := context.WithTimeout(c.t.Context(), 30*time.Second)
	defer cancel()
	partitions, err := kafka.DefaultDialer.LookupPartitions(ctx, "tcp", broker, topic)
	require.NoError(c.t, err)
	for _, p := range partitions {
		conn, err := kafka.DialLeader(ctx, "tcp", broker, topic, p.ID)
		require.NoError(c.t, err)
		end, err := conn.ReadLastOffset()
		require.NoError(c.t, err)
		conn.Close()
		r := kafka.NewReader(kafka.ReaderConfig{Brokers: []string{broker}, Topic: topic, Partition: p.ID, MaxWait: 100 * time.Millisecond})
		for end > 0 {
			m, err := r.ReadMessage(ctx)
			require.NoError(c.t, err)
			c.absent("topic "+topic, slices.Concat(m.Key, []byte(" "), m.Value, []byte(" "), fmt.Append(nil, m.Headers)))
			records++
			if m.Offset == end-1 {
				break
			}
		}
		r.Close()
	}
	return records
}

// get asks the API; an answer must not hold a key even to who asked with one.
func (c *canary) get(s *server, path string) []byte {
	c.t.Helper()
	ctx, cancel := context.WithTimeout(c.t.Context(), time.Minute)
	defer cancel()
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, s.url+path, nil)
	require.NoError(c.t, err)
	req.AddCookie(s.cookie)
	req.Header.Set("Last-Event-Id", "0")
	res, err := http.DefaultClient.Do(req)
	require.NoError(c.t, err)
	defer res.Body.Close()
	if path == "/v1/events" { // without end
		defer time.AfterFunc(time.Second, cancel).Stop()
	}
	raw, err := io.ReadAll(res.Body)
	if path != "/v1/events" {
		require.NoError(c.t, err)
	}
	c.absent("GET "+path, slices.Concat(raw, fmt.Append(nil, res.Header)))
	return raw
}

func TestCanaryKeysAreFoundNowhere(t *testing.T) {
	dir, logs, imported := t.TempDir(), t.TempDir(), t.TempDir()
	mapping := filepath.Join(logs, "mapping.yaml")
	require.NoError(t, os.WriteFile(mapping, []byte(canaryMapping), 0o600))
	s := serve(t, "--data", dir, "--log-level", "debug", "--log-format", "json", "--topics", "access-log,shipped", "--rekey-topics", "raw-log")
	var ours struct {
		Key    struct{ ID string }
		Secret string
	}
	require.Equal(t, http.StatusCreated, s.call("POST", "/v1/keys", map[string]any{"name": "canary", "account_id": "acct_bird"}, &ours))
	keys := []string{ours.Secret, "sk_live_CANARYc4n4ry0123456789abcdef", "CANARYc4n4ryQq7Zz1Xx9Vv3Mm5Nn8Bb2Kk4"}
	c := newCanary(t, keys...)

	// Into Kafka, as gateways would write there, with the key as the record's key too; and into a file for each format.
	var messages []kafka.Message
	good := map[string]int{}
	for _, f := range accesslog.Formats() {
		var file bytes.Buffer
		for _, key := range keys {
			whole, broken := withKey(f.Name, key)
			good[f.Name] += len(whole)
			for _, line := range whole {
				require.GreaterOrEqual(t, c.find(line), 0, "the search does not see the key that went in")
			}
			for _, line := range append(whole, broken...) {
				messages = append(messages, kafka.Message{Key: []byte(key), Value: line})
				file.Write(append(line, '\n'))
			}
		}
		if f.Name == "auto" { // all of the others' lines
			continue
		}
		require.NotZero(t, good[f.Name], "there are no lines for the format %s", f.Name)
		require.NoError(t, os.WriteFile(filepath.Join(logs, f.Name+".log"), file.Bytes(), 0o600))
	}
	delete(good, "auto")
	for _, topic := range []string{"access-log", "raw-log"} {
		w := &kafka.Writer{Addr: kafka.TCP(s.kafka), Topic: topic, Balancer: kafka.Murmur2Balancer{}, RequiredAcks: kafka.RequireAll, BatchTimeout: 10 * time.Millisecond}
		require.NoError(t, w.WriteMessages(t.Context(), messages...))
		require.NoError(t, w.Close())
	}

	// Through `ship` and `import`, under each format's own name.
	lines := 0
	for _, format := range slices.Sorted(maps.Keys(good)) {
		log := filepath.Join(logs, format+".log")
		raw, err := os.ReadFile(log)
		require.NoError(t, err)
		lines += bytes.Count(raw, []byte("\n"))
		how := []string{"--format", format, "--log-level", "debug"}
		if format == "mapping" {
			how = append(how, "--mapping", mapping)
		}
		shipper := launch(t, binary, append([]string{"ship", "--data", dir, "--kafka", s.kafka, "--topic", "shipped", log}, how...)...)
		out, errOut, code := tollkeeper(t, append([]string{"import", "--data", imported, "--json", log}, how...)...)
		require.Zero(t, code, errOut)
		c.absent("output of import", []byte(out+errOut))
		var sum struct {
			Events      int64
			DeadLetters int64 `json:"dead_letters"`
		}
		require.NoError(t, json.Unmarshal([]byte(out), &sum))
		require.GreaterOrEqual(t, sum.Events, int64(good[format]), "%s: lines that ought to be good are not", format)
		require.NotZero(t, sum.DeadLetters, "%s: no line is broken", format)
		eventually(t, 20*time.Second, func() error { // the position is noted once all is acknowledged
			state, err := os.ReadFile(log + ".tollkeeper")
			if err == nil && !bytes.Contains(state, strconv.AppendInt(nil, int64(len(raw)), 10)) {
				err = fmt.Errorf("%s is not shipped up to its end, %d: %s", log, len(raw), state)
			}
			return err
		})
		shipper.stop()
		c.absent("output of ship", []byte(shipper.output()))
		state, err := os.ReadFile(log + ".tollkeeper")
		require.NoError(t, err)
		c.absent("state of ship", state)
	}
	s.idle()
	require.GreaterOrEqual(t, c.topic(s.kafka, "shipped"), lines)
	require.GreaterOrEqual(t, c.topic(s.kafka, "tollkeeper-rekeyed"), 50) // what could not be read is a dead letter at once

	// What the server tells, and what it says to those who ask with a key in the wrong place.
	for _, path := range []string{
		"/metrics", "/readyz?verbose", "/v1/stats", "/v1/events", "/v1/keys?limit=200", "/v1/keys/" + ours.Key.ID, "/v1/alerts?limit=200", "/v1/accounts?limit=200",
		"/v1/audit?limit=200", "/v1/tokens", "/v1/plans", "/v1/quotas", "/v1/statements", "/v1/usage?granularity=hour&key_id=" + ours.Key.ID,
	} {
		c.get(s, path)
	}
	letters := 0
	for next := ""; ; {
		var page struct {
			Items      []json.RawMessage
			NextCursor string `json:"next_cursor"`
		}
		require.NoError(t, json.Unmarshal(c.get(s, "/v1/dead-letters?limit=200"+next), &page))
		if letters += len(page.Items); page.NextCursor == "" || letters > 2000 {
			break
		}
		next = "&cursor=" + page.NextCursor
	}
	require.Greater(t, letters, 1000)
	for _, key := range keys {
		for _, path := range []string{"/v1/keys/", "/v1/accounts/", "/v1/alerts/", "/v1/nowhere/", "/v1/authorize?api_key=", "/v1/keys?status=", "/v1/dead-letters?cursor="} {
			c.get(s, path+key)
		}
		s.call("GET", "/v1/usage?key_id="+key, nil, nil) // the answer repeats the question, to who asked it
		s.call("GET", "/v1/usage?account_id="+key, nil, nil)
		s.call("POST", "/v1/keys/"+key+"/suspend", map[string]any{"reason": "mistaken for an id"}, nil)
		s.call("POST", "/v1/keys/verify", map[string]any{"key": key}, nil)
		s.call("POST", "/v1/keys/verify", map[string]any{"key_id": key}, nil)
		s.call("POST", "/v1/keys", map[string]any{"name": 17, key: key}, nil)
	}
	for _, args := range [][]string{{"list", "--limit", "200"}, {"replay", "--dry-run"}} {
		out, errOut, code := tollkeeper(t, append([]string{"deadletters", "--data", dir}, args...)...)
		require.Zero(t, code, errOut)
		c.absent("output of deadletters", []byte(out+errOut))
	}

	// A crash in the middle of work, and all that is left on the disk.
	w := &kafka.Writer{Addr: kafka.TCP(s.kafka), Topic: "access-log", Balancer: kafka.Murmur2Balancer{}, RequiredAcks: kafka.RequireAll, BatchTimeout: time.Millisecond}
	require.NoError(t, w.WriteMessages(t.Context(), messages...))
	require.NoError(t, w.Close())
	require.NoError(t, s.cmd.Process.Signal(syscall.SIGABRT))
	<-s.done
	require.Contains(t, s.output(), "SIGABRT", "the crash is in the output")
	c.absent("output of serve", []byte(s.output()))
	for _, d := range []string{dir, imported} {
		rows := c.tables(d)
		require.Greater(t, rows["events"], 50)
		require.Greater(t, rows["dead_letters"], 500)
		c.folder(d)
	}
	t.Logf("%d records and %d lines in; %d MiB searched", 2*len(messages), lines, c.bytes>>20)
}
