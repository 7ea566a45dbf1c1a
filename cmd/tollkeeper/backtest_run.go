package main

import (
	"bytes"
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/tollkeeper/tollkeeper/detect"
	"github.com/tollkeeper/tollkeeper/detect/replay"
	"github.com/tollkeeper/tollkeeper/ingest"
	"github.com/tollkeeper/tollkeeper/ingest/accesslog"
	"github.com/tollkeeper/tollkeeper/ingest/enrich"
	"github.com/tollkeeper/tollkeeper/internal/usage"
)

// The replay is a pipe of three: unpack and cut at line ends, decode and enrich, detect. Two cores are kept busy by it.
const (
	chunkBytes = 1 << 20
	pipeDepth  = 3
)

type chunk struct{ lines []byte }

// lot is a decoded chunk. It goes back to the decoder when every engine has read it.
type lot struct{ batch usage.Batch }

// judge is the detection under one set of policies.
type judge struct {
	engines   []*detect.Engine
	decisions []detect.Decision
}

func (b *backtest) newJudge(p *detect.Policies) (*judge, error) {
	j := &judge{engines: make([]*detect.Engine, b.shards)}
	for i := range j.engines {
		var err error
		if j.engines[i], err = detect.New(detect.Config{Policies: p, Attributes: b.attributes}); err != nil {
			return nil, err
		}
	}
	return j, nil
}

func (b *backtest) run(ctx context.Context, progress func(done, total int64)) error {
	began := time.Now()
	defer func() { b.took = time.Since(began) }()
	main, err := b.newJudge(b.policies)
	if err != nil {
		return err
	}
	judges := []*judge{main}
	if b.present != nil {
		other, err := b.newJudge(b.present)
		if err != nil {
			return err
		}
		judges = append(judges, other)
	}
	group, ctx := errgroup.WithContext(ctx)
	lots, spare := make(chan *lot, pipeDepth), make(chan *lot, pipeDepth+2)
	if b.past != nil {
		group.Go(func() error { return b.past.read(ctx, lots, spare, progress) })
	} else if err := b.readFile(ctx, group, lots, spare, progress); err != nil {
		return err
	}
	group.Go(func() error { return b.detect(ctx, judges, lots, spare) })
	if err := group.Wait(); err != nil {
		return err
	}
	if err := b.empty(); err != nil {
		return err
	}
	b.finish(judges)
	return nil
}

// empty is the error of a log in which there is nothing to judge: a result of it would look like a clean bill of health.
func (b *backtest) empty() error {
	switch {
	case b.records > 0 || b.past != nil:
		return nil
	case b.badLines == 0:
		return fmt.Errorf("%s holds no log lines", b.events)
	case b.format == "auto":
		return fmt.Errorf("none of the %d lines of %s could be read: %s; 'tollkeeper formats' lists what --format may be", b.lines, b.events, b.firstBad)
	}
	return fmt.Errorf("none of the %d lines of %s could be read as %s: %s; 'tollkeeper formats' lists what --format may be", b.lines, b.events, b.format, b.firstBad)
}

// readFile starts the two stages that make lots of a log.
func (b *backtest) readFile(ctx context.Context, group *errgroup.Group, lots chan<- *lot, spare <-chan *lot, progress func(done, total int64)) error {
	decoder, enricher, err := b.decoder()
	if err != nil {
		return err
	}
	var read atomic.Int64
	log, err := ingest.OpenLog(b.events, &read)
	if err != nil {
		return fmt.Errorf("%s: %w", b.events, err)
	}
	chunks := make(chan chunk, pipeDepth)
	group.Go(func() error {
		defer func() { _ = log.Close() }()
		defer close(chunks)
		return b.cut(ctx, log, chunks)
	})
	group.Go(func() error {
		defer close(lots)
		for c := range chunks {
			l := b.decode(decoder, enricher, c.lines, spare)
			select {
			case lots <- l:
			case <-ctx.Done():
				return ctx.Err()
			}
			progress(read.Load(), max(b.size, read.Load())) // the size of a pipe is not known
		}
		return nil
	})
	return nil
}

