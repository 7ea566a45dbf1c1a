package detect

import (
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"
)

func TestObjectsArePlaceholdersOfTheTemplateAndNothingElse(t *testing.T) {
	for _, c := range []struct {
		route, path string
		id          int64
		object      bool
	}{
		{"/v1/users/{id}", "/v1/users/42", 42, true},
		{"/v1/users/{id}/orders", "/v1/users/42/orders", 42, true},
		{"/v1/users/{id}/orders/{id}", "/v1/users/42/orders/7", 7, true},
		{"/v1/users/{id}", "/v1/users/4f0c", -1, true},
		{"/v1/users", "/v1/users", -1, false},
		{"{other}", "/v1/users/42", -1, false}, // the cap on a key's routes is reached
		{"{other}", "", -1, false},
		{"/v1/{rest}", "/v1/files/9/parts/3", -1, true},
	} {
		id, hash := objectID(c.route, []byte(c.path))
		if id != c.id || (hash != 0) != c.object {
			t.Errorf("%s as %s: id %d, object %v, want %d, %v", c.path, c.route, id, hash != 0, c.id, c.object)
		}
	}
	_, a := objectID("/v1/{rest}", []byte("/v1/files/9/parts/3"))
	_, b := objectID("/v1/{rest}", []byte("/v1/files/9/parts/4"))
	_, c := objectID("/v1/users/{id}", []byte("/v1/users/3"))
	_, d := objectID("/v1/orders/{id}", []byte("/v1/orders/3"))
	if a == b || c == d {
		t.Error("different objects have one hash")
	}
}

func TestAnObjectIsTheSameByTheShapeOfItsTemplate(t *testing.T) {
	segment := rapid.SampledFrom([]string{"v1", "users", "42", "4f0c", "", "{id}", "{name}", "a{b", "x"})
	path := func(t *rapid.T, name string) string {
		return strings.Repeat("/", rapid.IntRange(0, 1).Draw(t, "slash")) + strings.Join(rapid.SliceOfN(segment, 0, 5).Draw(t, name), "/")
	}
	rapid.Check(t, func(t *rapid.T) {
		template := path(t, "template")
		path := path(t, "path")
		if rapid.Bool().Draw(t, "of the template") {
			path = strings.NewReplacer("{id}", "7", "{name}", "bob").Replace(template) + path
		}
		e := freshEngine()
		id, hash := objectID(template, []byte(path))
		for range 2 {
			number := e.templates.number(template)
			gotID, gotHash := e.objectOf(number, template, []byte(path))
			require.Equal(t, id, gotID, "%s as %s", path, template)
			require.Equal(t, hash, gotHash, "%s as %s", path, template)
		}
		_, other := e.objectOf(e.templates.number(template), "/{of}/{another}", []byte("/a/b"))
		require.NotZero(t, other, "a template that shares the number of another has its own objects")
	})
}
