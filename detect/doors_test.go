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
