# Turns the output of "go test -bench" into a table and, as the last line, one JSON object of nanoseconds a record.
/^Benchmark/ {
    name = $1
    sub(/^Benchmark/, "", name)
    sub(/-[0-9]+$/, "", name)
    sub(/^Decode\//, "", name)
    ns = bytes = allocs = ""
    for (i = 3; i < NF; i += 2) {
        if ($(i + 1) == "cpu-ns/record" || $(i + 1) == "ns/record") ns = $i
        if ($(i + 1) == "line-bytes") bytes = $i
        if ($(i + 1) == "allocs/op") allocs = $i
    }
    if (rows == 0) printf "%-14s %14s %16s %12s %10s\n", "format", "ns a record", "records/CPU-s", "line bytes", "allocs"
    printf "%-14s %14.0f %16.0f %12s %10s\n", name, ns, 1e9 / ns, bytes, allocs
    json = json sprintf("%s\"%s_ns\": %.1f", rows++ ? ", " : "", name, ns)
    next
}
/^(FAIL|---|panic|    )/ { print > "/dev/stderr" }
END {
    if (rows == 0) exit 1
    printf "{%s}\n", json
}
