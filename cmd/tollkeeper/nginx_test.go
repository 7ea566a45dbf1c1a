package main

import (
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// startNginx runs Debian's nginx with the configuration of deploy/nginx in front of api, and returns its address and log.
func startNginx(t *testing.T, tollkeeperAddr, apiAddr string) (addr, log string) {
	t.Helper()
	dir := t.TempDir()
	example := filepath.Join(repository(t), "deploy", "nginx")
	main, err := os.ReadFile(filepath.Join(example, "tollkeeper.conf"))
	require.NoError(t, err)
	require.Contains(t, string(main), "server 127.0.0.1:8080;")
	ours := strings.Replace(string(main), "server 127.0.0.1:8080;", "server "+tollkeeperAddr+";", 1)
	require.NoError(t, os.WriteFile(filepath.Join(dir, "tollkeeper.conf"), []byte(ours), 0o600))
	addr, log = freeAddr(t), filepath.Join(dir, "api.json")
	conf := fmt.Sprintf(`
daemon off; pid %[1]s/nginx.pid; error_log stderr notice; worker_processes 1;
events { worker_connections 256; }
http {
    client_body_temp_path %[1]s/a; proxy_temp_path %[1]s/b; fastcgi_temp_path %[1]s/c; uwsgi_temp_path %[1]s/d; scgi_temp_path %[1]s/e;
    include %[1]s/tollkeeper.conf;
    set_real_ip_from 127.0.0.1; real_ip_header X-Test-Client; # clients of a test say where they are
    server {
        listen %[2]s;
        access_log %[3]s tollkeeper;
        location / {
            auth_request        /_tollkeeper;
            auth_request_set    $tollkeeper_key_id $upstream_http_x_tollkeeper_key_id;
            auth_request_set    $tollkeeper_code   $upstream_http_x_tollkeeper_code;
            auth_request_set    $tollkeeper_status $upstream_status;
            error_page 401 403 500 = @tollkeeper_refused;
            proxy_pass          http://%[4]s;
        }
        include %[5]s/tollkeeper_server.conf;
    }
}`, dir, addr, log, apiAddr, example)
	if os.Getuid() == 0 {
		conf = "user root;" + conf
	}
	file := filepath.Join(dir, "nginx.conf")
	require.NoError(t, os.WriteFile(file, []byte(conf), 0o600))
	launch(t, program(t, "nginx"), "-e", "stderr", "-c", file)
	eventually(t, 10*time.Second, func() error {
		res, err := http.Get("http://" + addr + "/_tollkeeper")
		if err == nil {
			res.Body.Close()
		}
		return err
	})
	return addr, log
}

func TestNginxAsksAboutEveryCallAndEveryCallIsCountedOnce(t *testing.T) {
	dir := t.TempDir()
	s := serve(t, "--data", dir, "--format", "tollkeeper")
	var key struct {
		Key    struct{ ID string }
		Secret string
	}
	require.Equal(t, http.StatusCreated, s.call("POST", "/v1/keys", map[string]any{"name": "nginx", "account_id": "acct_nginx"}, &key))
	backend := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { fmt.Fprint(w, "hello") }))
	defer backend.Close()
	addr, log := startNginx(t, strings.TrimPrefix(s.url, "http://"), strings.TrimPrefix(backend.URL, "http://"))
	launch(t, binary, "ship", "--data", dir, "--kafka", s.kafka, "--format", "nginx", log)

	sent := int64(1) // the probe of startNginx
	get := func(secret string) int {
		req, err := http.NewRequest("GET", "http://"+addr+"/v1/things/17?token=query-secret", nil)
		require.NoError(t, err)
		if secret != "" {
			req.Header.Set("X-Api-Key", secret)
		}
		res, err := http.DefaultClient.Do(req)
		require.NoError(t, err)
		res.Body.Close()
		sent++
		return res.StatusCode
	}
	for range 25 {
		require.Equal(t, http.StatusOK, get(key.Secret))
	}
	require.Equal(t, http.StatusUnauthorized, get(""))
	require.Equal(t, http.StatusUnauthorized, get("tk_live_thisIsNoKeyOfOurs0000000000000"))

	require.Equal(t, http.StatusOK, s.call("POST", "/v1/keys/"+key.Key.ID+"/suspend", map[string]any{"reason": "a test"}, nil))
	suspended := time.Now()
	eventually(t, time.Second, func() error {
		if code := get(key.Secret); code != http.StatusForbidden {
			return fmt.Errorf("still %d", code)
		}
		return nil
	})
	t.Logf("nginx refused the key %s after the suspension", time.Since(suspended).Round(time.Millisecond))
	require.Equal(t, http.StatusOK, s.call("POST", "/v1/keys/"+key.Key.ID+"/reinstate", map[string]any{"reason": "test over"}, nil))
	eventually(t, time.Second, func() error {
		if code := get(key.Secret); code != http.StatusOK {
			return fmt.Errorf("still %d", code)
		}
		return nil
	})

	total := func() int64 {
		var stats struct {
			RequestsTotal int64 `json:"requests_total"`
		}
		require.Equal(t, http.StatusOK, s.call("GET", "/v1/stats", nil, &stats))
		return stats.RequestsTotal
	}
	eventually(t, 20*time.Second, func() error {
		if n := total(); n != sent {
			return fmt.Errorf("%d calls in ClickHouse, %d were sent", n, sent)
		}
		return nil
	})
	time.Sleep(time.Second) // nothing comes twice
	require.Equal(t, sent, total())
	var used struct {
		Items []struct{ Requests int64 }
	}
	require.Equal(t, http.StatusOK, s.call("GET", "/v1/usage?key_id="+key.Key.ID, nil, &used))
	t.Logf("usage: %+v", used)
}
