// Command bench measures the detectors: what a record costs in processor time and a key in memory.
//
//	go run ./detect/bench            1,000, 100,000 and 1,000,000 keys; `make bench-detect`; about twelve minutes
//	go run ./detect/bench -keys N    one size, once; -profile FILE writes a CPU profile of its uniform traffic
//
// Every size runs in processes of its own, -runs of them (three), of which each number is the median: what a machine grants that others use differs by half from minute to
// minute. The sizes take turns. A process's keys first get eight days of history (42 requests on six days), so that they are
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
	runs := flag.Int("runs", 3, "measure each size so often, and tell medians")
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
	if *runs < 1 {
		return fmt.Errorf("-runs %d: measure at least once", *runs)
	}
	sizes := []int{1_000, 100_000, 1_000_000}
	measured := map[int][]sized{}
	for i := range *runs {
		for _, n := range sizes {
			fmt.Fprintf(os.Stderr, "run %d of %d: %d keys\n", i+1, *runs, n)
			s, err := apart(self, n, *records)
			if err != nil {
				return fmt.Errorf("%d keys: %w", n, err)
			}
			measured[n] = append(measured[n], s)
		}
	}
	header()
	summary := map[string]any{"runs": *runs}
	for _, n := range sizes {
		report(summary, n, measured[n])
	}
	return json.NewEncoder(os.Stdout).Encode(summary)
}

// apart measures one number of keys in a process of its own.
func apart(self string, keys, records int) (s sized, err error) {
	cmd := exec.Command(self, "-keys", strconv.Itoa(keys), "-records", strconv.Itoa(records))
	cmd.Stderr = os.Stderr
	out, err := cmd.Output()
	if err != nil {
		return s, err
	}
	return s, json.Unmarshal(out, &s)
}
