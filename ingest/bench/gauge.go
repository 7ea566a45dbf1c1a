package main

import (
	"bytes"
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"runtime/pprof"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"time"
)

// gauge reads the process's own cost, and those of the engine and the broker.
type gauge struct {
	enginePID, brokerPID int // 0 for none
	mu                   sync.Mutex
	wall                 time.Time
	cpu, engine, broker  time.Duration
	allocs               uint64
	rows                 int64 // that were done when it started
}

func startGauge(enginePID, brokerPID int) *gauge {
	runtime.GC()
	m := &gauge{enginePID: enginePID, brokerPID: brokerPID}
	m.restart(0)
	return m
}

// restart begins anew, when so many rows are done: what a start costs (columns that grow, caches that are empty) is over.
func (m *gauge) restart(rows int64) {
	m.mu.Lock()
	defer m.mu.Unlock()
	var ms runtime.MemStats
	runtime.ReadMemStats(&ms)
	m.wall, m.cpu, m.engine, m.broker, m.allocs, m.rows = time.Now(), cpuTime(), processCPU(m.enginePID), processCPU(m.brokerPID), ms.Mallocs, rows
}

func (m *gauge) stop(rows int64) result {
	m.mu.Lock()
	defer m.mu.Unlock()
	wall, cpu, engine, broker := time.Since(m.wall), cpuTime()-m.cpu, processCPU(m.enginePID)-m.engine, processCPU(m.brokerPID)-m.broker
	var ms runtime.MemStats
	runtime.ReadMemStats(&ms)
	rows -= m.rows
	return result{Rows: rows, Wall: wall, CPU: cpu, EngineCPU: engine, BrokerCPU: broker, Allocs: float64(ms.Mallocs-m.allocs) / float64(rows), PeakMiB: peakMiB()}
}

func cpuTime() time.Duration {
	var u syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &u); err != nil {
		return 0
	}
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}

// processCPU is what another process has used so far, to a hundredth of a second.
func processCPU(pid int) time.Duration {
	const tick = time.Second / 100
	if pid == 0 {
		return 0
	}
	stat, _ := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	// Behind the name, which may hold anything, in brackets: state is field 3, the times are 14 and 15.
	fields := strings.Fields(string(stat[bytes.LastIndexByte(stat, ')')+1:]))
	if len(fields) < 13 {
		return 0
	}
	user, _ := strconv.ParseInt(fields[11], 10, 64)
	system, _ := strconv.ParseInt(fields[12], 10, 64)
	return time.Duration(user+system) * tick
}

func peakMiB() float64 {
	b, _ := os.ReadFile("/proc/self/status")
	for l := range strings.Lines(string(b)) {
		if v, ok := strings.CutPrefix(l, "VmHWM:"); ok {
			kb, _ := strconv.ParseFloat(strings.Fields(v)[0], 64)
			return kb / 1024
		}
	}
	return 0
}

func startProfile(file string) (func(), error) {
	if file == "" {
		return func() {}, nil
	}
	if err := os.MkdirAll(filepath.Dir(file), 0o755); err != nil {
		return nil, err
	}
	f, err := os.Create(file)
	if err != nil {
		return nil, err
	}
	if err := pprof.StartCPUProfile(f); err != nil {
		return nil, err
	}
	return sync.OnceFunc(func() {
		pprof.StopCPUProfile()
		f.Close()
		if a, err := os.Create(strings.TrimSuffix(file, ".prof") + "-allocs.prof"); err == nil {
			runtime.GC() // the profile is that of the last collection
			pprof.Lookup("allocs").WriteTo(a, 0)
			a.Close()
		}
	}), nil
}
