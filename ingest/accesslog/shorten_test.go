package accesslog

import (
	"bytes"
	"net/netip"
	"testing"
)

func TestAddressesOfALineAreShortened(t *testing.T) {
	for in, want := range map[string]string{
		`192.0.2.77 - - [24/Nov/2026:15:04:05 +0000] "GET /a HTTP/1.1" 200 12`: `192.0.2.0 - - [24/Nov/2026:15:04:05 +0000] "GET /a HTTP/1.1" 200 12`,
		`{"ip":"2001:db8:1:2::7","xff":"203.0.113.9, 10.1.2.3:4711"}`:          `{"ip":"2001:db8:1::","xff":"203.0.113.0, 10.1.2.0:4711"}`,
		`[2001:db8:1:2:3:4:5:6]:443 was ::ffff:198.51.100.4.`:                  `[2001:db8:1::]:443 was 198.51.100.0.`,
		`at 2026-11-24T15:04:05.123Z took 12.5 of 1.2.3 in 00:1a:2b:3c:4d:5e`:  `at 2026-11-24T15:04:05.123Z took 12.5 of 1.2.3 in 00:1a:2b:3c:4d:5e`,
		`999.1.1.1 deadbeef 1.2.3.4.5 ::`:                                      `999.1.1.1 deadbeef 1.2.3.0.5 ::`,
		``:                                                                     ``,
	} {
		if got := string(ShortenAddresses([]byte(in))); got != want {
			t.Errorf("%s\nbecame %s\nwant   %s", in, got, want)
		}
	}
}

func FuzzShortenAddresses(f *testing.F) {
	f.Add([]byte("from "), []byte{192, 0, 2, 77}, []byte(":80 to"))
	f.Add([]byte(`{"ip":"`), bytes.Repeat([]byte{7}, 16), []byte(`"}`))
	f.Fuzz(func(t *testing.T, before, addr, behind []byte) {
		a, ok := netip.AddrFromSlice(addr)
		if !ok || bytes.ContainsFunc(before, func(r rune) bool { return r < 128 && inAddress(byte(r)) }) {
			return
		}
		if len(behind) > 0 && inAddress(behind[0]) {
			return
		}
		line := append(append(append(bytes.Clone(before), ' '), a.String()...), append([]byte(" "), behind...)...)
		out := ShortenAddresses(line)
		if again := ShortenAddresses(bytes.Clone(out)); !bytes.Equal(again, out) {
			t.Fatalf("%q becomes %q, then %q", line, out, again)
		}
		whole := a.Unmap()
		if last := whole.AsSlice()[len(whole.AsSlice())-1]; last != 0 && bytes.Contains(out, []byte(" "+whole.String()+" ")) && !bytes.Contains(behind, []byte(whole.String())) {
			t.Fatalf("%q still shows %s: %q", line, whole, out)
		}
	})
}
