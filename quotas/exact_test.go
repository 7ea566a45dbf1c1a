package quotas

import (
	"go/ast"
	"go/parser"
	"go/token"
	"io/fs"
	"path/filepath"
	"strings"
	"testing"
)

// TestNoFloats reads the source of quotas and everything below it: no float type, no float literal, and none of the
// decimal library's methods that go through floats or divide with a rest. Metrics, which only leave, are exempt.
func TestNoFloats(t *testing.T) {
	banned := map[string]string{
		"float32": "is a float", "float64": "is a float", "complex64": "is a float", "complex128": "is a float",
		"Float64": "makes a float", "InexactFloat64": "makes a float", "ParseFloat": "makes a float", "NewFromFloat": "takes a float",
		"NewFromFloat32": "takes a float", "NewFromFloatWithExponent": "takes a float", "Div": "may not come out", "DivRound": "may not come out",
		"Hours": "is a float; compare durations instead", "Minutes": "is a float", "Seconds": "is a float",
	}
	files := 0
	err := filepath.WalkDir(".", func(path string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() || !strings.HasSuffix(path, ".go") || strings.HasSuffix(path, "_test.go") || d.Name() == "metrics.go" {
			return err
		}
		files++
		set := token.NewFileSet()
		file, err := parser.ParseFile(set, path, nil, 0)
		if err != nil {
			return err
		}
		ast.Inspect(file, func(n ast.Node) bool {
			switch n := n.(type) {
			case *ast.Ident:
				if why, ok := banned[n.Name]; ok {
					t.Errorf("%s: %s %s", set.Position(n.Pos()), n.Name, why)
				}
			case *ast.BasicLit:
				if n.Kind == token.FLOAT || n.Kind == token.IMAG {
					t.Errorf("%s: %s is a float", set.Position(n.Pos()), n.Value)
				}
			}
			return true
		})
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	if files < 15 {
		t.Errorf("only %d files were read", files)
	}
}
