package detect

import "testing"

func TestWhoTriesSeveralDoorsInADayTriesDoors(t *testing.T) {
	var d doors
	at := int64(20_000 * 24 * hourMillis)
	for n := 1; n <= 600; n++ {
		d.try(at)
		if got, want := d.tries(at), n >= 4; got != want {
			t.Fatalf("after %d routes that hardly any key uses: %v, want %v", n, got, want)
		}
	}
	if d.tries(at + (doorsHours+1)*hourMillis) {
		t.Error("a day later it is trying still")
	}
	d.try(at + (doorsHours+1)*hourMillis)
	if d.tries(at + (doorsHours+1)*hourMillis) {
		t.Error("one route a day later goes on from where it was")
	}
}
