package main

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/spf13/cobra"
	"golang.org/x/sync/errgroup"

	"github.com/tollkeeper/tollkeeper/internal/app"
	"github.com/tollkeeper/tollkeeper/internal/clickhouse"
	"github.com/tollkeeper/tollkeeper/internal/config"
	"github.com/tollkeeper/tollkeeper/internal/usage"
)

// pastFlags choose the events that are in ClickHouse already instead of a recorded log.
type pastFlags struct {
	use          bool
	since, until string
}

func (p *pastFlags) add(cmd *cobra.Command) {
	cmd.Flags().BoolVar(&p.use, "from-clickhouse", false, "replay the events that are in ClickHouse already")
	cmd.Flags().StringVar(&p.since, "since", "", "with --from-clickhouse: from when, such as 2026-03-01, 2026-03-01T12:00:00Z or 30d (ago); all without")
	cmd.Flags().StringVar(&p.until, "until", "", "with --from-clickhouse: up to when")
}

// source checks that either a log is named or the past is asked for.
func (p *pastFlags) source(args []string) (string, error) {
	switch {
	case p.use && len(args) > 0:
		return "", fmt.Errorf("name either %s or --from-clickhouse", args[0])
	case p.use:
		return "ClickHouse", nil
	case p.since != "" || p.until != "":
		return "", errors.New("--since and --until go with --from-clickhouse")
	case len(args) == 0:
		return "", errors.New("what is to be replayed is missing: name a log file or a folder, or write --from-clickhouse")
	}
	return args[0], nil
}

// moment reads a time, a day, or how long ago.
func moment(flag, text string, now time.Time) (time.Time, error) {
	if text == "" {
		return time.Time{}, nil
	}
	for _, layout := range []string{time.RFC3339, "2006-01-02T15:04:05", "2006-01-02 15:04", time.DateOnly} {
		if t, err := time.Parse(layout, text); err == nil {
			return t.UTC(), nil
		}
	}
	if days, ok := strings.CutSuffix(text, "d"); ok {
		if n, err := strconv.Atoi(days); err == nil && n >= 0 {
			return now.AddDate(0, 0, -n), nil
		}
	}
	if d, err := time.ParseDuration(text); err == nil && d >= 0 {
		return now.Add(-d), nil
	}
	return time.Time{}, fmt.Errorf("--%s is %q: write 2026-03-01, 2026-03-01T12:00:00Z, 36h or 30d (ago)", flag, text)
}

// past reads the events of the data folder, or of the ClickHouse that is set, in order of time.
type past struct {
	app          *app.App
	since, until time.Time
	windows      []clickhouse.Window
}

// open opens the stores and looks what there is. The caller stops it.
func (p *pastFlags) open(cmd *cobra.Command, c config.Config) (*past, error) {
	now := time.Now().UTC()
	since, err := moment("since", p.since, now)
	if err != nil {
		return nil, err
	}
	until, err := moment("until", p.until, now)
	if err != nil {
		return nil, err
	}
	if !until.IsZero() && !since.Before(until) {
		return nil, fmt.Errorf("--since %s is not before --until %s", p.since, p.until)
	}
	if !cmd.Flags().Changed("log-level") {
		c.LogLevel = "warn"
	}
	a, err := app.OpenHistory(cmd.Context(), c, logger(cmd, c))
	if err != nil {
		if c.ClickHouse == "" && strings.Contains(err.Error(), "in use by another process") {
			return nil, fmt.Errorf("%w; stop the server for as long as this takes, or give both a ClickHouse of their own with --clickhouse", err)
		}
		return nil, err
	}
	h := &past{app: a, since: since, until: until}
	if h.windows, err = a.Events.HistoryWindows(cmd.Context(), since, until); err != nil {
		return nil, stopped(a, failed{err})
	}
	if len(h.windows) == 0 {
		return nil, stopped(a, app.ErrNoHistory)
	}
	return h, nil
}

const (
	pastLotRows   = 8192
	windowsAtOnce = 2 // one is read while ClickHouse sorts the next
	lotsOfAWindow = 4 // that wait to be taken
)

// read sends the records of all windows in order of time. What it holds at a time are some lots; ClickHouse sorts a window
// or two.
func (h *past) read(ctx context.Context, out chan<- *lot, spare <-chan *lot, progress func(done, total int64)) error {
	defer close(out)
	var total, done int64
	for _, w := range h.windows {
		total += w.Records
	}
	group, ctx := errgroup.WithContext(ctx)
	pages, free := make(chan chan *lot, windowsAtOnce), make(chan struct{}, windowsAtOnce)
	group.Go(func() error {
		defer close(pages)
		for _, w := range h.windows {
			select {
			case free <- struct{}{}:
			case <-ctx.Done():
				return ctx.Err()
			}
			page := make(chan *lot, lotsOfAWindow)
			pages <- page // has room, as there are no more of them than of free
			group.Go(func() error {
				defer func() { <-free }()
				defer close(page)
				return h.page(ctx, w, page, spare)
			})
		}
		return nil
	})
	group.Go(func() error {
		for page := range pages {
			for l := range page {
				done += int64(l.batch.Len())
				select {
				case out <- l:
				case <-ctx.Done():
					return ctx.Err()
				}
				progress(done, max(total, done))
			}
		}
		return ctx.Err()
	})
	return group.Wait()
}

func (h *past) page(ctx context.Context, w clickhouse.Window, page chan<- *lot, spare <-chan *lot) error {
	l := spareLot(spare)
	send := func() error {
		select {
		case page <- l:
			l = spareLot(spare)
			return nil
		case <-ctx.Done():
			return ctx.Err()
		}
	}
	if err := h.app.Events.History(ctx, w, func(r *usage.Record) error {
		if l.batch.Append(r); l.batch.Len() < pastLotRows {
			return nil
		}
		return send()
	}); err != nil {
		return err
	}
	if l.batch.Len() == 0 {
		return nil
	}
	return send()
}

// spareLot takes a lot that every engine has read, or makes one.
func spareLot(spare <-chan *lot) *lot {
	select {
	case l := <-spare:
		l.batch.Reset()
		return l
	default:
		return &lot{}
	}
}
