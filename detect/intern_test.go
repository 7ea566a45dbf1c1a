package detect

import (
	"fmt"
	"testing"
)

func TestATemplateWithANameIsTakenForItsSiblingWithThePlaceholder(t *testing.T) {
	e, err := New(Config{})
	if err != nil {
		t.Fatal(err)
	}
	before := e.templateNumber("/guide/first-steps") // when nobody had learnt better
	named := e.templateNumber("/guide/{name}/comments")
	for template, want := range map[string]bool{
		"/guide/second-steps/comments": true, "/guide/{name}/comments": true, "/guide/x/y": false, "/guide/second-steps": false, "/x/comments": false,
	} {
		if got := e.templateNumber(template) == named; got != want {
			t.Errorf("%s is taken for the sibling: %v, want %v", template, got, want)
		}
	}
	if again := e.templateNumber("/guide/first-steps"); again != before {
		t.Errorf("a known template changed its number from %d to %d", before, again)
	}
}

func TestMoreTemplatesThanFitAreAllOther(t *testing.T) {
	n := newNames(10)
	for i := range 20 {
		if got := n.number(fmt.Sprint("/", i)); i < 8 && got != uint32(2+i) || i >= 8 && got != otherName {
			t.Errorf("name %d has number %d", i, got)
		}
	}
}
