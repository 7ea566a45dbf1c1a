package accesslog

import (
	"fmt"
	"math/rand/v2"
	"strings"
	"testing"
)

// routes decodes one call after the other and returns what each one's route became.
func routes(t *testing.T, status int, paths []string) []string {
	t.Helper()
	d := newDecoder(t, "tollkeeper", Options{MaxRoutesPerKey: 10_000})
	var out []string
	for i, p := range paths {
		r := one(t, d, fmt.Sprintf(`{"time":"2026-11-24T15:04:05Z","status":%d,"key_id":"k%d","path":"%s"}`, status, i%7, p))
		out = append(out, r.Route)
	}
	return out
}

// slug is a segment that does not look like an id.
func slug(rng *rand.Rand) string {
	var parts []string
	for range 3 {
		b := make([]byte, 6)
		for i := range b {
			b[i] = 'a' + byte(rng.IntN(26))
		}
		parts = append(parts, string(b))
	}
	return strings.Join(parts, "-")
}

func distinct(list []string) map[string]bool {
	m := map[string]bool{}
	for _, s := range list {
		m[s] = true
	}
	return m
}

func TestWhereNamesStandTheRouteHasAPlaceholder(t *testing.T) {
	rng := rand.New(rand.NewPCG(1, 2))
	var paths []string
	for i := range 5000 {
		switch i % 5 {
		case 0:
			paths = append(paths, "/guide/index")
		case 1:
			paths = append(paths, "/v1/orders/"+fmt.Sprint(i))
		default:
			paths = append(paths, "/guide/"+slug(rng)+"/comments")
		}
	}
	got := routes(t, 200, paths)
	if n := len(distinct(got)); n > fanoutLeast+5 {
		t.Errorf("%d routes for 4 endpoints, want at most %d", n, fanoutLeast+5)
	}
	for i, want := range []string{"/guide/index", "/v1/orders/{id}", "/guide/{name}/comments", "/guide/{name}/comments", "/guide/{name}/comments"} {
		if route := got[len(got)-5+i]; route != want {
			t.Errorf("in the end %s has route %s, want %s", paths[len(paths)-5+i], route, want)
		}
	}
}

// callsOf decodes calls of many keys, each (key, path), and returns what each one's route became.
func callsOf(t *testing.T, calls [][2]string) []string {
	t.Helper()
	d := newDecoder(t, "tollkeeper", Options{MaxRoutesPerKey: 10_000})
	var out []string
	for _, c := range calls {
		r := one(t, d, fmt.Sprintf(`{"time":"2026-11-24T15:04:05Z","status":200,"key_id":"%s","path":"%s"}`, c[0], c[1]))
		out = append(out, r.Route)
	}
	return out
}

func TestWhatEveryKeyHasItsOwnOfAreNames(t *testing.T) {
	rng := rand.New(rand.NewPCG(9, 10))
	var packages [20][12]string
	for k := range packages {
		for i := range packages[k] {
			packages[k][i] = slug(rng)
		}
	}
	var calls [][2]string
	for range 6000 { // each package is asked for again and again, by its customer; all search
		k := rng.IntN(len(packages))
		path := "/packages/" + packages[k][rng.IntN(len(packages[k]))]
		if rng.IntN(5) == 0 {
			path = "/packages/search"
		}
		calls = append(calls, [2]string{fmt.Sprint("k", k), path})
	}
	got := callsOf(t, calls)
	for i, route := range got[len(got)-1000:] {
		want := "/packages/{name}"
		if path := calls[len(got)-1000+i][1]; path == "/packages/search" {
			want = path
		}
		if route != want {
			t.Fatalf("in the end %v has route %s, want %s", calls[len(got)-1000+i], route, want)
		}
	}
}

func TestProceduresThatManyKeysCallKeepTheirNames(t *testing.T) {
	rng := rand.New(rand.NewPCG(11, 12))
	var calls [][2]string
	for range 6000 { // each key calls some twenty out of a hundred
		k, n := rng.IntN(20), rune(rng.IntN(20))
		n = (n*7 + rune(k)*13) % 100
		calls = append(calls, [2]string{fmt.Sprint("k", k), fmt.Sprintf("/api/thing.method%c%c", 'a'+n%26, 'a'+n/26)})
	}
	for i, route := range callsOf(t, calls) {
		if route != calls[i][1] {
			t.Fatalf("call %d: %v has route %s", i, calls[i], route)
		}
	}
}

func TestOneKeysProceduresKeepTheirNames(t *testing.T) {
	var calls [][2]string
	for i := range 3000 {
		n := rune(i * 31 % 100)
		calls = append(calls, [2]string{"only", fmt.Sprintf("/api/thing.method%c%c", 'a'+n%26, 'a'+n/26)})
	}
	for i, route := range callsOf(t, calls) {
		if route != calls[i][1] {
			t.Fatalf("call %d: %v has route %s", i, calls[i], route)
		}
	}
}

func TestProceduresKeepTheirNames(t *testing.T) {
	for _, c := range []struct {
		procedures, lost int // of 20,000 calls
	}{{fanoutLeast - 1, 0}, {300, 400}} {
		rng := rand.New(rand.NewPCG(3, 4))
		z := rand.NewZipf(rng, 1.2, 4, uint64(c.procedures-1))
		var paths []string
		for range 20_000 {
			n := rune(z.Uint64())
			paths = append(paths, fmt.Sprintf("/api/chat.method%c%c", 'a'+n%26, 'a'+n/26))
		}
		lost := 0
		for i, route := range routes(t, 200, paths) {
			if route != paths[i] {
				lost++
			}
		}
		if lost > c.lost {
			t.Errorf("%d of 20,000 calls to %d procedures lost their names, want at most %d", lost, c.procedures, c.lost)
		}
	}
}

func TestMadeUpPathsBlurNobodysRoutes(t *testing.T) {
	rng := rand.New(rand.NewPCG(5, 6))
	var paths []string
	for range 2000 {
		paths = append(paths, "/"+slug(rng))
	}
	for i, route := range routes(t, 404, paths) {
		if route != paths[i] {
			t.Fatalf("call %d: %s has route %s", i, paths[i], route)
		}
	}
}

func TestVersionsAreNoNames(t *testing.T) {
	rng := rand.New(rand.NewPCG(7, 8))
	paths := []string{}
	for range 1000 {
		paths = append(paths, "/"+slug(rng))
	}
	got := routes(t, 200, append(paths, "/v9/items", "/2025-07/items"))
	if got[999] != "/{name}" || got[1000] != "/v9/items" {
		t.Errorf("routes end with %v", got[999:])
	}
}
