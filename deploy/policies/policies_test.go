package policies

import (
	"reflect"
	"strings"
	"testing"

	"github.com/tollkeeper/tollkeeper/detect"
)

// The example is where fields are looked up: what is not in it, nobody finds.
func TestTheExampleIsValidAndHasEveryField(t *testing.T) {
	if _, err := detect.ParsePolicies([]byte(Example)); err != nil {
		t.Fatal(err)
	}
	names := map[string]bool{}
	fields(reflect.TypeFor[detect.Policies](), names)
	if len(names) < 25 {
		t.Fatalf("only %d fields were found", len(names))
	}
	for name := range names {
		if !strings.Contains(Example, name+":") {
			t.Errorf("%s is not in it", name)
		}
	}
	for f := range detect.FamilyLatency + 1 {
		if name := f.String(); !strings.Contains(Example, name) {
			t.Errorf("family %s is not in it", name)
		}
	}
}

// fields collects the names that a file has for the fields of a type and of those inside it.
func fields(t reflect.Type, into map[string]bool) {
	for t.Kind() == reflect.Slice {
		t = t.Elem()
	}
	if t.Kind() != reflect.Struct {
		return
	}
	for i := range t.NumField() {
		f := t.Field(i)
		if name := f.Tag.Get("yaml"); name != "" && name != "-" {
			into[name] = true
			fields(f.Type, into)
		}
	}
}
