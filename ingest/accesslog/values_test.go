package accesslog

import (
	"bytes"
	"errors"
	"io/fs"
	"math/big"
	"net/netip"
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/tollkeeper/tollkeeper/internal/usage"
)

func TestTimesAreReadInEveryWayLogsWriteThem(t *testing.T) {
	at := time.Date(2026, 11, 24, 15, 4, 5, 123e6, time.UTC)
	for text, u := range map[string]unit{
		"2026-11-24T15:04:05.123Z": 0, "2026-11-24T15:04:05.123456789Z": 0, "2026-11-24 15:04:05.123": 0, "2026-11-24T16:04:05.123+01:00": 0,
		"2026-11-24T10:34:05.123-0430": 0, "2026-11-24t15:04:05,123z": 0, "24/Nov/2026:15:04:05.123": 0, "24/Nov/2026:16:04:05.123 +0100": 0,
		"1795532645.123": 0, "1795532645123": 0, "1795532645123000": 0, "1795532645123000000": 0, "1.795532645123e9": 0,
		"1795532645.1230": unitSeconds, "1795532645123.0": unitMillis, "1795532645123001": unitMicros, "1795532645123000001": unitNanos,
	} {
		var d dates
		for range 2 { // the second time the day is remembered
			if got, ok := d.parse([]byte(text), u); !ok || got != at.UnixMilli() {
				t.Errorf("%q is %v (%v), want %v", text, time.UnixMilli(got).UTC(), ok, at)
			}
		}
	}
	for _, text := range []string{
		"", "x", "2026-13-01T00:00:00Z", "2026-02-30T00:00:00Z", "2026-11-24T24:00:00Z", "2026-11-24T15:60:05Z", "2026-11-24T15:04:05.Z",
		"2026-11-24T15:04:05+1", "2026-11-24T15:04:05 somewhere", "2026-11-24", "24/Foo/2026:15:04:05 +0000", "32/Nov/2026:15:04:05", "24/Nov/2026 15:04:05 +0000",
		"-5", "1e400", "99999999999999999999999", "NaN", "0x10",
	} {
		var d dates
		if got, ok := d.parse([]byte(text), unitAuto); ok {
			t.Errorf("%q was read as %v", text, time.UnixMilli(got).UTC())
		}
	}
}

func FuzzTime(f *testing.F) {
	f.Add([]byte("2026-11-24T15:04:05.123+01:00"))
	f.Add([]byte("24/Nov/2026:15:04:05 +0000"))
	f.Fuzz(func(t *testing.T, text []byte) {
		var d dates
		got, ok := d.parse(text, unitAuto)
		if want, err := time.Parse(time.RFC3339, string(text)); err == nil && want.Year() > 0 {
			if !ok || got != want.UnixMilli() {
				t.Fatalf("%q is %d (%v), time.Parse says %d", text, got, ok, want.UnixMilli())
			}
		}
	})
}

func TestNumbersAreScaledWithoutAFloat(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		whole, fraction := rapid.StringMatching(`[0-9]{0,14}`).Draw(t, "whole"), rapid.StringMatching(`[0-9]{0,8}`).Draw(t, "fraction")
		exponent, scale := rapid.SampledFrom([]string{"", "e3", "E-2", "e+0"}).Draw(t, "exponent"), rapid.IntRange(-6, 6).Draw(t, "scale")
		text := whole + "." + fraction + exponent
		got, fault := parseScaled([]byte(text), scale)
		want, ok := new(big.Rat).SetString(text)
		if !ok {
			if fault != numberMalformed {
				t.Fatalf("%q: %v", text, fault)
			}
			return
		}
		ten := new(big.Rat).SetInt(new(big.Int).Exp(big.NewInt(10), big.NewInt(int64(max(scale, -scale))), nil))
		if scale < 0 {
			ten.Inv(ten)
		}
		want.Mul(want, ten)
		floor := new(big.Int).Div(want.Num(), want.Denom())
		if new(big.Rat).Sub(want, new(big.Rat).SetInt(floor)).Cmp(big.NewRat(1, 2)) >= 0 {
			floor.Add(floor, big.NewInt(1))
		}
		if !floor.IsInt64() {
			if fault != numberTooLarge {
				t.Fatalf("%q x 10^%d: %d, fault %d", text, scale, got, fault)
			}
			return
		}
		// Beyond 18 digits the last ones no longer count.
		diff := new(big.Int).Sub(floor, big.NewInt(got))
		if fault != numberOK || diff.CmpAbs(big.NewInt(1)) > 0 || diff.Sign() != 0 && len(whole)+len(fraction) <= 18 {
			t.Fatalf("%q x 10^%d is %d (fault %d), want %v", text, scale, got, fault, floor)
		}
	})
	for text, want := range map[string]numberFault{
		"-1": numberNegative, "1.5": numberFraction, "": numberMalformed, "-": numberMalformed, "1e": numberMalformed, "1 ": numberMalformed, "0x1": numberMalformed,
		"9223372036854775808": numberTooLarge, "1e19": numberTooLarge, "1e999999999": numberTooLarge, "12.0": numberOK, "-0": numberOK, "1.2e1": numberOK, "+5": numberOK,
		"0e999999999": numberOK, "NaN": numberMalformed, "Infinity": numberMalformed, "1_000": numberMalformed,
	} {
		if _, fault := parseInt([]byte(text)); fault != want {
			t.Errorf("%q: %q, want %q", text, numberFaultText[fault], numberFaultText[want])
		}
	}
}