func (b *backtest) decoder() (accesslog.Decoder, *enrich.Enricher, error) {
	keys, err := accesslog.NewHMACResolver([]byte("tollkeeper backtest"))
	if err != nil {
		return nil, nil, err
	}
	o := accesslog.Options{Keys: listed{keys, b.keys}, TrustedHops: b.hops}
	if b.mapping != "" {
		if o.Mapping, err = accesslog.LoadMapping(b.mapping); err != nil {
			return nil, nil, err
		}
	}
	d, err := accesslog.New(b.format, o)
	if err != nil {
		return nil, nil, err
	}
	e, err := enrich.New(enrich.Config{CountryFiles: b.countries, ASNFiles: b.networks})
	return d, e, err
}

// listed is a key store of the ids in keys.json: what stands there is an id, even where it looks like a secret.
type listed struct {
	accesslog.KeyResolver
	ids map[string]detect.KeyAttributes
}

func (l listed) Resolve(plaintext []byte) (keyID string, known bool) {
	if _, ok := l.ids[string(plaintext)]; ok {
		return string(plaintext), true
	}
	return l.KeyResolver.Resolve(plaintext)
}

// cut cuts the log into pieces that end at a line's end.
func (b *backtest) cut(ctx context.Context, r io.Reader, out chan<- chunk) error {
	var rest []byte
	for {
		buf := make([]byte, len(rest)+chunkBytes)
		n := copy(buf, rest)
		m, err := io.ReadFull(r, buf[n:])
		buf = buf[:n+m]
		last := errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF)
		if err != nil && !last {
			return fmt.Errorf("%s: %w", b.events, err)
		}
		end := bytes.LastIndexByte(buf, '\n') + 1
		if last {
			end = len(buf)
		}
		if end == 0 && len(buf) > usage.MaxLineBytes+chunkBytes {
			end = len(buf) // a line without end: the decoder refuses the piece
		}
		rest = buf[end:]
		if end > 0 {
			select {
			case out <- chunk{buf[:end]}:
			case <-ctx.Done():
				return ctx.Err()
			}
		}
		if last {
			return nil
		}
	}
}

func (b *backtest) decode(d accesslog.Decoder, e *enrich.Enricher, lines []byte, spare <-chan *lot) *lot {
	l := spareLot(spare)
	for len(lines) > 0 {
		line := lines
		if i := bytes.IndexByte(lines, '\n'); i >= 0 {
			line, lines = lines[:i], lines[i+1:]
		} else {
			lines = nil
		}
		if b.lines++; len(line) == 0 {
			continue
		}
		if err := d.Decode(line, accesslog.Origin{}, &l.batch); err != nil {
			b.refused(err)
		}
	}
	e.Fill(&l.batch, 0)
	if b.shorten { // after the lookup, as live
		l.batch.ShortenIPs(0)
	}
	b.markUnknown(&l.batch)
	return l
}

// refused notes why a line could not be read.
func (b *backtest) refused(err error) {
	reason := err.Error()
	if r, ok := errors.AsType[*accesslog.Reject](err); ok {
		reason = r.Reason
	}
	if b.badLines == 0 {
		b.badReasons, b.firstBad = map[string]int64{}, fmt.Sprintf("line %d: %v", b.lines, err)
	}
	b.badLines++
	b.badReasons[reason]++
}

// markUnknown says which keys there are: those of keys.json, as a key store would; without that file every key of the log.
func (b *backtest) markUnknown(batch *usage.Batch) {
	unknown := make([]bool, len(batch.KeyID.Values))
	if b.keys != nil {
		for i, id := range batch.KeyID.Values {
			_, listed := b.keys[id]
			unknown[i] = !listed
		}
	}
	for i, f := range batch.Flags {
		switch {
		case f&usage.FlagNoKey != 0:
		case unknown[batch.KeyID.Index[i]]:
			batch.Flags[i] |= usage.FlagUnknownKey
		default:
			batch.Flags[i] &^= usage.FlagUnknownKey
		}
	}
}

