package main

import (
	"bufio"
	"fmt"
	"math/rand/v2"
	"os"
	"runtime"
	"runtime/metrics"
	"runtime/pprof"
	"strconv"
	"strings"
	"syscall"
	"time"

	"golang.org/x/sys/unix"

	"github.com/tollkeeper/tollkeeper/detect"
	"github.com/tollkeeper/tollkeeper/internal/usage"
)

const (
	batchSize    = 8192
	startMillis  = 1_772_409_600_000 // a Monday
	minuteMillis = 60_000
	hourMillis   = 60 * minuteMillis
	dayMillis    = 24 * hourMillis
	perHour      = 15 // requests of a key in an active hour, then and now
	warmGroup    = 1000
	awakeCalls   = 5 // of a key in the mean, after which all are taken to be awake: one in 150 is not
)

// days of the history on which a key was active, for half an hour; the measured traffic comes on day eight, when every key
// is old enough to be judged.
var activeDays = []int64{0, 1, 3, 5, 6, 7}

// timing is what a record took.
type timing struct {
	EngineNs float64 `json:"ns"`     // processor time of Observe and Drain
	MapNs    float64 `json:"map_ns"` // processor time of one map[string]*counter update, same records
	GCShare  float64 `json:"gc_cpu_share"`
}

// sized is the result for one number of keys.
type sized struct {
	Keys         int     `json:"keys"`
	Uniform      timing  `json:"uniform"`
	Zipf         timing  `json:"zipf"`
	UniformAwake timing  `json:"uniform_awake"`
	ZipfAwake    timing  `json:"zipf_awake"`
	BytesPerKey  float64 `json:"bytes_per_key"`
	RSSMiB       float64 `json:"rss_mib"` // after the first traffic
	PeakMiB      float64 `json:"peak_rss_mib"`
	GCMillis     float64 `json:"full_gc_cpu_ms"`
	WarmNs       float64 `json:"warm_up_ns"`
	RoundNs      float64 `json:"round_ns"` // of one key, once an hour
	Decisions    int     `json:"decisions"`
}

// threadTime is the processor time of this thread. Background collection runs on others and is reported beside it.
func threadTime() time.Duration {
	var ts unix.Timespec
	if err := unix.ClockGettime(unix.CLOCK_THREAD_CPUTIME_ID, &ts); err != nil {
		panic(err)
	}
	return time.Duration(ts.Nano())
}

func processTime() time.Duration {
	var u syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &u); err != nil {
		panic(err)
	}
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}

func metric(name string) float64 {
	s := []metrics.Sample{{Name: name}}
	metrics.Read(s)
	if s[0].Value.Kind() == metrics.KindUint64 {
		return float64(s[0].Value.Uint64())
	}
	return s[0].Value.Float64()
}

// statusMiB reads a memory figure of this process.
func statusMiB(field string) (float64, error) {
	f, err := os.Open("/proc/self/status")
	if err != nil {
		return 0, err
	}
	defer f.Close()
	for s := bufio.NewScanner(f); s.Scan(); {
		if rest, ok := strings.CutPrefix(s.Text(), field+":"); ok {
			kib, err := strconv.ParseFloat(strings.Fields(rest)[0], 64)
			return kib / 1024, err
		}
	}
	return 0, fmt.Errorf("%s is not in /proc/self/status", field)
}

// held is the memory that the engine keeps: live heap, and what it holds outside of it.
func held(e *detect.Engine) float64 {
	runtime.GC()
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return float64(m.HeapAlloc) + float64(e.Stats().Mapped)
}

// warmUp gives each of the keys in c its history, in order of time within groups of keys, as a warm start does.
func warmUp(e *detect.Engine, c *crowd, perDay int) (records int, spent time.Duration) {
	var b usage.Batch
	flush := func() {
		at := threadTime()
		e.WarmUp(&b, 0, b.Len())
		spent += threadTime() - at
		records += b.Len()
		b.Reset()
	}
	for first := 0; first < c.keys; first += warmGroup {
		n := min(warmGroup, c.keys-first)
		for _, day := range activeDays {
			start := startMillis + day*dayMillis + 9*hourMillis
			for i := range n * perDay {
				c.append(&b, first+i%n, start+int64(i)*hourMillis*int64(perDay)/perHour/int64(n*perDay))
				if b.Len() == batchSize {
					flush()
				}
			}
		}
		flush()
	}
	return records, spent
}

