#!/bin/sh
# Fetches the embedded ClickHouse engine and the default address data into .cache/engine, as pinned by package-lock.json.
# A no-op when that is there already. Usage: deploy/engine/fetch.sh [FOLDER]
set -eu

here=$(CDPATH='' cd -- "$(dirname -- "$0")" && pwd)
root=$(CDPATH='' cd -- "$here/../.." && pwd)
target=${1:-"$root/.cache/engine"}
version=26.7.3-stable.1

fail() { printf 'engine: %s\n' "$1" >&2; exit 1; }

case "$(uname -s)-$(uname -m)" in
Linux-x86_64)              package=lib-linux-x64-gnu   library=libchdb.so pinned=yes ;;
Linux-aarch64|Linux-arm64) package=lib-linux-arm64-gnu library=libchdb.so pinned=no ;;
Darwin-arm64)              package=lib-darwin-arm64    library=libchdb.so pinned=no ;;
Darwin-x86_64)             package=lib-darwin-x64      library=libchdb.so pinned=no ;;
*) fail "there is no embedded engine for $(uname -s) on $(uname -m); use --clickhouse with a server of your own" ;;
esac

if command -v sha256sum >/dev/null 2>&1; then sum='sha256sum'; else sum='shasum -a 256'; fi
want="$($sum < "$here/package-lock.json" | cut -d' ' -f1) $package"
lib="$target/node_modules/@chdb/$package/$library"
if [ -f "$lib" ] && [ "$(cat "$target/.fetched" 2>/dev/null)" = "$want" ]; then exit 0; fi

command -v npm >/dev/null 2>&1 || fail "npm is needed to fetch the engine; install Node.js 18 or newer (Debian: apt-get install npm)"
mkdir -p "$target" || fail "cannot create $target"
# Another fetch may be at work on the same folder (make -j, two test runs): wait for it rather than fight it.
if command -v flock >/dev/null 2>&1; then
  exec 9>"$target/.lock"
  flock 9
  if [ -f "$lib" ] && [ "$(cat "$target/.fetched" 2>/dev/null)" = "$want" ]; then exit 0; fi
fi
free=$(df -Pk "$target" | awk 'NR==2 {print $4}')
[ "${free:-0}" -gt 1000000 ] || fail "$target needs 1 GB of free space, there are $((${free:-0} / 1024)) MB"

rm -f "$target/.fetched"
cp "$here/package.json" "$here/package-lock.json" "$here/.npmrc" "$target/"
printf 'engine: fetching ClickHouse (libchdb %s) and address data, about 200 MB, into %s\n' "$version" "$target" >&2

log="$target/npm.log"
(
  cd "$target"
  npm ci --ignore-scripts --no-audit --no-fund --loglevel=warn
  # The lock pins what its registry had on the day of locking. For the other platforms the version is pinned, not the sum.
  if [ "$pinned" = no ]; then npm install --no-save --no-package-lock --ignore-scripts --no-audit --no-fund "@chdb/$package@$version"; fi
) >"$log" 2>&1 &
npm=$!
trap 'kill "$npm" 2>/dev/null || true' INT TERM
seconds=0
while kill -0 "$npm" 2>/dev/null; do
  sleep 1
  seconds=$((seconds + 1))
  mb=$(du -sk "$target" 2>/dev/null | awk '{print int($1 / 1024)}')
  if [ -t 2 ]; then printf '\rengine: %d s, %d of about 620 MB unpacked ' "$seconds" "${mb:-0}" >&2
  elif [ $((seconds % 10)) -eq 0 ]; then printf 'engine: %d s, %d of about 620 MB unpacked\n' "$seconds" "${mb:-0}" >&2; fi
done
if [ -t 2 ]; then printf '\n' >&2; fi
if ! wait "$npm"; then
  tail -n 15 "$log" >&2
  fail "npm could not fetch the engine (its messages are above). Check the network and npm's registry setting, then run: make engine"
fi
[ -f "$lib" ] || fail "npm ended well but $lib is not there; remove $target and run: make engine"
printf '%s\n' "$want" > "$target/.fetched"
printf 'engine: ready after %d s\n' "$seconds" >&2
