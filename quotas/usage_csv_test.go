package quotas

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/tollkeeper/tollkeeper/quotas/meter"
)

func TestUsageAsCSV(t *testing.T) {
	one(t, func(t *testing.T, w *world) {
		w.use(t, "key_1", "2026-11-02T10:00:00Z", meter.Amounts{Requests: 2, Errors: 1, RequestBytes: 3, ResponseBytes: 4, Units: map[string]int64{"tokens": 5}})
		w.use(t, "key_2", "2026-11-24T15:00:00Z", meter.Amounts{Requests: 1, Units: map[string]int64{"images": 7}})
		r, err := w.AccountUsage(w.ctx, "acc_1", when(t, "2026-11-01"), w.now, meter.Day)
		if err != nil {
			t.Fatal(err)
		}
		var out strings.Builder
		if err := WriteUsageCSV(&out, r); err != nil {
			t.Fatal(err)
		}
		want := "start,end,sealed,requests,errors,request_bytes,response_bytes,unit:images,unit:tokens\n" +
			"2026-11-02T00:00:00Z,2026-11-03T00:00:00Z,true,2,1,3,4,0,5\n" +
			"2026-11-24T00:00:00Z,2026-11-25T00:00:00Z,false,1,0,0,0,7,0\n" +
			"total,,,3,1,3,4,7,5\n"
		if d := cmp.Diff(want, out.String()); d != "" {
			t.Errorf("(-want +got):\n%s", d)
		}
	})
}
