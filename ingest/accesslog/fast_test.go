package accesslog

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"math/bits"
	"net/netip"
	"testing"

	"github.com/zeebo/xxh3"
	"pgregory.net/rapid"
)

// What is quicker than the plain way must answer as the plain way does, or say that it does not know.

func FuzzPlainIPv4(f *testing.F) {
	for _, s := range []string{"1.2.3.4", "255.255.255.255", "0.0.0.0", "256.1.1.1", "01.2.3.4", "1.2.3", "1..2.3", "1.2.3.4.", "10.0.0.1:80", "1.2.3.\xb1", "1.2.3./", "999.1.1.1", "...", "1.2.3.4\x00"} {
		f.Add([]byte(s))
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		got, ok := plainAddress(b)
		if want, known := parseAddr(b); ok && (!known || got != want) {
			t.Fatalf("%q: %v, want %v (%v)", b, got, want, known)
		}
		for _, behind := range []string{`","request_method":"GET"`, ".1.2.3.4.5.6.7.8.9.10.11.12", "0000000000000000000000000", "\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff"} {
			line := append(bytes.Clone(b), behind...)
			if inLine, okInLine := plainAddress(line[:len(b)]); okInLine != ok || inLine != got {
				t.Fatalf("%q before %q: %v, %v; alone %v, %v", b, behind, inLine, okInLine, got, ok)
			}
		}
	})
}

func FuzzPlainKey(f *testing.F) {
	for _, s := range []string{"tk_live_0123456789abcdef", "Bearer tk_live_0123456789", " 0123456789abc", "0123456789abc\u00a0", "0123456789\tabc", "key 0123456789abc", "************", "[redacted]", "-"} {
		f.Add([]byte(s))
	}
	f.Fuzz(func(t *testing.T, v []byte) {
		if len(v) > 12 && graphic(v) && !bytes.Equal(strippedKey(v), v) {
			t.Fatalf("%q was taken as it is", v)
		}
	})
}

func plainAddress(b []byte) ([16]byte, bool) {
	v4, ok := plainIPv4(b)
	return netip.AddrFrom4([4]byte(binary.BigEndian.AppendUint32(nil, v4))).As16(), ok
}

func TestEveryDottedAddressIsReadInOneGo(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		v4 := netip.AddrFrom4([4]byte(rapid.SliceOfN(rapid.Byte(), 4, 4).Draw(t, "bytes")))
		if got, ok := plainAddress([]byte(v4.String())); !ok || got != v4.As16() {
			t.Fatalf("%v: %v, %v", v4, got, ok)
		}
	})
	for i := range 256 { // every number in every place
		for place := range 4 {
			b := [4]byte{9, 99, 0, 254}
			b[place] = byte(i)
			if got, ok := plainAddress([]byte(netip.AddrFrom4(b).String())); !ok || got != netip.AddrFrom4(b).As16() {
				t.Fatalf("%v: %v, %v", b, got, ok)
			}
		}
	}
	for i := 256; i < 1000; i++ {
		if got, ok := plainAddress(fmt.Appendf(nil, "1.2.%d.4", i)); ok {
			t.Fatalf("%d was taken for a byte: %v", i, got)
		}
	}
}

func TestSecondsOfALogAreReadAsAnyNumber(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		var d dates // one for all: it remembers
		for range 8 {
			text := []byte(rapid.StringMatching(`17[67][0-3][0-9]{6}\.[0-9]{3}`).Draw(t, "seconds"))
			if rapid.Bool().Draw(t, "broken") {
				text[rapid.IntRange(0, len(text)-1).Draw(t, "at")] = rapid.SampledFrom([]byte(".0-e/: ")).Draw(t, "byte")
			}
			got, ok := d.parse(text, unitSeconds)
			if want, fault := parseScaled(text, 3); ok != (fault == numberOK) || got != want {
				t.Fatalf("%q is %d (%v), want %d (fault %d)", text, got, ok, want, fault)
			}
		}
	})
}

func TestALatencyOfThreePlacesIsReadAsAnyNumber(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		text := []byte(rapid.StringMatching(`[0-9]{0,5}\.[0-9]{0,4}`).Draw(t, "seconds"))
		if len(text) > 0 && rapid.Bool().Draw(t, "broken") {
			text[rapid.IntRange(0, len(text)-1).Draw(t, "at")] = rapid.SampledFrom([]byte(".0-e/:s ")).Draw(t, "byte")
		}
		if got, ok := threePlaces(text); ok {
			if want, fault := parseScaled(text, 6); fault != numberOK || got != want {
				t.Fatalf("%q is %d, want %d (fault %d)", text, got, want, fault)
			}
		}
	})
}

