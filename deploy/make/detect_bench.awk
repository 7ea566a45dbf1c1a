BEGIN { printf "%10s %12s %14s %12s %12s\n", "keys", "ns/record", "records/s", "bytes/key", "allocs/rec" }
/^BenchmarkObserve/ {
	split($1, p, /[\/-]/); keys = p[2]
	for (i = 3; i < NF; i += 2) v[$(i + 1)] = $i
	printf "%10d %12.0f %14.0f %12.0f %12s\n", keys, v["ns/op"], v["records/s"], v["B/key"], v["allocs/op"]
	json = json (json ? "," : "") sprintf("\"%d\":{\"ns_per_record\":%.0f,\"records_per_second\":%.0f,\"bytes_per_key\":%.0f}", keys, v["ns/op"], v["records/s"], v["B/key"])
	n++
}
/FAIL|panic/ { bad = 1; print }
END { if (bad || !n) exit 1; print "{" json "}" }
