# Verification of keys from memory, and what a change costs in the database: a table and, last, one JSON object. The
# benchmarks and what they leave out are described in keys/bench_test.go. Targets of the product: below 2 µs per
# verification, no allocation.
.PHONY: bench-verify
bench-verify: ## measure key verification with 1,000 and 1,000,000 keys, throttled keys in memory and in Redis, suspension, start-up
	@set -o pipefail; go test ./keys -run '^$$' -bench 'Verify|Suspend|Load' | awk -f deploy/make/keys_bench.awk