func FuzzAddress(f *testing.F) {
	for _, s := range []string{"1.2.3.4", "::1", "2001:db8::7", "::ffff:1.2.3.4", "1::2::3", "fe80::1%eth0", "1:2:3:4:5:6:7:8", "1.2.3", "01.2.3.4", "::1.2.3.4", "1:2:3:4:5:6:7::"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		got, ok := parseAddr([]byte(s))
		want, err := netip.ParseAddr(s)
		if err == nil && (!ok || netip.AddrFrom16(got) != netip.AddrFrom16(want.WithZone("").As16())) {
			t.Fatalf("%q is %v (%v), netip says %v", s, netip.AddrFrom16(got), ok, want)
		}
		if port, err := netip.ParseAddrPort(s); err == nil && (!ok || netip.AddrFrom16(got) != netip.AddrFrom16(port.Addr().WithZone("").As16())) {
			t.Fatalf("%q is %v (%v), netip says %v", s, netip.AddrFrom16(got), ok, port)
		}
		if bytes.Count([]byte(s), []byte(":")) != 1 && !strings.HasPrefix(s, "[") && err != nil && ok {
			t.Fatalf("%q is %v, netip says %v", s, netip.AddrFrom16(got), err)
		}
	})
}

func TestTrustedHopsSayWhichForwardedAddressIsTheClients(t *testing.T) {
	for _, c := range []struct {
		peer, forwarded string
		hops            int
		want            string
	}{
		{"10.0.0.1", "203.0.113.9", 0, "10.0.0.1"},
		{"10.0.0.1", "6.6.6.6, 203.0.113.9", 1, "203.0.113.9"},
		{"10.0.0.1", "6.6.6.6, 203.0.113.9, 10.0.0.2", 2, "203.0.113.9"},
		{"10.0.0.1", "203.0.113.9", 3, "203.0.113.9"},
		{"10.0.0.1", "", 1, "10.0.0.1"},
		{"10.0.0.1", "203.0.113.9, unknown", 1, ""},
		{"10.0.0.1:99", "[2001:db8::1]:4", 1, "2001:db8::1"},
		{"10.0.0.1", "203.0.113.9,10.0.0.1", 1, "203.0.113.9"}, // Envoy adds the peer itself
		{"unix:", "", 0, ""},
	} {
		got := client([]byte(c.peer), []byte(c.forwarded), c.hops)
		if want := c.want; want == "" && got != [16]byte{} || want != "" && usage.Addr(got).String() != want {
			t.Errorf("%+v: got %v", c, usage.Addr(got))
		}
	}
}

func TestRoutesHaveTheIdsTakenOut(t *testing.T) {
	for path, want := range map[string]string{
		"/": "/", "": otherRoute, "*": "*", "//": "/", "/v1/items": "/v1/items", "/v1/items/": "/v1/items", "/v1//items/42": "/v1/items/{id}",
		"/v1/users/9b2f0c1e-7d2a-4f6b-8a55-0f1e2d3c4b5a/orders": "/v1/users/{id}/orders", "/v2.1/a": "/v2.1/a", "/v1beta1/x": "/v1beta1/x", "/api/2.0/x": "/api/2.0/x",
		"/u/frank@example.com": "/u/{id}", "/u/frank%40example.com": "/u/{id}", "/commit/da39a3ee5e6b4b0d3255bfef95601890afd80709": "/commit/{id}",
		"/o/cus_Nff92mxKp1": "/o/{id}", "/o/user-12": "/o/{id}", "/d/2026-11-24": "/d/{id}", "/2025-07/orders/42": "/2025-07/orders/{id}", "/admin/api/2025-07/orders.json": "/admin/api/2025-07/orders.json", "/api/2025-07-01/x": "/api/2025-07-01/x",
		"/2025-13/x": "/{id}/x", "/2025-0a/x": "/{id}/x", "/v1/days/2025-07/x": "/v1/days/{id}/x",
		"/hash/sha256/x": "/hash/sha256/x", "/oauth2/token": "/oauth2/token",
		"/s3/base64": "/s3/base64", "/wp-login.php": "/wp-login.php", "/v1/chat/completions": "/v1/chat/completions", "/t/01HV3Y8ZQ4T5W6X7Y8Z9A0B1C2": "/t/{id}",
		"/deadbeef": "/deadbeef", "/deadbee7": "/{id}", "/a/{id}/b": "/a/{id}/b", "/x/[redacted]": "/x/{id}", "/é/x": "/{id}/x", "garbage": otherRoute,
		"/" + strings.Repeat("a", 41): "/{id}", strings.Repeat("/a", 20): strings.Repeat("/a", 12) + "/{rest}",
		strings.Repeat("/"+strings.Repeat("b", 39), 9): strings.Repeat("/"+strings.Repeat("b", 39), 6) + "/{rest}",
	} {
		if got := string(appendRoute(nil, []byte(path), usage.MaxNameBytes)); got != want {
			t.Errorf("%q has route %q, want %q", path, got, want)
		}
	}
}

