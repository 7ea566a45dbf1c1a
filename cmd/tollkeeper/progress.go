package main

import (
	"io"
	"os"
	"time"

	"github.com/schollz/progressbar/v3"
	"golang.org/x/term"
)

// bar shows how far long work has come, on a terminal only.
type bar struct{ p *progressbar.ProgressBar }

func progress(w io.Writer, what string) *bar {
	return newBar(w, what, progressbar.OptionShowBytes(true))
}

// counting is progress of things instead of bytes.
func counting(w io.Writer, what string) *bar { return newBar(w, what, progressbar.OptionShowCount()) }

func newBar(w io.Writer, what string, unit progressbar.Option) *bar {
	f, ok := w.(*os.File)
	if !ok || !term.IsTerminal(int(f.Fd())) {
		return &bar{}
	}
	return &bar{progressbar.NewOptions64(0, progressbar.OptionSetWriter(w), progressbar.OptionSetDescription(what),
		unit, progressbar.OptionThrottle(100*time.Millisecond), progressbar.OptionClearOnFinish())}
}

func (b *bar) set(done, total int64) {
	if b.p != nil {
		b.p.ChangeMax64(total)
		_ = b.p.Set64(done) // a terminal that is gone is no reason to stop
	}
}

func (b *bar) end() {
	if b.p != nil {
		_ = b.p.Finish()
	}
}
