// Command bench measures the detectors: what a record costs in processor time and a key in memory.
//
//	go run ./detect/bench            1,000, 100,000 and 1,000,000 keys; `make bench-detect`; about six minutes
//	go run ./detect/bench -keys N    one size; -profile FILE writes a CPU profile of its uniform traffic
//
// Every size runs in a process of its own. Its keys first get eight days of history (42 requests on six days), so that they are
// judged and not only watched; then traffic of 15 requests a key and hour is observed, batch by batch. Two kinds: every
// key as likely as any other (hardly ever is a key's state in the cache: the worst that can happen), and skewed as real
// platforms are (Zipf). Each is measured twice:
//
//   - At dawn: all keys have slept for 23 hours. Of two million records of a million keys 43 in a hundred are the first of their key since then. It is the dearest quarter
//     of an hour of a day.
//   - Awake (fields *_awake): once all but one in 150 keys have called again, for an hour at least, so that the round that closes an hour for all keys is in it. That is
//     what goes on for the rest of the day.
//
// A round is also told by itself, as it is in the night: round_ns is what it costs a key, once an hour.
//
// Beside it, with the same batches, one update of a map of that many keys: what it costs only to find
// a key. Times are processor time of the measuring thread, so that neighbours disturb little; what the garbage collector
// takes on other threads is told as a share.
//
// The last line is one JSON object.
package main

import (
	"encoding/json"
	"flag"
	"fmt"
	"os"
	"os/exec"
	"strconv"
)

func main() {
	if err := run(); err != nil {
		fmt.Fprintln(os.Stderr, "bench:", err)
		os.Exit(1)
	}
}

func run() error {
	keys := flag.Int("keys", 0, "measure this many keys in this process")
	records := flag.Int("records", 2_000_000, "records of each kind of traffic")
	profile := flag.String("profile", "", "write a CPU profile of the uniform traffic to this file")
	flag.Parse()
	if *keys > 0 {
		s, err := measure(*keys, *records, *profile)
		if err != nil {
			return err
		}
		return json.NewEncoder(os.Stdout).Encode(s)
	}
	self, err := os.Executable()
	if err != nil {
		return err
	}
	fmt.Printf("%9s %8s %10s %10s %10s %10s %10s %10s %9s %9s %9s\n", "keys", "", "uniform ns", "map ns", "zipf ns", "map ns", "bytes/key", "RSS MiB", "peak MiB", "GC ms", "round ns")
	summary := map[string]any{}
	for _, n := range []int{1_000, 100_000, 1_000_000} {
		cmd := exec.Command(self, "-keys", strconv.Itoa(n), "-records", strconv.Itoa(*records))
		cmd.Stderr = os.Stderr
		out, err := cmd.Output()
		if err != nil {
			return fmt.Errorf("%d keys: %w", n, err)
		}
		var s sized
		if err := json.Unmarshal(out, &s); err != nil {
			return fmt.Errorf("%d keys: %w", n, err)
		}
		for _, t := range []struct {
			when, field   string
			uniform, zipf timing
		}{{"dawn", "", s.Uniform, s.Zipf}, {"awake", "_awake", s.UniformAwake, s.ZipfAwake}} {
			fmt.Printf("%9d %8s %10.0f %10.0f %10.0f %10.0f %10.0f %10.0f %9.0f %9.0f %9.0f\n", n, t.when, t.uniform.EngineNs, t.uniform.MapNs, t.zipf.EngineNs, t.zipf.MapNs,
				s.BytesPerKey, s.RSSMiB, s.PeakMiB, s.GCMillis, s.RoundNs)
			summary[fmt.Sprintf("ns_%s_uniform%s", short(n), t.field)] = round(t.uniform.EngineNs)
			summary[fmt.Sprintf("ns_%s_zipf%s", short(n), t.field)] = round(t.zipf.EngineNs)
			if n == 1_000_000 {
				summary["records_per_second_per_core_1m_uniform"+t.field] = round(1e9 / t.uniform.EngineNs)
				summary["records_per_second_per_core_1m_zipf"+t.field] = round(1e9 / t.zipf.EngineNs)
				summary["uniform_over_map_update_1m"+t.field] = round(100*t.uniform.EngineNs/t.uniform.MapNs) / 100
				summary["zipf_over_map_update_1m"+t.field] = round(100*t.zipf.EngineNs/t.zipf.MapNs) / 100
			}
		}
		if n == 1_000_000 {
			summary["gc_cpu_share_1m"] = round(1000*max(s.Uniform.GCShare, s.Zipf.GCShare)) / 1000
			summary["round_ns_per_key_1m"] = round(s.RoundNs)
			summary["bytes_per_key"], summary["rss_mib_1m"], summary["peak_rss_mib_1m"] = round(s.BytesPerKey), round(s.RSSMiB), round(s.PeakMiB)
		}
	}
	return json.NewEncoder(os.Stdout).Encode(summary)
}

func short(n int) string {
	if n >= 1_000_000 {
		return strconv.Itoa(n/1_000_000) + "m"
	}
	return strconv.Itoa(n/1_000) + "k"
}

func round(x float64) float64 { return float64(int64(x + 0.5)) }
