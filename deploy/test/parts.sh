#!/usr/bin/env bash
# Installs the real programs that the tests run against. As root on Debian they come from its packages; elsewhere the
# missing ones are named and the script fails, so that no test is passed over silently.
set -euo pipefail

declare -A package=(
  [nginx]=nginx [redis-server]=redis-server [haproxy]=haproxy [apache2]=apache2 [chromium]=chromium [python3]=python3
)
missing=()
for program in "${!package[@]}"; do
  PATH="$PATH:/usr/sbin:/sbin" command -v "$program" >/dev/null || missing+=("${package[$program]}")
done
compgen -G '/usr/lib/postgresql/*/bin/initdb' >/dev/null || missing+=(postgresql)
[ ${#missing[@]} -eq 0 ] && exit 0

if [ "$(id -u)" = 0 ] && command -v apt-get >/dev/null; then
  echo "installing for the tests: ${missing[*]}"
  export DEBIAN_FRONTEND=noninteractive
  apt-get update -qq
  # The packages' own services must not start: the tests start what they need, on ports of their own.
  policy=/usr/sbin/policy-rc.d
  [ -e "$policy" ] || { printf '#!/bin/sh\nexit 101\n' >"$policy"; chmod +x "$policy"; trap 'rm -f "$policy"' EXIT; }
  apt-get install -y -qq --no-install-recommends "${missing[@]}" >/dev/null
else
  echo "these packages are missing and the tests need them: ${missing[*]}" >&2
  echo "install them (on Debian: sudo apt-get install ${missing[*]}) and run make test again" >&2
  exit 1
fi
