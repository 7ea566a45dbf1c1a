package main

import (
	"fmt"
	"slices"
	"strconv"
)

func header() {
	fmt.Printf("%9s %6s", "keys", "")
	for _, name := range []string{"uniform ns", "map ns", "ratio", "zipf ns", "map ns", "ratio", "bytes/key", "RSS MiB", "peak MiB", "GC ms", "round ns"} {
		fmt.Printf(" %10s", name)
	}
	fmt.Println()
}

// traffics are the four that are measured, as the table and the summary name them.
var traffics = []struct {
	when, kind, field string
	of                func(*sized) *timing
}{
	{"dawn", "uniform", "uniform", func(s *sized) *timing { return &s.Uniform }},
	{"dawn", "zipf", "zipf", func(s *sized) *timing { return &s.Zipf }},
	{"awake", "uniform", "uniform_awake", func(s *sized) *timing { return &s.UniformAwake }},
	{"awake", "zipf", "zipf_awake", func(s *sized) *timing { return &s.ZipfAwake }},
}

// report prints the medians of the runs with n keys, and adds them to the summary.
func report(summary map[string]any, n int, runs []sized) {
	median := func(of func(*sized) float64) float64 {
		all := make([]float64, len(runs))
		for i := range runs {
			all[i] = of(&runs[i])
		}
		slices.Sort(all)
		return (all[(len(all)-1)/2] + all[len(all)/2]) / 2
	}
	perKey, round := median(func(s *sized) float64 { return s.BytesPerKey }), median(func(s *sized) float64 { return s.RoundNs })
	rss, peak := median(func(s *sized) float64 { return s.RSSMiB }), median(func(s *sized) float64 { return s.PeakMiB })
	for _, t := range traffics {
		ns := median(func(s *sized) float64 { return t.of(s).EngineNs })
		plain := median(func(s *sized) float64 { return t.of(s).MapNs })
		ratio := median(func(s *sized) float64 { return t.of(s).EngineNs / t.of(s).MapNs })
		if t.kind == "uniform" {
			fmt.Printf("%9d %6s", n, t.when)
		}
		fmt.Printf(" %10.0f %10.0f %10.1f", ns, plain, ratio)
		if t.kind == "zipf" {
			fmt.Printf(" %10.0f %10.0f %10.0f %10.0f %10.0f\n", perKey, rss, peak, median(func(s *sized) float64 { return s.GCMillis }), round)
		}
		summary["ns_"+short(n)+"_"+t.field] = whole(ns)
		if n == 1_000_000 {
			summary["records_per_second_per_core_1m_"+t.field] = whole(1e9 / ns)
			summary[t.kind+"_over_map_update_1m"+t.field[len(t.kind):]] = whole(100*ratio) / 100
		}
	}
	if n == 1_000_000 {
		summary["gc_cpu_share_1m"] = whole(1000*median(func(s *sized) float64 { return max(s.Uniform.GCShare, s.Zipf.GCShare) })) / 1000
		summary["round_ns_per_key_1m"], summary["bytes_per_key"], summary["rss_mib_1m"], summary["peak_rss_mib_1m"] = whole(round), whole(perKey), whole(rss), whole(peak)
	}
}

func short(n int) string {
	if n >= 1_000_000 {
		return strconv.Itoa(n/1_000_000) + "m"
	}
	return strconv.Itoa(n/1_000) + "k"
}

// whole rounds x.
func whole(x float64) float64 { return float64(int64(x + 0.5)) }
