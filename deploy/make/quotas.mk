# Benchmarks of rating and of the quota counters; the last line is one JSON object. See quotas/README.md.
.PHONY: bench-rating
bench-rating: ## Price a quantity by every mode, count records, ask for a verdict
	@go test -run '^$$' -bench . -benchmem -count 1 ./quotas/... | awk -f deploy/make/quotas_bench.awk
