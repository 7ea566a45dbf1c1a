# Measures of the detectors; documented in detect/doc.go and written to detect/EVALUATION.md.

# Nanoseconds and bytes a record and key with 1,000, 100,000 and 1,000,000 keys. About two minutes.
.PHONY: bench-detect
bench-detect:
	@go test ./detect -run '^$$' -bench Observe -benchtime 2000000x -timeout 20m | awk -f deploy/make/detect_bench.awk

# The labelled scenarios, held-out seeds and our own families. The first run generates the traffic (about ten minutes).
.PHONY: eval
eval:
	@go build -tags nomsgpack -o bin/tollkeeper ./cmd/tollkeeper
	$(MAKE) --no-print-directory eval-series | tee /dev/stderr | tail -1 > .cache/series.json
	@python3 detect/testdata/evaluate.py --nab .cache/series.json