func TestATargetIsCutAtTheFirstMark(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		target := []byte("/" + rapid.StringOfN(rapid.SampledFrom([]rune("abc/?#%;=23fF@")), 0, 40, -1).Draw(t, "target"))
		var scratch []byte
		path, _, query := splitTarget(target, &scratch)
		wantPath, wantQuery := splitSlowly(target)
		if !bytes.Equal(path, wantPath) || !bytes.Equal(query, wantQuery) {
			t.Fatalf("%q: path %q, query %q; want %q, %q", target, path, query, wantPath, wantQuery)
		}
	})
}

// splitSlowly is splitTarget of a path, byte by byte.
func splitSlowly(target []byte) (path, query []byte) {
	path = target
	for i := range target {
		if target[i] == '?' || target[i] == '#' {
			path, query = target[:i], target[i+1:]
			break
		}
		if rest := bytes.ToUpper(target[i:min(i+3, len(target))]); string(rest) == "%3F" || string(rest) == "%23" {
			path, query = target[:i], target[i+3:]
			break
		}
	}
	var out []byte
	skipping := false
	for _, c := range path {
		if c == ';' || c == '/' {
			skipping = c == ';'
		}
		if !skipping {
			out = append(out, c)
		}
	}
	return out, query
}

func TestTheKeyCacheAnswersWhatWasPutLastAndNothingStale(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		c := newKeyCache(4, 7)
		last := map[int]keyEntry{}
		now := int64(1_000_000)
		for range rapid.IntRange(1, 200).Draw(t, "steps") {
			now += rapid.Int64Range(-10, unknownKeyMillis).Draw(t, "pause")
			key := rapid.IntRange(0, 9).Draw(t, "key")
			// Keys of one slot of the front table, so that they push each other out.
			h := xxh3.Uint128{Lo: uint64(key), Hi: uint64(key/2) * frontSlots}
			if rapid.Bool().Draw(t, "put") {
				e := keyEntry{id: fmt.Sprint("key", key), known: rapid.Bool().Draw(t, "known"), sinceMillis: now}
				c.put(h, e)
				last[key] = e
				continue
			}
			if e := c.get(h, now); e != nil {
				if want := last[key]; *e != want {
					t.Fatalf("key %d: %+v, want %+v", key, *e, want)
				}
				if !e.known && (now-e.sinceMillis > unknownKeyMillis || now < e.sinceMillis) {
					t.Fatalf("key %d: a stale answer: %+v at %d", key, *e, now)
				}
			}
		}
	})
}

func TestRoutesAreAdmittedAsOftenAsTheyCome(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		r := newRouteCap(3)
		admitted := map[uint64]map[string]int{}
		for range rapid.IntRange(1, 100).Draw(t, "steps") {
			key := rapid.Uint64Range(0, 3).Draw(t, "key")
			route := rapid.SampledFrom([]string{"/a", "/b", "/c", "/d", "/e"}).Draw(t, "route")
			if admitted[key] == nil {
				admitted[key] = map[string]int{}
			}
			want := refused
			if n := admitted[key][route]; n > 0 || len(admitted[key]) < 3 {
				want = min(first+sight(n), often)
				admitted[key][route]++
			}
			if got, _ := r.admit(key, []byte(route)); got != want {
				t.Fatalf("key %d, route %s: %v, want %v", key, route, got, want)
			}
		}
	})
}

// plainSlowly is plain, the ways in which a value may be so one after the other.
func plainSlowly(v []byte) bool { return harmless(v) || wordy(v) }

// harmless takes what most paths and request ids are: small letters, digits and slashes, or hashes
// and UUIDs, of small hexadecimal digits and hyphens. The first have neither the capitals nor the separators that all keys
// have, and no prefix of a key is made of the second alone. What is shorter than eight bytes is left to the long test.
func harmless(v []byte) bool {
	if len(v) < 8 {
		return false
	}
	plain, hex := uint64(highs), uint64(highs)
	for i := 0; ; i += 8 {
		last := i+8 >= len(v)
		if last {
			i = len(v) - 8
		}
		w := binary.LittleEndian.Uint64(v[i:])
		x := w | highs // so that no byte borrows from its neighbour
		plain &= (within(x, '/', '9') | within(x, 'a', 'z')) &^ w
		hex &= (within(x, '0', '9') | within(x, 'a', 'f') | within(x, '-', '-')) &^ w
		if last || plain|hex == 0 {
			return plain == highs || hex == highs
		}
	}
}

// wordy takes what other ids are: small letters, digits and slashes, and separators that no prefix of a key
// has where they stand: "req_0f3a". Without capitals only a prefix makes a word a secret, and each that has none has a separator.
func wordy(v []byte) bool {
	if len(v) < 8 {
		return false
	}
	all := uint64(highs)
	for i := 0; ; i += 8 {
		last := i+8 >= len(v)
		if last {
			i = len(v) - 8
		}
		w := binary.LittleEndian.Uint64(v[i:])
		x := w | highs
		separators := (within(x, '-', '.') | within(x, '_', '_') | within(x, '~', '~')) &^ w & highs
		if all &= (within(x, '/', '9')|within(x, 'a', 'z'))&^w | separators; all != highs {
			return false
		}
		for ; separators != 0; separators &= separators - 1 {
			if at := i + bits.TrailingZeros64(separators)>>3; at > 0 && beforeSeparator[v[at-1]] {
				return false
			}
		}
		if last {
			return true
		}
	}
}

