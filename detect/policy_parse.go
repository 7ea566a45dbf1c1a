package detect

import (
	"cmp"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/goccy/go-yaml"
	"github.com/goccy/go-yaml/ast"
	"github.com/goccy/go-yaml/parser"
)

// ParsePolicies reads a policy file. The error joins everything that is wrong with it, in order of lines, each with its line
// and with what to write.
func ParsePolicies(file []byte) (*Policies, error) {
	sum := sha256.Sum256(file)
	r := &policyReader{p: &Policies{Revision: hex.EncodeToString(sum[:6])}, lines: map[string]int{}}
	tree, err := parser.ParseBytes(file, 0)
	if err != nil {
		r.fail(1, err)
		return nil, r.error()
	}
	if len(tree.Docs) == 0 || tree.Docs[0].Body == nil {
		r.bad("", "the file is empty: write version: 1 and a list of policies")
		return nil, r.error()
	}
	r.read(tree.Docs[0].Body)
	r.p.check(r.bad)
	if len(r.problems) > 0 {
		return nil, r.error()
	}
	r.p.complete()
	return r.p, nil
}

// policyReader decodes a file field by field, so that one wrong field does not hide the next, and remembers where they are.
type policyReader struct {
	p        *Policies
	lines    map[string]int // by place, such as policies[0].mode
	problems []problem
}

type problem struct {
	line int
	text string
}

func (r *policyReader) error() error {
	slices.SortStableFunc(r.problems, func(a, b problem) int { return a.line - b.line })
	all := make([]error, len(r.problems))
	for i, p := range r.problems {
		all[i] = fmt.Errorf("policies: line %d: %s", p.line, p.text)
	}
	return errors.Join(all...)
}

// bad notes a problem at a place, or at the nearest one around it that is in the file.
func (r *policyReader) bad(place, format string, args ...any) {
	line, ok := r.lines[place]
	for at := place; !ok && at != ""; line, ok = r.lines[at] {
		at = at[:max(0, strings.LastIndexAny(at, ".["))]
	}
	r.problems = append(r.problems, problem{max(line, 1), fmt.Sprintf(format, args...)})
}

// fail notes an error of the YAML package.
func (r *policyReader) fail(line int, err error) {
	text := errorText(err)
	if e, ok := errors.AsType[yaml.Error](err); ok {
		if t := e.GetToken(); t != nil && t.Position != nil {
			line = t.Position.Line
		}
	}
	r.problems = append(r.problems, problem{line, text})
}

func (r *policyReader) read(root ast.Node) {
	for _, f := range r.fields("", root) {
		switch name := f.Key.String(); name {
		case "version":
			r.decode(f, r.p)
		case "caps":
			for _, cap := range r.fields("caps", f.Value) {
				r.decode(cap, &r.p.Caps)
			}
		case "policies":
			list, ok := f.Value.(*ast.SequenceNode)
			if !ok {
				r.bad(name, "policies is no list: write each policy behind a dash")
				continue
			}
			for i, node := range list.Values {
				place := fmt.Sprintf("policies[%d]", i)
				r.lines[place] = node.GetToken().Position.Line
				r.p.List = append(r.p.List, Policy{})
				r.policy(place, node, &r.p.List[i])
			}
		default:
			r.bad(name, "unknown field %q: use version, caps and policies", name)
		}
	}
}

func (r *policyReader) policy(place string, node ast.Node, q *Policy) {
	for _, f := range r.fields(place, node) {
		if list, ok := f.Value.(*ast.SequenceNode); ok && f.Key.String() == "maintenance" {
			for j, w := range list.Values {
				r.lines[fmt.Sprintf("%s.maintenance[%d]", place, j)] = w.GetToken().Position.Line
			}
		}
		r.decode(f, q)
	}
}

// fields are the entries of a mapping; their lines are remembered.
func (r *policyReader) fields(place string, node ast.Node) []*ast.MappingValueNode {
	var list []*ast.MappingValueNode
	switch n := node.(type) {
	case *ast.MappingNode:
		list = n.Values
	case *ast.MappingValueNode:
		list = []*ast.MappingValueNode{n}
	case *ast.NullNode:
	default:
		r.lines[place] = node.GetToken().Position.Line
		r.bad(place, "%s is no mapping: write fields with values", cmp.Or(place, "the file"))
	}
	for _, f := range list {
		at := f.Key.String()
		if place != "" {
			at = place + "." + at
		}
		r.lines[at] = f.Key.GetToken().Position.Line
		if place != "" && r.lines[place] == 0 {
			r.lines[place] = r.lines[at]
		}
	}
	return list
}

func (r *policyReader) decode(f *ast.MappingValueNode, to any) {
	if err := yaml.NodeToValue(f, to, yaml.Strict()); err != nil {
		if text := errorText(err); strings.HasPrefix(text, "cannot unmarshal") || strings.Contains(text, "Unmarshaler") { // it names types of Go
			err = fmt.Errorf("%s has a value of another kind than it may have", f.Key.String())
		}
		r.fail(f.Key.GetToken().Position.Line, err)
	}
}

// errorText is what the YAML package says, without its drawing of the place.
func errorText(err error) string {
	if e, ok := errors.AsType[yaml.Error](err); ok {
		return e.GetMessage()
	}
	return err.Error()
}
