package detect

import "testing"

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
