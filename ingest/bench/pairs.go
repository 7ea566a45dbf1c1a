package main

import (
	"cmp"
	"runtime"
	"slices"
)

// rounds is how often end to end and its ceiling take turns; their medians are compared. One of each says little on a
// machine that does other things too.
const rounds = 3

// pair is end to end and what it is measured against.
type pair struct{ end, ceiling result }

func (p pair) ratio() float64 { return p.end.perSecond() / p.ceiling.perSecond() }

// against runs end to end over a topic of so many partitions, and the ceiling with as many inserters as go on side by side.
func (b *run) against(topic, format string, rows, partitions int) (pair, error) {
	var ends, ceilings []result
	for range rounds {
		end, err := b.do(part{Kind: "end-to-end", Topic: topic, Partitions: partitions, Format: format, Rows: rows})
		if err != nil {
			return pair{}, err
		}
		// The ceiling's blocks have the size that end to end's came to have.
		ceiling, err := b.do(part{
			Kind: "ceiling", Topic: topic, Partitions: partitions, Format: format, Rows: rows,
			BlockRows: end.BlockRows, Inserters: min(partitions, runtime.NumCPU()),
		})
		if err != nil {
			return pair{}, err
		}
		ends, ceilings = append(ends, end), append(ceilings, ceiling)
	}
	return pair{median(ends), median(ceilings)}, nil
}

// median is the run in the middle by rows per second; its peak is the highest of all.
func median(results []result) result {
	slices.SortFunc(results, func(a, b result) int { return cmp.Compare(a.perSecond(), b.perSecond()) })
	m := results[len(results)/2]
	for _, r := range results {
		m.PeakMiB = max(m.PeakMiB, r.PeakMiB)
	}
	return m
}
