package replay

import (
	"fmt"
	"io"
	"slices"
	"strings"
	"time"

	"github.com/tollkeeper/tollkeeper/detect"
)

// Print writes the score as a table.
func (s *Score) Print(w io.Writer) {
	row := func(name string, format string, v any) { fmt.Fprintf(w, "%-34s "+format+"\n", name, v) }
	row("key_days", "%.0f", s.KeyDays)
	row("suspend_episodes", "%d", s.SuspendEpisodes)
	row("suspend_recall", "%.4f", s.SuspendRecall)
	row("flag_recall", "%.4f", s.FlagRecall)
	row("false_suspends", "%d", s.FalseSuspends)
	row("false_suspends_per_1000_key_days", "%.3f", s.FalseSuspendRate)
	row("false_flag_days", "%d", s.FalseFlagDays)
	row("false_flags_per_1000_key_days", "%.2f", s.FalseFlagRate)
	row("seconds_to_suspend_median", "%.1f", s.SecondsMedian)
	row("seconds_to_suspend_p90", "%.1f", s.SecondsP90)
	row("requests_to_suspend_median", "%.1f", s.RequestsMedian)
	fmt.Fprintf(w, "\n%-28s %9s %10s %8s\n", "family", "episodes", "suspended", "flagged")
	names := make([]string, 0, len(s.Families))
	for n := range s.Families {
		names = append(names, n)
	}
	slices.Sort(names)
	for _, n := range names {
		f := s.Families[n]
		fmt.Fprintf(w, "%-28s %9d %10d %8d\n", n, f.Episodes, f.Suspended, f.Flagged)
	}
}

// PrintEpisodes says what would have been done, the weightiest first, at most that many. names is what people call keys.
func PrintEpisodes(w io.Writer, episodes []Episode, names map[string]string, most int) {
	count := map[detect.Action]int{}
	for i := range episodes {
		count[episodes[i].Wanted]++
	}
	fmt.Fprintf(w, "It would have suspended %d keys' use, and raised %d further alerts.\n", count[detect.ActionSuspend]+count[detect.ActionQuarantine], count[detect.ActionFlag]+count[detect.ActionThrottle])
	list := slices.Clone(episodes)
	slices.SortStableFunc(list, func(a, b Episode) int {
		if a.Wanted != b.Wanted {
			return int(b.Wanted) - int(a.Wanted)
		}
		return int(100 * (b.Peak - a.Peak))
	})
	for i := range list[:min(most, len(list))] {
		ep := &list[i]
		what := ep.Wanted.String()
		if ep.Action < ep.Wanted {
			what += " (held: " + ep.Held + ")"
		}
		key := called(ep.KeyID, names)
		fmt.Fprintf(w, "\n%s  %s  %s\n  %s\n", time.UnixMilli(ep.Lead.TimeMillis).UTC().Format(time.RFC3339), key, what, wrap(ep.Lead.Reason, 110))
	}
	if n := len(list) - most; n > 0 {
		fmt.Fprintf(w, "\n... and %d more; episodes.jsonl has them all.\n", n)
	}
}

// called is a key's id with its name, "-" where no key is known.
func called(id string, names map[string]string) string {
	switch name := names[id]; {
	case id == "":
		return "-"
	case name != "":
		return id + " (" + name + ")"
	}
	return id
}

// PrintVerdicts holds the run against what people said about past alerts.
func PrintVerdicts(w io.Writer, episodes []Episode, labels []Label) {
	var confirmed, found, stopped, dismissed, again int
	for i := range labels {
		l := &labels[i]
		any, stop := false, false
		for j := range episodes {
			if ep := &episodes[j]; l.covers(ep) {
				any, stop = true, stop || ep.Wanted >= detect.ActionQuarantine
			}
		}
		total, hit := &confirmed, &stopped
		if l.Expect == ExpectBenign {
			total, hit = &dismissed, &again
		} else if any {
			found++
		}
		*total++
		if stop {
			*hit++
		}
	}
	fmt.Fprintf(w, "\nOf %d confirmed alerts it would find %d and suspend %d; of %d dismissed ones it would suspend %d again.\n", confirmed, found, stopped, dismissed, again)
}

// PrintTradeoffs says what stricter thresholds would have meant.
func PrintTradeoffs(w io.Writer, list []Tradeoff, labelled bool) {
	fmt.Fprintln(w, "\nBy the most evidence that was reached, with suspensions that a cap or a policy held back:")
	fmt.Fprintf(w, "%-18s %10s", "required evidence", "suspended")
	if labelled {
		fmt.Fprintf(w, " %8s %16s", "recall", "false in 30 days")
	}
	fmt.Fprintln(w)
	for _, t := range list {
		fmt.Fprintf(w, "%-18.1f %10d", t.Required, t.Suspended)
		if labelled {
			fmt.Fprintf(w, " %8.3f %16.2f", t.Recall, t.FalseMonth)
		}
		fmt.Fprintln(w)
	}
}

func wrap(s string, width int) string {
	var b strings.Builder
	line := 0
	for i, word := range strings.Fields(s) {
		if i > 0 {
			if line+len(word) >= width {
				b.WriteString("\n  ")
				line = 0
			} else {
				b.WriteByte(' ')
				line++
			}
		}
		b.WriteString(word)
		line += len(word)
	}
	return b.String()
}