func TestAKeyHasABoundedNumberOfRoutes(t *testing.T) {
	d := newDecoder(t, "tollkeeper", Options{MaxRoutesPerKey: 3})
	line := func(key, route string) string {
		return `{"time":"2026-11-24T15:04:05Z","status":200,"key_id":"` + key + `","path":"/p","route":"` + route + `"}`
	}
	for _, c := range []struct{ key, route, want string }{
		{"k1", "/a", "/a"}, {"k1", "/b", "/b"}, {"k1", "/c", "/c"}, {"k1", "/d", otherRoute}, {"k1", "/a", "/a"}, {"k2", "/d", "/d"},
	} {
		if got := one(t, d, line(c.key, c.route)); got.Route != c.want {
			t.Errorf("route %s of %s became %s, want %s", c.route, c.key, got.Route, c.want)
		}
	}
}

func TestCleaningTwiceChangesNothingMore(t *testing.T) {
	d := newDecoder(t, "tollkeeper", Options{}).(*jsonDecoder)
	pieces := rapid.SampledFrom([]string{
		"tk_live_0123456789", "Bearer ", "Basic ", "api_key=", "token: ", "a", "/", " ", "\x00", "\xff", "é", "%74%6b_", "%", "://", "@", "user:pw@", "[redacted]",
		"eyJhbGciOiJIUzI1NiJ9", "\"", "'", "[", "(", "sk_", "abcdefgh", "0123456789", "=", ":", "Zz1", "-", ".", "\u202e", "cookie",
	})
	rapid.Check(t, func(t *rapid.T) {
		d.scratch = nil
		v := []byte(strings.Join(rapid.SliceOf(pieces).Draw(t, "pieces"), ""))
		once := d.clean(v, nil, 1<<20)
		if twice := d.clean(once, nil, 1<<20); !bytes.Equal(once, twice) {
			t.Fatalf("%q became %q, and then %q", v, once, twice)
		}
	})
}

func TestOptionsThatCannotBeMeantAreRefused(t *testing.T) {
	keys := newStore(t, nil)
	for want, o := range map[string]Options{
		"key resolver": {}, "trusted hops": {Keys: keys, TrustedHops: -1}, "future": {Keys: keys, MaxFuture: -1}, "routes per key": {Keys: keys, MaxRoutesPerKey: -1},
	} {
		if _, err := New("nginx", o); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%v, want an error about %s", err, want)
		}
	}
	if _, err := New("ngnix", Options{Keys: keys}); err == nil || !strings.Contains(err.Error(), `"ngnix"`) || !strings.Contains(err.Error(), "nginx, combined") {
		t.Errorf("unknown format: %v", err)
	}
	if _, err := New("mapping", Options{Keys: keys}); err == nil || !strings.Contains(err.Error(), "mapping file") {
		t.Errorf("mapping without a mapping: %v", err)
	}
	if _, err := NewHMACResolver([]byte("short")); err == nil {
		t.Error("a short pepper was accepted")
	}
}

func TestAMappingTellsAllThatIsWrong(t *testing.T) {
	_, err := ParseMapping([]byte("fields: {time: {from: ts, unit: h}, latency: took, statu: x, host: {from: h, unit: s}, method: [], path: a..b, user: ts}\nunits: {x: /a~1b}"))
	for _, want := range []string{"fields.time.unit", "fields.latency.unit", "fields.statu", "fields.host.unit", "fields.method", "a..b", "fields.status: is missing", "used twice", "units.x"} {
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("nothing is said of %s in %v", want, err)
		}
	}
	for _, text := range []string{"", "fields: 7", "nonsense: 1", "fields: {time: {form: ts}}"} {
		if _, err := ParseMapping([]byte(text)); err == nil {
			t.Errorf("%q was accepted", text)
		}
	}
	for _, f := range Formats() {
		if f.Name != "mapping" {
			continue
		}
		if _, err := ParseMapping([]byte(f.Configure)); err != nil {
			t.Errorf("the example: %v", err)
		}
		for _, name := range mappable() {
			if name != targetNames[toOrigin] && !strings.Contains(f.Configure, "  "+name+": ") {
				t.Errorf("the example has no %s", name)
			}
		}
	}
	if _, err := LoadMapping("testdata/none.yaml"); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("a missing file: %v", err)
	}
}
