package quotas

import (
	"encoding/csv"
	"fmt"
	"io"
	"maps"
	"slices"
	"strconv"
	"time"

	"github.com/tollkeeper/tollkeeper/quotas/meter"
)

// WriteUsageCSV writes a report of use as a table: a row per bucket and one for the total, a column per unit that occurs.
func WriteUsageCSV(w io.Writer, r UsageReport) error {
	units := slices.Sorted(maps.Keys(r.Total.Units))
	header := []string{"start", "end", "sealed", "requests", "errors", "request_bytes", "response_bytes"}
	for _, u := range units {
		header = append(header, cell("unit:"+u))
	}
	out := csv.NewWriter(w)
	rows := [][]string{header}
	add := func(from, to, sealed string, a meter.Amounts) {
		row := []string{from, to, sealed}
		for _, n := range []int64{a.Requests, a.Errors, a.RequestBytes, a.ResponseBytes} {
			row = append(row, strconv.FormatInt(n, 10))
		}
		for _, u := range units {
			row = append(row, strconv.FormatInt(a.Units[u], 10))
		}
		rows = append(rows, row)
	}
	for _, b := range r.Buckets {
		add(b.Start.Format(time.RFC3339), b.End.Format(time.RFC3339), strconv.FormatBool(b.Sealed), b.Amounts)
	}
	add("total", "", "", r.Total)
	if err := out.WriteAll(rows); err != nil {
		return fmt.Errorf("write the report: %w", err)
	}
	return nil
}
