package app

import (
	"context"
	"time"
)

// rests is how many times as long as it took to find an answer it is given again.
const rests = 19

// rested answers what is asked all the time, by every open dashboard, and is the dearer to find the more there is: of a million keys, or
// of all events. However many ask, at most a twentieth of the time goes into it. What is cheap to find is always fresh.
type rested[T any] struct {
	now    func() time.Time
	turn   chan struct{} // has room while nobody looks
	answer T
	stale  time.Time
}

func newRested[T any](now func() time.Time) *rested[T] {
	return &rested[T]{now: now, turn: make(chan struct{}, 1)}
}

// get returns the answer that is kept, or what find returns now. While one finds, others wait for it, until ctx ends. Errors are not kept.
func (r *rested[T]) get(ctx context.Context, find func(context.Context) (T, error)) (T, error) {
	select {
	case r.turn <- struct{}{}:
		defer func() { <-r.turn }()
	case <-ctx.Done():
		var none T
		return none, ctx.Err()
	}
	start := r.now()
	if start.Before(r.stale) {
		return r.answer, nil
	}
	answer, err := find(ctx)
	if err != nil {
		return answer, err
	}
	end := r.now()
	r.answer, r.stale = answer, end.Add(rests*end.Sub(start))
	return answer, nil
}