func FuzzPlain(f *testing.F) {
	for _, s := range []string{"/v1/items/12", "f47ac10b-58cc-4372-a567-0e02b2c3d479", "req_000000030d40", "tk_live_0123", "a.tk_live_0", "xoxb-0123456789", "0123abcb-0123", "AKIA0123", "\xff01234567"} {
		f.Add([]byte(s))
	}
	f.Fuzz(func(t *testing.T, v []byte) {
		if got, want := plain(v), plainSlowly(v); got != want {
			t.Fatalf("%q: %v, want %v", v, got, want)
		}
	})
}

func TestWhatIsHarmlessHoldsNoSecret(t *testing.T) {
	check := func(t interface{ Fatalf(string, ...any) }, v string) {
		if !suspicious([]byte(v)) && string(maskSecrets(nil, []byte(v))) != v {
			t.Fatalf("%q is taken for harmless, but is masked as %q", v, maskSecrets(nil, []byte(v)))
		}
		if plain([]byte(v)) && !printable([]byte(v)) {
			t.Fatalf("%q is taken for plain, but is not printable", v)
		}
	}
	pieces := append([]string{"0123456789abcdef", "/v1/items/", "-", "tk_live_0123456789abcdefghijklmn", "Q", "@", ":", "=", "%2F", " ", "\x80", "\x7f", "\t"}, secretPrefixes...)
	rapid.Check(t, func(t *rapid.T) {
		v := ""
		for _, p := range rapid.SliceOfN(rapid.SampledFrom(pieces), 1, 5).Draw(t, "pieces") {
			v += p
		}
		check(t, v)
	})
	for _, p := range secretPrefixes {
		check(t, p+"0123456789abcdef0123456789abcdef")
	}
}

func TestAWordyIdHoldsNoSecretWhereverASeparatorStands(t *testing.T) {
	pieces := append([]string{"req", "0123456789", "abcdefghijklmnopqrstuvwxyz", "_", "-", ".", "~", "/"}, secretPrefixes...)
	rapid.Check(t, func(t *rapid.T) {
		v := ""
		for _, p := range rapid.SliceOfN(rapid.SampledFrom(pieces), 1, 6).Draw(t, "pieces") {
			v += p
		}
		if plain([]byte(v)) != plainSlowly([]byte(v)) {
			t.Fatalf("%q: %v", v, plain([]byte(v)))
		}
		if b := []byte(v); wordy(b) && string(maskSecrets(nil, b)) != v {
			t.Fatalf("%q is taken for harmless, but is masked as %q", v, maskSecrets(nil, b))
		}
	})
	for c := range 256 {
		for place := range 19 { // two whole words and the rest
			v := []byte("/v1/req_1.2-2ed~x0d")
			v[place] = byte(c)
			if allowed := c >= '-' && c <= '9' || c >= 'a' && c <= 'z' || c == '_' || c == '~'; wordy(v) && !allowed {
				t.Fatalf("%q is taken for small letters, digits and separators", v)
			}
		}
	}
	for v, want := range map[string]bool{
		"req_000000030d40": true, "r00_0f3a": true, "2026-11-30.7": true, "req-x~z.w_0": true, "_leading": true,
		"req_12": false, "task_0123456789": false, "tk_live_0123": false, "a.tk_live_0": false, "ghp_0123": false, "ya29.abc": false, "req_000Q": false,
	} {
		if got := wordy([]byte(v)); got != want {
			t.Errorf("%q: %v", v, got)
		}
	}
}

func TestWhatIsHarmlessIsToldByteByByte(t *testing.T) {
	for c := range 256 {
		for place := range 19 { // two whole words and the rest
			plain, hex := []byte("/v1/items/123/abcde"), []byte("00f067aa-0ba902b7-1")
			plain[place], hex[place] = byte(c), byte(c)
			if got, want := harmless(plain), c >= '/' && c <= '9' || c >= 'a' && c <= 'z'; got != want {
				t.Fatalf("%q: %v", plain, got)
			}
			if got, want := harmless(hex), c >= '0' && c <= '9' || c >= 'a' && c <= 'f' || c == '-'; got != want {
				t.Fatalf("%q: %v", hex, got)
			}
		}
	}
	for _, c := range []struct {
		value string
		want  bool
	}{{"", false}, {"abc", false}, {"/v1/items", true}, {"0123456789abcdef", true}, {"f47ac10b-58cc-4372-a567-0e02b2c3d479", true}, {"/v1/a-b-c", false}, {"tk_live_0", false}, {"AKIA0000", false}} {
		if got := harmless([]byte(c.value)); got != c.want {
			t.Errorf("%q: %v", c.value, got)
		}
	}
}
