package ship

import (
	"fmt"
	"log/slog"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"
)

// rotations are the two ways of logrotate, with older files moving up.
var rotations = map[string]func(s *shelf){
	"renamed": func(s *shelf) {
		s.moveUp()
		s.must(os.Rename(s.file, s.file+".1"))
	},
	"copied and truncated": func(s *shelf) {
		s.moveUp()
		b, err := os.ReadFile(s.file)
		s.must(err)
		s.must(os.WriteFile(s.file+".1", b, 0o600))
		s.must(os.Truncate(s.file, 0))
	},
}

func (s *shelf) moveUp() {
	for j := 9; j > 0; j-- {
		os.Rename(fmt.Sprintf("%s.%d", s.file, j), fmt.Sprintf("%s.%d", s.file, j+1))
	}
}

func (s *shelf) must(err error) {
	s.t.Helper()
	if err != nil {
		s.t.Fatal(err)
	}
}

// waitNoted waits until the log is shipped to its end and that is noted.
func (s *shelf) waitNoted() {
	s.t.Helper()
	info, err := os.Stat(s.file)
	s.must(err)
	want := fmt.Sprintf(`"offset":%d,`, info.Size())
	for deadline := time.Now().Add(10 * time.Second); ; time.Sleep(5 * time.Millisecond) {
		noted, err := os.ReadFile(s.file + ".tollkeeper")
		if err == nil && strings.Contains(string(noted), want) {
			return
		}
		if time.Now().After(deadline) {
			s.t.Fatalf("noted is %s, %v; want %s", noted, err, want)
		}
	}
}

func TestLogsThatWereRotatedTwiceWhileNobodyShippedAreShipped(t *testing.T) {
	for name, rotate := range rotations {
		t.Run(name, func(t *testing.T) {
			s := newShelf(t, "combined")
			old := s.file + "-20200101"
			s.must(os.WriteFile(old, []byte(combined(9000, 9001)[0]+"\n"), 0o600))
			s.must(os.Chtimes(old, time.Time{}, time.Now().Add(-time.Hour)))
			s.append(combined(0, 50)...)
			_, stop := s.run(s.config())
			s.waitNoted()
			stop()
			total := 50
			for range 3 {
				s.append(combined(total, total+20)...)
				total += 20
				rotate(s)
			}
			s.append(combined(total, total+10)...)
			total += 10
			for range 2 { // the second run finds nothing more
				_, stop = s.run(s.config())
				s.waitShipped(total)
				time.Sleep(400 * time.Millisecond) // past Drain
				stop()
			}
			if ids, rejected := s.identities(); len(ids) != total || distinct(ids) != total || rejected != 0 {
				t.Errorf("%d records, %d identities, %d rejected, want %d once each", len(ids), distinct(ids), rejected, total)
			}
		})
	}
}

func TestALogThatIsCopiedAndTruncatedBeforeItsFirstLineIsReadIsShipped(t *testing.T) {
	s := newShelf(t, "combined")
	cfg := s.config()
	cfg.StateFile = s.file + ".tollkeeper"
	cfg.Now = time.Now
	tl, err := openTail(&cfg, slog.New(slog.DiscardHandler), prometheus.NewCounter(prometheus.CounterOpts{Name: "x"}))
	s.must(err)
	defer func() { tl.close() }()
	lines := 0
	read := func() {
		t.Helper()
		n, err := tl.read(1000, func([]byte, string, int64) {})
		s.must(err)
		lines += n
		s.must(tl.note())
	}
	s.append(combined(0, 5)...)
	read()
	for round := range 3 {
		rotations["copied and truncated"](s)
		read() // the new file is open, and empty
		s.append(combined(10*round+10, 10*round+18)...)
		rotations["copied and truncated"](s)
		s.append(combined(10*round+18, 10*round+20)...)
		read()
		read()
	}
	if lines != 35 {
		t.Errorf("%d lines are read, want 35", lines)
	}
}
