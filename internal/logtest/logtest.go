// Package logtest keeps what a program under test logs, while it is still logging.
package logtest

import (
	"bytes"
	"strings"
	"sync"
)

// Buffer is an io.Writer that may be written and read from several goroutines at once. The zero value is empty.
type Buffer struct {
	mu sync.Mutex
	b  bytes.Buffer
}

// Write implements io.Writer.
func (l *Buffer) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.Write(p)
}

// String returns all that was written up to now.
func (l *Buffer) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.String()
}

// Count returns how often text was written.
func (l *Buffer) Count(text string) int { return strings.Count(l.String(), text) }
