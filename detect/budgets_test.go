package detect

import (
	"math"
	"testing"
)

func levelOf(e *Engine) float64 { return float64(suspect(e.suspects.clients)) }

// For a hundred suspects and no alert a fixed bar will do; the budget asks for more where there are many suspects to each alert.
func TestManySuspectsWithoutAnAlertRaiseTheBar(t *testing.T) {
	e := freshEngine()
	first := levelOf(e)
	for range 20 * clientsMemory {
		suspect(e.suspects.clients)
	}
	quiet := levelOf(e)
	if quiet < first+0.5 || math.Abs(quiet-DefaultRequiredFlag) > 0.3 {
		t.Errorf("the first suspect needs %.2f, the 20,000th %.2f; want a quiet platform near the policy's %.2f", first, quiet, DefaultRequiredFlag)
	}
	for range 50 {
		e.suspects.charged(episodeActor)
	}
	for range 100 {
		suspect(e.suspects.clients)
	}
	if attacked := levelOf(e); attacked > quiet-0.3 {
		t.Errorf("after 50 alerts a suspect needs %.2f, before %.2f", attacked, quiet)
	}
}

func TestTheShareOfFalseAlertsIsASetting(t *testing.T) {
	p, err := ParsePolicies([]byte("version: 1\ncaps: {false_alert_share: 0.01}\npolicies: [{id: all}]"))
	if err != nil {
		t.Fatal(err)
	}
	e, err := New(Config{Policies: p})
	if err != nil {
		t.Fatal(err)
	}
	strict, usual := levelOf(e), levelOf(freshEngine())
	if strict < usual+1 {
		t.Errorf("a share of 0.01 asks for %.2f, 0.2 for %.2f", strict, usual)
	}
	if _, err := ParsePolicies([]byte("version: 1\ncaps: {false_alert_share: 1}\npolicies: [{id: all}]")); err == nil {
		t.Error("a share of 1 was taken")
	}
}
