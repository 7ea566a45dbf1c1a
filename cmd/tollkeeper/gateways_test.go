package main

import (
	"fmt"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// gatewayRig is what a gateway of a test stands between.
type gatewayRig struct {
	dir        string // of the gateway's own
	addr       string // where the gateway is to listen
	log        string // where it is to write its access log
	tollkeeper string // host:port
	api        string // host:port of the service behind it
}

// example writes a file of deploy/, with the addresses and paths of the test in place of the example's, into the rig's folder.
func (g *gatewayRig) example(t *testing.T, name string, replace ...string) string {
	t.Helper()
	raw, err := os.ReadFile(filepath.Join(repository(t), "deploy", name))
	require.NoError(t, err)
	text := string(raw)
	for i := 0; i < len(replace); i += 2 {
		require.Contains(t, text, replace[i], "deploy/%s is not as the test knows it", name)
		text = strings.ReplaceAll(text, replace[i], replace[i+1])
	}
	out := filepath.Join(g.dir, filepath.Base(name))
	require.NoError(t, os.WriteFile(out, []byte(text), 0o600))
	return out
}

// wheel finds a gateway that `make gateways` installed.
func wheel(t *testing.T, pattern string) string {
	t.Helper()
	found, err := filepath.Glob(filepath.Join(repository(t), ".cache", "gateways", "venv", pattern))
	require.NoError(t, err)
	require.NotEmpty(t, found, "%s is not installed; 'make gateways' installs it", pattern)
	return found[0]
}

func port(addr string) string {
	_, p, _ := net.SplitHostPort(addr)
	return p
}

func startEnvoy(t *testing.T, g *gatewayRig) {
	t.Helper()
	file := g.example(t, "envoy/envoy.yaml",
		"address: 127.0.0.1, port_value: 10000", "address: 127.0.0.1, port_value: "+port(g.addr),
		"path: /var/log/envoy/api.json", "path: "+g.log,
		"http://127.0.0.1:8080", "http://"+g.tollkeeper,
		"address: 127.0.0.1, port_value: 8080", "address: 127.0.0.1, port_value: "+port(g.tollkeeper),
		"address: 127.0.0.1, port_value: 3000", "address: 127.0.0.1, port_value: "+port(g.api))
	launch(t, wheel(t, "lib/python3*/site-packages/envoy/_bin/envoy"), "-c", file, "--use-dynamic-base-id", "--concurrency", "1",
		"--file-flush-interval-msec", "200", "-l", "warning", "--drain-time-s", "1")
}

func startTraefik(t *testing.T, g *gatewayRig) {
	t.Helper()
	routes := g.example(t, "traefik/dynamic.yaml", "http://127.0.0.1:8080", "http://"+g.tollkeeper, "http://127.0.0.1:3000", "http://"+g.api)
	main := g.example(t, "traefik/traefik.yaml", "127.0.0.1:8000", g.addr, "/etc/traefik/dynamic.yaml", routes,
		"filePath: /var/log/traefik/api.json", "filePath: "+g.log)
	launch(t, wheel(t, "bin/traefik"), "--configFile="+main)
}

func startCaddy(t *testing.T, g *gatewayRig) {
	t.Helper()
	file := g.example(t, "caddy/Caddyfile", ":8000 {", "http://"+g.addr+" {", "output file /var/log/caddy/api.json", "output file "+g.log,
		"127.0.0.1:8080", g.tollkeeper, "127.0.0.1:3000", g.api)
	raw, err := os.ReadFile(file)
	require.NoError(t, err)
	alone := "{\n\tadmin off\n\tauto_https off\n\tpersist_config off\n\tstorage file_system " + g.dir + "/caddy\n}\n" // no state outside of the test's folder
	require.NoError(t, os.WriteFile(file, append([]byte(alone), raw...), 0o600))
	launch(t, wheel(t, "bin/caddy"), "run", "--config", file, "--adapter", "caddyfile")
}

func TestGatewaysAskAboutEveryCallAndEveryCallIsCountedOnce(t *testing.T) {
	for _, gateway := range []struct {
		name, format string
		start        func(*testing.T, *gatewayRig)
	}{
		{"Envoy", "envoy", startEnvoy},
		{"Traefik", "traefik", startTraefik},
		{"Caddy", "caddy", startCaddy},
		{"HAProxy", "tollkeeper", startHAProxy},
	} {
		t.Run(gateway.name, func(t *testing.T) { behindGateway(t, gateway.format, gateway.start) })
	}
}

// hasLines reports an error as long as nothing is in the file.
func hasLines(file string) error {
	if info, err := os.Stat(file); err != nil || info.Size() == 0 {
		return fmt.Errorf("nothing is in %s", file)
	}
	return nil
}

// behindGateway makes calls through a gateway with and without a key, suspends and reinstates the key, and then compares what
// was called with what was counted.
func behindGateway(t *testing.T, format string, start func(*testing.T, *gatewayRig)) {
	dir := t.TempDir()
	s := serve(t, "--data", dir, "--format", "tollkeeper")
	issue := func(name string) (id, secret string) {
		var key struct {
			Key    struct{ ID string }
			Secret string
		}
		require.Equal(t, http.StatusCreated, s.call("POST", "/v1/keys", map[string]any{"name": name, "account_id": "acct_gateways"}, &key))
		return key.Key.ID, key.Secret
	}
	id, secret := issue("caller")
	victim, _ := issue("victim")
	saw := make(chan http.Header, 1000)
	api := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		saw <- r.Header.Clone()
		fmt.Fprint(w, "hello")
	}))
	defer api.Close()
	g := &gatewayRig{dir: t.TempDir(), addr: freeAddr(t), tollkeeper: strings.TrimPrefix(s.url, "http://"), api: strings.TrimPrefix(api.URL, "http://")}
	g.log = filepath.Join(g.dir, "api.json")
	start(t, g)

	var sent, keyed int64
	call := func(header ...string) int {
		req, err := http.NewRequest("POST", "http://"+g.addr+"/v1/things/17?api_key=tk_live_inTheQueryOnly00000000000000000", strings.NewReader(`{"a":1}`))
		require.NoError(t, err)
		for i := 0; i < len(header); i += 2 {
			req.Header.Set(header[i], header[i+1])
			if strings.Contains(header[i+1], secret) {
				keyed++
			}
		}
		res, err := http.DefaultClient.Do(req)
		if err != nil {
			return 0
		}
		res.Body.Close()
		sent++
		return res.StatusCode
	}
	soon := func(within time.Duration, want int, header ...string) {
		t.Helper()
		eventually(t, within, func() error {
			if code := call(header...); code != want {
				return fmt.Errorf("still %d", code)
			}
			return nil
		})
	}
	soon(20*time.Second, http.StatusUnauthorized) // it is up, and refuses who has no key
	// What it answered before it had its routes may be in the log or not. From here on every call counts.
	eventually(t, 10*time.Second, func() error { return hasLines(g.log) })
	time.Sleep(500 * time.Millisecond)
	sent = 0
	early, err := os.ReadFile(g.log)
	require.NoError(t, err)
	for line := range strings.Lines(string(early)) {
		if line[0] == '{' { // HAProxy writes there that it has started
			sent++
		}
	}
	launch(t, binary, "ship", "--data", dir, "--kafka", s.kafka, "--format", format, g.log)
	for range 25 {
		require.Equal(t, http.StatusOK, call("X-Api-Key", secret))
	}
	require.Equal(t, http.StatusOK, call("Authorization", "Bearer "+secret))
	require.Equal(t, id, (<-saw).Get("X-Tollkeeper-Key-Id"), "the service learns whose call it is")
	require.Equal(t, http.StatusUnauthorized, call())
	require.Equal(t, http.StatusUnauthorized, call("X-Api-Key", "tk_live_thisIsNoKeyOfOurs0000000000000"))
	require.Equal(t, http.StatusUnauthorized, call("X-Tollkeeper-Key-Id", victim), "an id is not a key")
	require.Equal(t, http.StatusOK, call("X-Api-Key", secret, "X-Tollkeeper-Key-Id", victim), "and does not hide whose key it was")

	require.Equal(t, http.StatusOK, s.call("POST", "/v1/keys/"+id+"/suspend", map[string]any{"reason": "a test"}, nil))
	suspended := time.Now()
	soon(time.Second, http.StatusForbidden, "X-Api-Key", secret)
	t.Logf("refused %s after the suspension", time.Since(suspended).Round(time.Millisecond))
	require.Equal(t, http.StatusOK, s.call("POST", "/v1/keys/"+id+"/reinstate", map[string]any{"reason": "test over"}, nil))
	soon(time.Second, http.StatusOK, "X-Api-Key", secret)

	// The gateway tells who calls, so that a client can be refused and the others served.
	for cidr, thief := range map[string]int{"127.0.0.1": http.StatusForbidden, "198.51.100.0/24": http.StatusOK} {
		denied := map[string]any{"kind": "cidr", "value": cidr, "agent": "scrapekit", "reason": "a test"}
		require.Equal(t, http.StatusOK, s.call("POST", "/v1/keys/"+id+"/quarantine", denied, nil))
		soon(time.Second, thief, "X-Api-Key", secret, "User-Agent", "scrapekit/0.9")
		require.Equal(t, http.StatusOK, call("X-Api-Key", secret, "User-Agent", "acme/1.0"))
		require.Equal(t, http.StatusOK, s.call("POST", "/v1/keys/"+id+"/quarantine-release", denied, nil))
	}

	s.wantTotal(sent)
	time.Sleep(time.Second) // nothing comes twice
	s.wantTotal(sent)
	used := func(key string) (calls int64) {
		var u struct{ Total struct{ Requests int64 } }
		require.Equal(t, http.StatusOK, s.call("GET", "/v1/usage?granularity=hour&key_id="+key, nil, &u))
		return u.Total.Requests
	}
	eventually(t, 5*time.Second, func() error {
		if n := used(id); n != keyed {
			return fmt.Errorf("%d calls under the key, %d were made with it", n, keyed)
		}
		return nil
	})
	require.Zero(t, used(victim), "who names another's key calls in nobody's name")
	logged, err := os.ReadFile(g.log)
	require.NoError(t, err)
	require.NotContains(t, string(logged), secret, "the gateway's own log holds the key")
	if format != "traefik" { // which cannot leave the query out; its example says so
		require.NotContains(t, string(logged), "inTheQueryOnly", "the gateway's own log holds a key from the query")
	}
}

func startHAProxy(t *testing.T, g *gatewayRig) {
	t.Helper()
	script := g.example(t, "haproxy/tollkeeper.lua", "http://127.0.0.1:8080", "http://"+g.tollkeeper)
	file := g.example(t, "haproxy/haproxy.cfg", "/etc/haproxy/tollkeeper.lua", script, "127.0.0.1:8000", g.addr, "127.0.0.1:3000", g.api)
	shell := fmt.Sprintf("exec %s -f %s >>%s", program(t, "haproxy"), file, g.log)
	launch(t, program(t, "sh"), "-c", shell)
}
