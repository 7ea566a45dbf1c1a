package accesslog

import (
	"bytes"
	"fmt"
	"strings"
	"testing"

	"pgregory.net/rapid"

	"github.com/tollkeeper/tollkeeper/internal/usage"
)

// targetTakenAlike fails when a target is taken for a plain one that is none, and says whether it was taken.
func targetTakenAlike(t interface{ Fatalf(string, ...any) }, c *core, target []byte) bool {
	p, query, ok := plainTarget(target)
	if !ok {
		return false
	}
	c.scratch = c.scratch[:0]
	path, host, wantQuery := splitTarget(target, &c.scratch)
	if len(host) > 0 || !bytes.Equal(p.text, path) || !bytes.Equal(query, wantQuery) {
		t.Fatalf("%q: path %q, query %q; want %q, %q, host %q", target, p.text, query, path, wantQuery, host)
	}
	if clean := c.clean(path, nil, usage.MaxPathBytes); !bytes.Equal(clean, path) || !bytes.Equal(maskSecrets(nil, path), path) {
		t.Fatalf("%q is taken as it is, but %q is clean, and it is masked as %q", path, clean, maskSecrets(nil, path))
	}
	if route, ok := p.route(&c.scratch); ok {
		if want := appendRoute(nil, path, usage.MaxNameBytes); !bytes.Equal(route, want) {
			t.Fatalf("%q has the route %q, want %q", path, route, want)
		}
	}
	return true
}

func FuzzPlainTarget(f *testing.F) {
	for _, s := range []string{
		"/v1/orders/1099836?limit=50", "/", "//", "/a//b", "/a/", "/v1/users/me#x", "/a%3fb", "/a;b=c/d", "/sha256/x509", "/0f3a9c77/x", "/v2beta/12ab34cd56", "/A", "*",
		"/012345678901234567890123456789012345678901234567890123456789012", "/abcdefghijklmnopqrstuvwxyzabcdefghijklmnopqrstuvwxyz", "/1/2/3/4/5/6/7/8/9/10/11/12/13", "/tk_live_0123456789abcdef",
	} {
		f.Add([]byte(s), []byte(`","status":200`))
	}
	c := newDecoder(f, "nginx", Options{}).(*jsonDecoder).core
	f.Fuzz(func(t *testing.T, target, behind []byte) {
		alone := targetTakenAlike(t, c, bytes.Clone(target))
		line := append(append(bytes.Clone(target), behind...), "01234567"...)
		inLine := targetTakenAlike(t, c, line[:len(target)])
		if alone && !inLine {
			t.Fatalf("%q is plain alone, but not before %q", target, behind)
		}
		if plain := len(target) > 0 && len(target) <= maxPlainPath && target[0] == '/' && len(bytes.Trim(target, "/0123456789abcdefghijklmnopqrstuvwxyz")) == 0; plain && !inLine {
			t.Fatalf("%q is not plain", target)
		}
	})
}

func TestPlainTargetsAreTakenAsAnyOthers(t *testing.T) {
	c := newDecoder(t, "nginx", Options{}).(*jsonDecoder).core
	taken := 0
	rapid.Check(t, func(t *rapid.T) {
		pieces := []string{"/", "/v1", "/users", "/12", "/abc123def456", "/deadbeef00", "/x", "/sha256", "/7a", "?a=b", "#", ";s=1", "%2F", "Q", "-", "/" + strings.Repeat("long", 11)}
		target := "/" + strings.Join(rapid.SliceOfN(rapid.SampledFrom(pieces), 0, 14).Draw(t, "pieces"), "")
		if targetTakenAlike(t, c, []byte(target)) {
			taken++
		}
	})
	if taken == 0 {
		t.Error("no target was taken")
	}
}

// A decoder remembers numbers of a dictionary. They mean nothing in another batch, or when the dictionary has been emptied.
func TestADecoderFillsEveryBatchAsANewOneWould(tt *testing.T) {
	d := newDecoder(tt, "nginx", Options{})
	rapid.Check(tt, func(t *rapid.T) {
		var batches [3]usage.Batch
		for range rapid.IntRange(1, 60).Draw(t, "lines") {
			b := &batches[rapid.IntRange(0, 2).Draw(t, "batch")]
			if rapid.IntRange(0, 9).Draw(t, "emptied") == 0 {
				b.Release()
			}
			pick := func(name string, of ...string) string { return rapid.SampledFrom(of).Draw(t, name) }
			line := fmt.Appendf(nil, `{"msec":"1795532645.123","http_x_api_key":"%s","request_uri":"%s","status":"200","http_user_agent":"%s"}`,
				pick("key", "tk_live_known", "tk_live_other", "", "a-secret-of-another-look"), pick("path", "/v1/items/1", "/v1/users", "/v1/a-secret-of-another-look", "/"),
				pick("agent", "curl/8", "curl/9", "", "it is a-secret-of-another-look", "tk_live_0123456789abcdef"))
			at := Origin{ReceivedMillis: received.UnixMilli()}
			if err := d.Decode(line, at, b); err != nil {
				t.Fatal(err)
			}
			var alone usage.Batch
			if err := newDecoder(tt, "nginx", Options{}).Decode(line, at, &alone); err != nil {
				t.Fatal(err)
			}
			var got, want usage.Record
			b.At(b.Len()-1, &got)
			alone.At(0, &want)
			if fmt.Sprintf("%+v", got) != fmt.Sprintf("%+v", want) {
				t.Fatalf("%s\n%+v\nwant\n%+v", line, got, want)
			}
		}
	})
}
