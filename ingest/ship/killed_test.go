package ship

import (
	"context"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"os"
	"os/exec"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kmsg"
	"go.uber.org/goleak"

	"github.com/tollkeeper/tollkeeper/ingest/accesslog"
)

// The test binary is also the process that is killed.
func TestMain(m *testing.M) {
	if addr := os.Getenv("TOLLKEEPER_TEST_SHIP"); addr != "" {
		s := shelf{addr: addr, file: os.Getenv("TOLLKEEPER_TEST_FILE"), format: "combined"}
		sh, err := New(Config{
			File: s.file, Brokers: []string{addr}, Topic: "logs", Source: "edge-1", Poll: time.Millisecond, BatchLines: 50,
			NewDecoder: func() (accesslog.Decoder, error) { return s.decoder(s.format) }, Logger: slog.New(slog.NewTextHandler(os.Stderr, nil)),
		})
		if err == nil {
			err = sh.Run(context.Background())
		}
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	goleak.VerifyTestMain(m)
}

// No repeat is left for the window of request ids to find: it would not, when nobody shipped for longer than it is wide.
func TestAKilledShipperWritesEveryLineOnce(t *testing.T) {
	s := newShelf(t, "combined")
	rng := rand.New(rand.NewPCG(1, 2))
	die := make(chan struct{}, 1)
	var left atomic.Int64 // produce requests until it is killed
	s.cluster.ControlKey(kmsg.Produce.Int16(), func(kmsg.Request) (kmsg.Response, error, bool) {
		s.cluster.KeepControl()
		if left.Add(-1) == 0 {
			die <- struct{}{}
		}
		return nil, nil, false
	})
	lines := 0
	for range 25 {
		more := combined(lines, lines+400)
		for i := range more {
			if (lines+i)%100 == 7 {
				more[i] = "broken, and like others"
			}
		}
		s.append(more...)
		lines += len(more)
		cmd := exec.Command(os.Args[0])
		cmd.Env = append(os.Environ(), "TOLLKEEPER_TEST_SHIP="+s.addr, "TOLLKEEPER_TEST_FILE="+s.file)
		cmd.Stderr = testWriter{t}
		cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
		left.Store(1 + rng.Int64N(6))
		s.must(cmd.Start())
		<-die
		time.Sleep(time.Duration(rng.Int64N(int64(3 * time.Millisecond))))
		s.must(cmd.Process.Kill())
		_ = cmd.Wait()
	}
	_, stop := s.run(s.config())
	s.waitNoted()
	stop()
	broken := lines / 100
	ids, rejected := s.identities()
	if len(ids) != lines-broken || distinct(ids) != len(ids) || rejected != broken {
		t.Errorf("%d records with %d identities and %d broken lines, want %d and %d", len(ids), distinct(ids), rejected, lines-broken, broken)
	}
}
