#!/usr/bin/env bash
# Runs Schemathesis (cases from the OpenAPI description, good and bad ones) against a real server on a folder of its own.
# A case passes when the answer has a status, a media type and a body that the description names, when no bad input is taken,
# no missing credential is let through, and nothing is answered with 500. Rules that a schema cannot say (a time in the
# future, two fields that belong together) are why positive_data_acceptance is left out.
set -euo pipefail
cd "$(dirname "$0")/../.."
venv=.cache/venv
if [ ! -x "$venv/bin/schemathesis" ]; then
  python3 -m venv "$venv"
  "$venv/bin/pip" install --quiet --disable-pip-version-check schemathesis==4.32.5
fi
dir=$(mktemp -d)
port=$(python3 -c 'import socket; s = socket.socket(); s.bind(("127.0.0.1", 0)); print(s.getsockname()[1])')
kafka=$(python3 -c 'import socket; s = socket.socket(); s.bind(("127.0.0.1", 0)); print(s.getsockname()[1])')
bin/tollkeeper serve --data "$dir/data" --listen "127.0.0.1:$port" --kafka-listen "127.0.0.1:$kafka" --log-level error >"$dir/log" 2>&1 &
server=$!
trap 'kill "$server" 2>/dev/null || true; wait "$server" 2>/dev/null || true; rm -rf "$dir"' EXIT
for _ in $(seq 300); do
  curl -fs "http://127.0.0.1:$port/readyz" >/dev/null 2>&1 && break
  kill -0 "$server" 2>/dev/null || { cat "$dir/log" >&2; exit 1; }
  sleep 0.2
done
token=$(python3 -c 'import json, sys; print(json.load(open(sys.argv[1]))["token"])' "$dir/data/client.json")
"$venv/bin/schemathesis" run "http://127.0.0.1:$port/openapi.json" -H "Authorization: Bearer $token" \
  --exclude-operation-id StreamEvents --exclude-operation-id Authorize --exclude-operation-id DeleteSession \
  --exclude-checks positive_data_acceptance --phases examples,coverage,fuzzing --max-examples "${EXAMPLES:-40}" \
  --rate-limit 80/s --seed "${SEED:-1}" --no-color --generation-database none --suppress-health-check all || { grep -i '"level":"ERROR"\|ERR' "$dir/log" | head -20 >&2; exit 1; }