// detect feeds the engines; several have a goroutine each, with their own share of the keys.
func (b *backtest) detect(ctx context.Context, judges []*judge, lots <-chan *lot, spare chan<- *lot) error {
	b.traffic.Times = map[string][]int64{}
	b.hours, b.profiles = replay.NewHours(), map[string]detect.Profile{}
	seen := map[string]bool{}
	var wg sync.WaitGroup
	for l := range lots {
		if canceled(ctx) {
			return ctx.Err()
		}
		b.survey(&l.batch, seen)
		for _, j := range judges {
			for n, e := range j.engines {
				if len(judges) == 1 && len(j.engines) == 1 {
					e.Observe(&l.batch, 0, l.batch.Len())
					continue
				}
				wg.Go(func() { observeShare(e, &l.batch, n, len(j.engines)) })
			}
		}
		wg.Wait()
		b.collect(judges)
		for _, j := range judges {
			j.gossip()
		}
		select {
		case spare <- l:
		default:
		}
	}
	b.traffic.Keys = len(seen)
	if b.keys != nil {
		b.strangers = true
		for id := range b.keys {
			if seen[id] {
				b.strangers = false
				break
			}
		}
		b.traffic.Keys = len(b.keys)
	}
	return nil
}

// gossip tells every engine what the others found, as it is where they are a topic's partitions.
func (j *judge) gossip() {
	if len(j.engines) == 1 {
		return
	}
	for _, e := range j.engines {
		if found := e.Blames(); len(found) > 0 {
			for _, other := range j.engines {
				if other != e {
					other.Heed(found)
				}
			}
		}
	}
}

// collect takes what the engines have decided since it was called last.
func (b *backtest) collect(judges []*judge) {
	for n, j := range judges {
		for _, e := range j.engines {
			made := e.Drain()
			if j.decisions = append(j.decisions, made...); n == 0 && b.html {
				b.remember(e, made)
			}
		}
	}
}

// remember keeps for the plots what was expected of a key when something was found about it.
func (b *backtest) remember(e *detect.Engine, made []detect.Decision) {
	for i := range made {
		d := &made[i]
		if _, ok := b.profiles[d.EpisodeID]; ok || len(b.profiles) >= replay.MaxPlots {
			continue
		}
		if p, ok := e.Profile(d.KeyID); ok {
			b.profiles[d.EpisodeID] = p
		}
	}
}

func observeShare(e *detect.Engine, b *usage.Batch, n, of int) {
	if of == 1 {
		e.Observe(b, 0, b.Len())
		return
	}
	for i := range b.Len() {
		if shard(b.KeyID.At(i))%of == n {
			e.Observe(b, i, i+1)
		}
	}
}

// shard is FNV-1a, so that a key stays with its engine from run to run.
func shard(key string) int {
	h := uint32(2166136261)
	for i := range len(key) {
		h = (h ^ uint32(key[i])) * 16777619
	}
	return int(h >> 1)
}

// survey keeps what the score and the plots need.
func (b *backtest) survey(batch *usage.Batch, seen map[string]bool) {
	for i := range batch.Len() {
		t, key := batch.TimeMillis[i], batch.KeyID.At(i)
		if b.traffic.First == 0 || t < b.traffic.First {
			b.traffic.First = t
		}
		b.traffic.Last = max(b.traffic.Last, t)
		if b.wanted[key] {
			b.traffic.Times[key] = append(b.traffic.Times[key], t)
		}
		if b.html {
			b.hours.Add(key, t)
		}
	}
	for _, key := range batch.KeyID.Values {
		if !seen[key] && key != "" {
			seen[key] = true
		}
	}
	b.records += int64(batch.Len())
}

func (b *backtest) finish(judges []*judge) {
	for _, j := range judges {
		for _, e := range j.engines {
			e.Advance(b.traffic.Last + 2000)
		}
	}
	b.collect(judges)
	for _, j := range judges {
		slices.SortStableFunc(j.decisions, func(x, y detect.Decision) int { return cmp.Compare(x.TimeMillis, y.TimeMillis) })
	}
	b.decisions = judges[0].decisions
	if len(judges) > 1 {
		b.presently = judges[1].decisions
	}
	for _, times := range b.traffic.Times {
		slices.Sort(times)
	}
}
