# Turns the lines of "go test -bench" into a table and, last, one JSON object of ns, allocations and metrics by benchmark.
/^Benchmark/ {
	name = $1; sub(/^Benchmark/, "", name); sub(/-[0-9]+$/, "", name)
	for (i = 3; i < NF; i += 2) if ($(i+1) == "ns/op") ns = $i; else if ($(i+1) == "allocs/op") allocs = $i
	if (!started++) printf "%-44s %14s %12s\n", "benchmark", "ns/op", "allocs/op"
	printf "%-44s %14s %12s\n", name, ns, allocs
	key = tolower(name); gsub(/[^a-z0-9]+/, "_", key)
	json = json (json == "" ? "" : ", ") "\"" key "_ns\": " ns ", \"" key "_allocs\": " allocs
}
/^(FAIL|panic)/ { print; failed = 1 }
END { if (json == "" || failed) { print "the benchmarks did not run" > "/dev/stderr"; exit 1 }; print "{" json "}" }
