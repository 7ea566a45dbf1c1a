# The series detector on the half of the Numenta Anomaly Benchmark in $(TOLLKEEPER_SHARED)/nab, judged by the corpus' own scorer.
# The last line is one JSON object. SERIES.md explains the numbers; "make series-table" writes it anew.
SERIES_RESULTS := .cache/series-results

.PHONY: eval-series
eval-series: build ## score the series detector on the anomaly benchmark
	@rm -rf $(SERIES_RESULTS) && bin/tollkeeper backtest series $(TOLLKEEPER_SHARED)/nab --out $(SERIES_RESULTS)
	@python3 $(TOLLKEEPER_SHARED)/nab/nabscore.py --nab $(TOLLKEEPER_SHARED)/nab --results $(SERIES_RESULTS) --split --json $(SERIES_RESULTS)/scores.json
	@python3 -c 'import json, sys; r = json.load(open(sys.argv[1])); print(json.dumps({p: {"score": round(v["score"], 2), "windows_hit": v["windows_hit"], "windows": v["windows"], "false_alarms": v["fp"]} for p, v in r.items()}))' $(SERIES_RESULTS)/scores.json

.PHONY: series-table
series-table: ## write detect/series/SERIES.md and detect/tail/CALIBRATION.md
	go test ./detect/series -run EvaluationTable -update
	go test ./detect/tail -run CalibrationTable -update
