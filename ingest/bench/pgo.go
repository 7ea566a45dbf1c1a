package main

import (
	"fmt"
	"os"
	"path/filepath"

	"github.com/google/pprof/profile"
)

// benchProfile writes what the compiler optimises for (cmd/tollkeeper/default.pgo): the CPU profile of end to end, of all
// formats, with many partitions and with one.
func benchProfile(file string) func(*run, []record, []string) error {
	return func(b *run, records []record, formats []string) error {
		b.profile = filepath.Join(b.dir, "profiles")
		for _, format := range formats {
			for _, n := range []int{1, partitions} {
				t := topicOf{fmt.Sprint(format, n), format, "lz4", n}
				if _, err := produce(b.ctx, b.broker, t, records); err != nil {
					return err
				}
				if _, err := b.do(part{Kind: "end-to-end", Topic: t.name, Partitions: n, Format: format, Rows: passes * len(records)}); err != nil {
					return err
				}
			}
		}
		return mergeProfiles(file, filepath.Join(b.profile, "end-to-end-*[0-9].prof"))
	}
}

// mergeProfiles makes one profile of several, without the paths of the machine that made them.
func mergeProfiles(file, pattern string) error {
	names, err := filepath.Glob(pattern)
	if err != nil {
		return err
	}
	var all []*profile.Profile
	for _, name := range names {
		f, err := os.Open(name)
		if err != nil {
			return err
		}
		p, err := profile.Parse(f)
		f.Close()
		if err != nil {
			return fmt.Errorf("%s: %w", name, err)
		}
		all = append(all, p)
	}
	merged, err := profile.Merge(all)
	if err != nil {
		return err
	}
	for _, m := range merged.Mapping {
		m.File, m.BuildID = "", ""
	}
	f, err := os.Create(file)
	if err != nil {
		return err
	}
	if err := merged.Write(f); err != nil {
		f.Close()
		return err
	}
	return f.Close()
}
