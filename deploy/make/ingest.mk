# Ingest's benchmarks (ingest/bench says what is measured) and its long fault run.

.PHONY: bench-ingest
bench-ingest: engine ## the way of a record from Kafka into ClickHouse: speed, allocations, memory, latency
	@go build -tags $(TAGS) -pgo=$(PROFILE) -o .cache/bench/bench ./ingest/bench && .cache/bench/bench

.PHONY: bench-spine
bench-spine: engine ## records/s from Kafka to ClickHouse with detection on, beside the raw insert ceiling
	@go build -tags $(TAGS) -pgo=$(PROFILE) -o .cache/bench/bench ./ingest/bench && .cache/bench/bench -spine

# The compiler lays out and inlines what this profile shows to be hot; a build of cmd/tollkeeper takes it by itself.
PROFILE := cmd/tollkeeper/default.pgo

.PHONY: profile
profile: engine ## write the profile that the compiler optimises for anew
	@go build -trimpath -tags $(TAGS) -o .cache/bench/bench ./ingest/bench && .cache/bench/bench -pgo $(PROFILE)

.PHONY: chaos
chaos: parts ## kill ingest, engine and brokers for half an hour and count every record (CHAOS=5 SEED=...)
	TOLLKEEPER_CHAOS=$(or $(CHAOS),5) TOLLKEEPER_CHAOS_SEED=$(SEED) go test -tags $(TAGS) -count=1 -timeout 90m -v -run TestEveryRecordCountsOnceWhateverDies ./ingest

# Also the processes that tests kill are watched: a report is a file, for whoever is killed prints nothing more. Tests of
# allocations are left out: the detector makes pools forget, so that there are others.
.PHONY: test-race
test-race: parts ## ingest's tests with the race detector, the fault tests too (needs gcc; about twenty minutes)
	@dir=$$(mktemp -d) && trap 'rm -rf "$$dir"' EXIT && rc=0 && \
	GORACE="log_path=$$dir/race" go test -race -tags $(TAGS) -count=1 -timeout 60m -skip Allocates ./ingest/... || rc=1; \
	! cat "$$dir"/race.* 2>/dev/null || rc=1; exit $$rc
