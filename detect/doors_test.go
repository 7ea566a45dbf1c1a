package detect

import (
	"fmt"
	"testing"
)

func TestWhoTriesSeveralDoorsInADayTriesDoors(t *testing.T) {
	var d doors
	at := int64(20_000 * 24 * hourMillis)
	for n := 1; n <= 600; n++ {
		d.try(at, uint32(n))
		if got, want := d.tries(at), n >= 4; got != want {
			t.Fatalf("after %d routes that hardly any key uses: %v, want %v", n, got, want)
		}
	}
	if d.tries(at + (doorsHours+1)*hourMillis) {
		t.Error("a day later it is trying still")
	}
	d.try(at+(doorsHours+1)*hourMillis, 601)
	if d.tries(at + (doorsHours+1)*hourMillis) {
		t.Error("one route a day later goes on from where it was")
	}
}

// knocks adds calls of the customer's own program on its own machine, ten seconds apart, for what nobody is ever answered on, among its usual ones. Two keys before it knocked on the same.
func (s *story) knocks(keys []int, doors, times int, status uint16) *story {
	for _, key := range keys {
		at := s.c.millis
		for i := range doors * times {
			r := s.c.record(&s.c.keys[key])
			r.TimeMillis, r.Method, r.Status = at+int64(i)*10e3, "GET", status
			r.Route = fmt.Sprintf("/v1/door%d", i%doors)
			r.Path = []byte(r.Route)
			s.rows = append(s.rows, r)
		}
		s.c.millis = at + testDay
	}
	return s
}

// A hole in the customer's web page makes its server call for a stranger. The refusals are few beside what the server does all day, and others tried the same doors before, so that they are in no key's
// use and not unheard of either. A feature that is rolled out comes with as many new routes, which answer.
func TestDoorsThatNobodyIsEverAnsweredOnAreTriedOnTheCustomersOwnMachine(t *testing.T) {
	for _, c := range []struct {
		why          string
		doors, times int
		status       uint16
		want         Action
	}{
		{"a dozen doors, all refused", 12, 3, 404, ActionSuspend},
		{"a dozen new routes that answer", 12, 3, 200, ActionObserve},
		{"one call that is gone", 1, 12, 404, ActionObserve},
	} {
		s := newStory(83, 30)
		for i := range int64(3 * 24 * 20) { // so that its latest calls are all ordinary ones
			r := s.c.record(&s.c.keys[4])
			r.TimeMillis = s.c.millis - 3*testDay + i*hourMillis/20
			s.rows = append(s.rows, r)
		}
		for i := range int64(2 * judgeEvery) { // it goes on with its work
			r := s.c.record(&s.c.keys[4])
			r.TimeMillis = s.c.millis - testDay + (i+10)*60e3
			s.rows = append(s.rows, r)
		}
		got := ActionObserve
		for _, d := range acted(s.knocks([]int{7, 9, 4}, c.doors, c.times, c.status).decisions(t, Config{})) {
			if d.KeyID == "key_4" {
				got = max(got, d.Action)
			}
		}
		if got != c.want {
			t.Errorf("%s: got %v, want %v", c.why, got, c.want)
		}
	}
}

// A step of the customer's build that was changed, or its assistant that does what a text tells it to, asks for what it never needed, from the usual machine with the usual program: tokens, members, tables. It
// is let in here and there. That is told, and stops nobody: the log does not say whose doing it is. A release that is ahead of other customers' comes with as many new routes, and they work.
func TestTheCustomersOwnProgramThatAsksForWhatItNeverNeededIsTold(t *testing.T) {
	for _, c := range []struct {
		why     string
		doors   int
		refused func(i int) bool
		want    Action
	}{
		{"six doors, each third refused", 6, func(i int) bool { return i%3 == 1 }, ActionFlag},
		{"six new routes that work", 6, func(int) bool { return false }, ActionObserve},
		{"three doors, each third refused", 3, func(i int) bool { return i%3 == 1 }, ActionObserve},
	} {
		s := newStory(84, 200)
		from := len(s.rows)
		s.knocks([]int{4}, c.doors, 1, 200)
		for i := range s.rows[from:] {
			if c.refused(i) {
				s.rows[from+i].Status = 403
			}
		}
		got := ActionObserve
		for _, d := range acted(s.decisions(t, Config{})) {
			if d.KeyID == "key_4" {
				got = max(got, d.Action)
			}
		}
		if got != c.want {
			t.Errorf("%s: got %v, want %v", c.why, got, c.want)
		}
	}
}
