package feed_test

import (
	"sync"
	"testing"

	"pgregory.net/rapid"

	"github.com/tollkeeper/tollkeeper/internal/sqlstore/feed"
)

func TestEventsComeInOrderUntilAResyncSaysThatSomeWereDropped(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		var hub feed.Hub[int]
		buffer := rapid.IntRange(2, 5).Draw(t, "buffer")
		sub := hub.Subscribe(buffer)
		defer sub.Close()
		published, seen := 0, 0
		drain := func(n int) {
			for range n {
				select {
				case e := <-sub.C():
					switch {
					case e.Resync: // what is read from the store now holds everything published so far
						seen = -1
					case seen >= 0 && e.Value != seen+1:
						t.Fatalf("after %d came %d without a resync", seen, e.Value)
					default:
						seen = e.Value
					}
				default:
					return
				}
			}
		}
		for range rapid.IntRange(0, 40).Draw(t, "steps") {
			if rapid.Bool().Draw(t, "publish") {
				published++
				hub.Publish(published)
			} else {
				drain(rapid.IntRange(1, 3).Draw(t, "n"))
			}
		}
		drain(buffer)
		if seen != published && seen != -1 {
			t.Fatalf("%d were published, the last seen is %d and no resync came", published, seen)
		}
	})
}

func TestASlowSubscriberNeverBlocksThePublisherOrOthers(t *testing.T) {
	var hub feed.Hub[int]
	slow, quick := hub.Subscribe(2), hub.Subscribe(2000)
	for i := range 1000 {
		hub.Publish(i)
	}
	for i := range 1000 {
		if e := <-quick.C(); e.Resync || e.Value != i {
			t.Fatalf("the quick one got %+v, want %d", e, i)
		}
	}
	if e := <-slow.C(); !e.Resync {
		t.Errorf("the slow one got %+v first", e)
	}
	if hub.Dropped() == 0 {
		t.Error("nothing was counted as dropped")
	}
	slow.Close()
	slow.Close()
	quick.Close()
	hub.Publish(1)
	if _, open := <-quick.C(); open {
		t.Error("the closed one got an event")
	}
}

func TestSubscribersMayComeAndGoWhileEventsArePublished(t *testing.T) {
	var hub feed.Hub[int]
	var running sync.WaitGroup
	for range 4 {
		running.Go(func() {
			for i := range 500 {
				hub.Publish(i)
			}
		})
		running.Go(func() {
			for range 100 {
				s := hub.Subscribe(2)
				<-s.C()
				s.Close()
				hub.Publish(0) // so that another one that waits is not left alone at the end
			}
		})
	}
	stop := make(chan struct{})
	go func() { running.Wait(); close(stop) }()
	for {
		select {
		case <-stop:
			return
		default:
			hub.Publish(0)
		}
	}
}
