// Package feed hands changes from the one who makes them to those who watch, in one process.
//
// Contract. [Hub.Publish] never blocks. Each subscriber has a bounded queue; when it is full, everything in it is dropped
// and replaced by one event with Resync set, which tells the subscriber to read the present state from the store before it
// goes on. Nothing else is ever lost or reordered. Publish only what has been committed.
package feed

import "sync"

// Event is one change, or, with Resync, the news that changes were dropped.
type Event[T any] struct {
	Value  T
	Resync bool
}

// Hub is the publisher. The zero value is ready. It is safe for concurrent use.
type Hub[T any] struct {
	mu      sync.Mutex
	subs    map[*Subscription[T]]struct{}
	dropped int64
}

// Subscription is one subscriber's queue.
type Subscription[T any] struct {
	hub    *Hub[T]
	events chan Event[T]
	once   sync.Once
}

// Subscribe adds a subscriber whose queue holds buffer events, at least 2.
func (h *Hub[T]) Subscribe(buffer int) *Subscription[T] {
	s := &Subscription[T]{hub: h, events: make(chan Event[T], max(buffer, 2))}
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.subs == nil {
		h.subs = make(map[*Subscription[T]]struct{})
	}
	h.subs[s] = struct{}{}
	return s
}

// Publish queues values, in order, for every subscriber.
func (h *Hub[T]) Publish(values ...T) {
	h.mu.Lock()
	defer h.mu.Unlock()
	for s := range h.subs {
		for _, v := range values {
			select {
			case s.events <- Event[T]{Value: v}:
			default:
				h.dropped += int64(s.overflow()) + 1
			}
		}
	}
}

// overflow replaces the queue by one Resync. Only the hub sends, under its lock, so the room it makes stays.
func (s *Subscription[T]) overflow() (dropped int) {
	for {
		select {
		case <-s.events:
			dropped++
		default:
			s.events <- Event[T]{Resync: true}
			return dropped
		}
	}
}

// Resync tells every subscriber to read the state anew.
func (h *Hub[T]) Resync() {
	h.mu.Lock()
	defer h.mu.Unlock()
	for s := range h.subs {
		h.dropped += int64(s.overflow())
	}
}

// Dropped returns how many events slow subscribers have lost since the start.
func (h *Hub[T]) Dropped() int64 {
	h.mu.Lock()
	defer h.mu.Unlock()
	return h.dropped
}

// C is where the events come from; it is closed by [Subscription.Close].
func (s *Subscription[T]) C() <-chan Event[T] { return s.events }

// Close ends the subscription. It may be called more than once.
func (s *Subscription[T]) Close() {
	s.once.Do(func() {
		s.hub.mu.Lock()
		defer s.hub.mu.Unlock()
		delete(s.hub.subs, s)
		close(s.events)
	})
}
