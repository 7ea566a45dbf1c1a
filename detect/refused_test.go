package detect

import "testing"

// A job of the customer's own that is refused and tries again without pause is told, from its usual machine and with its usual program.
// Refusals alone are a bad release, and more calls alone are a busy day.
func TestAJobThatIsRefusedAndGoesOnIsTold(t *testing.T) {
	for _, c := range []struct {
		why    string
		status uint16
		refuse int // of a hundred calls
		calls  int // in an hour; thirty are usual
		told   bool
	}{
		{"a right was taken away", 403, 99, 150, true},
		{"a broken call", 422, 90, 150, true},
		{"it runs into its limit", 429, 40, 150, true},
		{"it delivers again what has arrived", 409, 90, 150, false},
		{"a bad release at the usual pace", 400, 50, 30, false},
		{"a busy hour", 400, 3, 70, false},
	} {
		s := newStory(71, 30)
		for i := range int64(10 * 24 * 28) {
			r := s.c.record(&s.c.keys[4])
			r.TimeMillis = s.c.millis - 10*testDay + i*hourMillis/28
			s.rows = append(s.rows, r)
		}
		for i := range c.calls {
			r := s.c.record(&s.c.keys[4])
			r.TimeMillis = s.c.millis + int64(i)*3500e3/int64(c.calls)
			if i*37%100 < c.refuse {
				r.Status = c.status
			}
			s.rows = append(s.rows, r)
		}
		told := false
		for _, d := range acted(s.decisions(t, Config{})) {
			if d.KeyID != "key_4" || d.Action != ActionFlag {
				t.Errorf("%s: %s of %s: %s", c.why, d.Action, d.KeyID, d.Reason)
			}
			told = told || d.Evidence[0].Family == FamilyVolume || d.Evidence[0].Family == FamilyErrors
		}
		if told != c.told {
			t.Errorf("%s: told %v", c.why, told)
		}
	}
}

// Who tries cards is declined nearly always: that is a deed, whoever the routes belong to. A new client of the customer's that sends something
// twice now and then, and is told so, does nothing of the kind.
func TestAStrangerWhoseCardsAreDeclinedIsStopped(t *testing.T) {
	stopped := func(declined int) bool {
		s := newStory(57, 30).theft(4, 120, 9009, "python-httpx/0.27")
		for i := len(s.rows) - 120; i < len(s.rows); i++ {
			r := &s.rows[i]
			r.TimeMillis = s.c.millis + int64(i-len(s.rows)+120)*120e3 // no faster than the key ever was
			r.Method, r.Route, r.Path, r.Status = "POST", "/v1/search", []byte("/v1/search"), 200
			if i%10 < declined {
				r.Status = 402
			}
		}
		for _, d := range acted(s.decisions(t, Config{})) {
			if d.KeyID == "key_4" && d.Action == ActionSuspend {
				return true
			}
		}
		return false
	}
	if !stopped(9) {
		t.Error("somebody whose payments are declined nine times in ten goes on")
	}
	if stopped(1) {
		t.Error("a client whose payments are declined once in ten times is stopped")
	}
}
