# Measures of the detectors; documented in detect/doc.go and written to detect/EVALUATION.md.

# What a record costs and a key takes with 1,000, 100,000 and 1,000,000 keys (detect/bench says how), in medians of three runs; about twelve minutes.
.PHONY: bench-detect
bench-detect:
	@mkdir -p .cache/bench && go build -tags $(TAGS) -pgo=$(PROFILE) -o .cache/bench/bench-detect ./detect/bench && .cache/bench/bench-detect

# The labelled scenarios, held-out seeds, our own families, blind, strange, hidden, outside, sequel and reported families and another world. The first run generates the traffic (about twenty minutes).
.PHONY: eval
eval:
	@go build -tags nomsgpack -o bin/tollkeeper ./cmd/tollkeeper
	$(MAKE) --no-print-directory eval-series | tee /dev/stderr | tail -1 > .cache/series.json
	@python3 detect/testdata/evaluate.py --nab .cache/series.json