// counter is what the plain map of the comparison holds.
type counter struct{ n, last int64 }

// observe measures the records of one kind of traffic. The map is updated with the same batches, before the engine in one
// and after it in the next, so that neither always finds the batch in the cache.
func observe(e *detect.Engine, c *crowd, records int, millis *int64, profile string) (t timing, decisions int, err error) {
	plain := make(map[string]*counter, c.keys)
	for i := range c.keys {
		plain[c.id(i)] = &counter{}
	}
	runtime.GC()
	if profile != "" {
		f, err := os.Create(profile)
		if err != nil {
			return t, 0, err
		}
		defer f.Close()
		if err := pprof.StartCPUProfile(f); err != nil {
			return t, 0, err
		}
		defer pprof.StopCPUProfile()
	}
	var engine, update time.Duration
	gc, all := metric("/cpu/classes/gc/total:cpu-seconds"), processTime()
	first := 0
	c.traffic(records, millis, func(b *usage.Batch) {
		parts := []func(){
			func() {
				at := threadTime()
				e.Observe(b, 0, b.Len())
				decisions += len(e.Drain())
				engine += threadTime() - at
			},
			func() {
				at := threadTime()
				for i := range b.Len() {
					n := plain[b.KeyID.At(i)]
					n.n++
					n.last = b.TimeMillis[i]
				}
				update += threadTime() - at
			},
		}
		parts[first]()
		parts[1-first]()
		first = 1 - first
	})
	t.EngineNs, t.MapNs = float64(engine)/float64(records), float64(update)/float64(records)
	t.GCShare = (metric("/cpu/classes/gc/total:cpu-seconds") - gc) / (processTime() - all).Seconds()
	return t, decisions, nil
}

// night lets time pass from the last of the history to the morning, minute by minute, and returns the processor time of an hourly round over all keys in the mean, in
// nanoseconds.
func night(e *detect.Engine, morning int64) float64 {
	at, rounds := threadTime(), int64(0)
	for t := int64(startMillis + activeDays[len(activeDays)-1]*dayMillis + 10*hourMillis); t <= morning; t += minuteMillis {
		e.Advance(t)
		if t%hourMillis == minuteMillis { // a round is over
			rounds++
		}
	}
	return float64(threadTime()-at) / float64(rounds)
}

// measure runs one number of keys in this process.
func measure(keys, records int, profile string) (sized, error) {
	runtime.LockOSThread()
	s := sized{Keys: keys}
	e, err := detect.New(detect.Config{})
	if err != nil {
		return s, err
	}
	c := newCrowd("key_", keys, rand.Uint64()|1)
	before := held(e)
	n, spent := warmUp(e, c, 7)
	s.WarmNs = float64(spent) / float64(n)
	millis := int64(startMillis + 8*dayMillis + 9*hourMillis)
	s.RoundNs = night(e, millis) / float64(keys)
	s.BytesPerKey = (held(e) - before) / float64(keys)
	gc := metric("/cpu/classes/gc/total:cpu-seconds")
	runtime.GC()
	s.GCMillis = 1000 * (metric("/cpu/classes/gc/total:cpu-seconds") - gc)
	if s.Uniform, s.Decisions, err = observe(e, c, records, &millis, profile); err != nil {
		return s, err
	}
	if s.RSSMiB, err = statusMiB("VmRSS"); err != nil {
		return s, err
	}
	awake := max(records, perHour*keys)
	for _, next := range []struct {
		to      *timing
		records int
		before  func()
	}{
		{&s.Zipf, records, c.skewed},
		{&s.UniformAwake, awake, func() {
			c.even()
			c.traffic(awakeCalls*keys-records, &millis, func(b *usage.Batch) { e.Observe(b, 0, b.Len()) })
		}},
		{&s.ZipfAwake, awake, c.skewed},
	} {
		next.before()
		var more int
		if *next.to, more, err = observe(e, c, next.records, &millis, ""); err != nil {
			return s, err
		}
		s.Decisions += more
	}
	s.PeakMiB, err = statusMiB("VmHWM")
	runtime.KeepAlive(e)
	return s, err
}
