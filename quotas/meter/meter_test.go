package meter

import (
	"math"
	"testing"
)

func TestOf(t *testing.T) {
	a := Amounts{Requests: 10, Errors: 3, RequestBytes: 100, ResponseBytes: 2000, Units: map[string]int64{"input_tokens": 7, "output_tokens": 5}}
	tests := []struct {
		name  string
		meter Meter
		want  int64
	}{
		{"requests", Meter{Kind: Requests}, 10},
		{"requests without errors", Meter{Kind: Requests, ExcludeErrors: true}, 7},
		{"bytes", Meter{Kind: Bytes}, 2100},
		{"bytes of both", Meter{Kind: Bytes, Direction: "both"}, 2100},
		{"bytes in", Meter{Kind: Bytes, Direction: Request}, 100},
		{"bytes out", Meter{Kind: Bytes, Direction: Response}, 2000},
		{"a unit", Meter{Kind: Units, Units: []string{"input_tokens"}}, 7},
		{"a sum of units", Meter{Kind: Units, Units: []string{"input_tokens", "output_tokens"}}, 12},
		{"a unit never seen", Meter{Kind: Units, Units: []string{"images"}}, 0},
		{"no kind", Meter{}, 0},
		{"named requests", Named("requests"), 10},
		{"named successful requests", Named("successful_requests"), 7},
		{"named bytes", Named("bytes"), 2100},
		{"named bytes in", Named("request_bytes"), 100},
		{"named bytes out", Named("response_bytes"), 2000},
		{"named unit", Named("output_tokens"), 5},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			if got := tt.meter.Of(a); got != tt.want {
				t.Errorf("got %d, want %d", got, tt.want)
			}
		})
	}
}

func TestSumsStopInsteadOfWrappingRound(t *testing.T) {
	var a Amounts
	big := Amounts{Requests: 1, RequestBytes: math.MaxInt64 - 5, Units: map[string]int64{"x": math.MaxInt64 - 5}}
	a.Add(big)
	a.Add(big)
	if a.Requests != 2 || a.RequestBytes != math.MaxInt64 || a.Units["x"] != math.MaxInt64 {
		t.Errorf("got %+v", a)
	}
	if big.Units["x"] != math.MaxInt64-5 {
		t.Error("adding changed what was added")
	}
}

func TestErrorsAreTheServicesNotTheClients(t *testing.T) {
	for status, want := range map[uint16]bool{0: true, 200: false, 304: false, 404: false, 429: false, 499: false, 500: true, 503: true, 599: true} {
		if got := IsError(status); got != want {
			t.Errorf("IsError(%d) = %v", status, got)
		}
	}
}

func TestValidate(t *testing.T) {
	tests := []struct {
		name  string
		meter Meter
		want  string
	}{
		{"fine", Meter{ID: "tokens", Kind: Units, Units: []string{"input_tokens", "output_tokens"}}, ""},
		{"nothing", Meter{}, "id: \"\": give 1 to 63 of a-z, 0-9, _ and -, starting with a letter\nkind: \"\" is not known; give requests, bytes or units"},
		{"errors of bytes", Meter{ID: "b", Kind: Bytes, ExcludeErrors: true}, "exclude_errors: belongs to a meter of requests; bytes and units are not kept apart by status"},
		{"direction of requests", Meter{ID: "b", Kind: Requests, Direction: Request}, "direction: belongs to a meter of bytes"},
		{"unknown direction", Meter{ID: "b", Kind: Bytes, Direction: "up"}, `direction: "up" is not known; give request, response or both`},
		{"units without names", Meter{ID: "u", Kind: Units}, "units: name the units of a meter of units, and of no other"},
		{"the same unit twice", Meter{ID: "u", Kind: Units, Units: []string{"x", "x"}}, `units[1]: "x" is there twice`},
		{"a bad unit", Meter{ID: "u", Kind: Units, Units: []string{"x\ny"}}, `units[0]: "x\ny" is not a unit's name`},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			got := ""
			if err := tt.meter.Validate(); err != nil {
				got = err.Error()
			}
			if got != tt.want {
				t.Errorf("got  %s\nwant %s", got, tt.want)
			}
		})
	}
}

func TestReachedIsExact(t *testing.T) {
	const most = math.MaxInt64
	for _, tt := range []struct {
		used, most int64
		percent    int
		want       bool
	}{
		{79, 100, 80, false},
		{80, 100, 80, true},
		{0, 0, 50, true},
		{0, 1, 1, false},
		{1, 3, 33, true},
		{1, 3, 34, false},
		{most - 1, most, 100, false},
		{most, most, 100, true},
		{most, most, 101, false},
		{most / 2, most, 50, false},
		{most/2 + 1, most, 50, true},
	} {
		if got := Reached(tt.used, tt.most, tt.percent); got != tt.want {
			t.Errorf("Reached(%d, %d, %d) = %v", tt.used, tt.most, tt.percent, got)
		}
	}
}
