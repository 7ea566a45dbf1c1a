#!/bin/sh
# Makes the secrets of compose.yaml that are not there yet, and starts everything. Starting it again changes nothing.
set -eu
cd -- "$(dirname -- "$0")"

# The folder lets nobody else in; the files in it are read by containers whose users have other numbers.
umask 077
mkdir -p secrets
random() { od -An -N32 -tx1 /dev/urandom | tr -d ' \n'; }
secret() { # secret NAME TEXT
  [ -s "secrets/$1" ] || printf '%s\n' "$2" >"secrets/$1"
  chmod 0444 "secrets/$1"
}
for name in clickhouse database grafana; do secret "$name-password" "$(random)"; done
secret clickhouse-dsn "http://tollkeeper:$(cat secrets/clickhouse-password)@clickhouse:8123/tollkeeper"
secret database-dsn "postgres://tollkeeper:$(cat secrets/database-password)@postgres:5432/tollkeeper?sslmode=disable"
secret pepper "1 $(random)"

# Prometheus' token comes from the running server. Until then its file is empty, for a file that is not there cannot be mounted.
[ -e secrets/prometheus-token ] || : >secrets/prometheus-token
docker compose up --detach --build --wait tollkeeper
if [ ! -s secrets/prometheus-token ]; then
  token=$(docker compose exec -T tollkeeper tollkeeper tokens create prometheus --role viewer | tail -n 1)
  printf '%s\n' "$token" >secrets/prometheus-token
fi
chmod 0444 secrets/prometheus-token
docker compose up --detach --wait
docker compose exec -T tollkeeper tollkeeper login
