# Turns the output of "go test -bench" into a table and, as the last line, one JSON object.
/^Benchmark/ {
    name = $1
    sub(/^Benchmark/, "", name)
    sub(/-[0-9]+$/, "", name)
    if (rows == 0) printf "%-40s %14s %10s %12s\n", "what", "time", "allocs", "memory"
    memory = allocs = ""
    for (i = 3; i < NF; i += 2) {
        if ($(i + 1) == "ns/op") ns = $i
        if ($(i + 1) == "allocs/op") allocs = $i
        if ($(i + 1) == "B/key") memory = $i
    }
    time = ns >= 1e6 ? sprintf("%.1f ms", ns / 1e6) : ns >= 1e4 ? sprintf("%.0f µs", ns / 1e3) : sprintf("%.0f ns", ns)
    printf "%-40s %14s %10s %12s\n", name, time, allocs, memory == "" ? "" : memory " B/key"
    json = json sprintf("%s\"%s_ns\": %s", rows++ ? ", " : "", name, ns)
    if (memory != "") json = json sprintf(", \"%s_bytes_per_key\": %s", name, memory)
    next
}
/^(FAIL|---|panic|    )/ { print > "/dev/stderr" }
END {
    if (rows == 0) exit 1
    printf "{%s}\n", json
}
