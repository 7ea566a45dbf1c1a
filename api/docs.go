package api

import (
	"bytes"
	_ "embed"
	"encoding/json"
	"fmt"
	"html/template"
	"slices"
	"strings"

	"github.com/getkin/kin-openapi/openapi3"
)

// The documentation page is made here, once, from the description: it works offline, without a script, and can show nothing
// that the server does not do. A viewer such as RapiDoc would bring 800 kB of script and a laxer content policy.

//go:embed docs.html
var docsPage string

//go:embed docs.css
var docsStyle []byte

type docsData struct {
	Title, Version string
	Intro          template.HTML
	Groups         []docsGroup
	Problems       []docsProblem
	Schemas        []docsSchema
}

type docsGroup struct {
	Name, Text string
	Operations []docsOperation
}

type docsOperation struct {
	ID, Method, Path, Summary string
	Text                      template.HTML
	Roles                     string
	Parameters                []docsField
	Body                      []docsField
	Examples                  []docsExample
	Answers                   []docsAnswer
}

type docsField struct {
	Name, Where, Type, Link, Rules string
	Required                       bool
	Text                           template.HTML
}

type docsExample struct{ Title, Text string }

type docsAnswer struct {
	Status     string
	Text       template.HTML
	Type, Link string
}

type docsProblem struct {
	Code, Title string
	Status      int
	Advice      template.HTML
}

type docsSchema struct {
	Name   string
	Text   template.HTML
	Rules  string
	Fields []docsField
}

func renderDocs(d *description) ([]byte, error) {
	page, err := template.New("docs").Parse(docsPage)
	if err != nil {
		return nil, fmt.Errorf("parse: %w", err)
	}
	data := docsData{Title: d.doc.Info.Title, Version: d.doc.Info.Version, Intro: markdown(d.doc.Info.Description)}
	for _, tag := range d.doc.Tags {
		data.Groups = append(data.Groups, docsGroup{Name: tag.Name, Text: tag.Description, Operations: d.documented(tag.Name)})
	}
	for code, m := range problems {
		data.Problems = append(data.Problems, docsProblem{Code: string(code), Title: m.Title, Status: m.Status, Advice: inline(m.Advice)})
	}
	slices.SortFunc(data.Problems, func(a, b docsProblem) int {
		if a.Status != b.Status {
			return a.Status - b.Status
		}
		return strings.Compare(a.Code, b.Code)
	})
	for name, ref := range d.doc.Components.Schemas {
		data.Schemas = append(data.Schemas, docsSchema{Name: name, Text: inline(ref.Value.Description), Rules: rules(ref.Value), Fields: fields(ref.Value)})
	}
	slices.SortFunc(data.Schemas, func(a, b docsSchema) int { return strings.Compare(a.Name, b.Name) })
	var out bytes.Buffer
	if err := page.Execute(&out, data); err != nil {
		return nil, fmt.Errorf("write: %w", err)
	}
	return out.Bytes(), nil
}

// documented returns the operations of a tag in the order of their paths.
func (d *description) documented(tag string) []docsOperation {
	var out []docsOperation
	for _, op := range d.operations {
		o := d.doc.Paths.Value(op.path).GetOperation(op.method)
		if !slices.Contains(o.Tags, tag) {
			continue
		}
		doc := docsOperation{ID: op.id, Method: op.method, Path: op.path, Summary: o.Summary, Text: markdown(o.Description), Roles: op.roleText()}
		switch {
		case slices.Contains(op.roles, rolePublic):
			doc.Roles = "anybody"
		case slices.Contains(op.roles, roleGateway):
			doc.Roles = "gateways"
		}
		for _, p := range op.params {
			f := field(p.Name, p.Schema, p.Required)
			f.Where, f.Text = p.In, inline(p.Description)
			doc.Parameters = append(doc.Parameters, f)
		}
		if op.body != nil {
			doc.Body = fields(op.body)
			doc.Examples = examples(o.RequestBody.Value.Content.Get("application/json").Examples)
		}
		doc.Answers = answers(o.Responses)
		out = append(out, doc)
	}
	slices.SortFunc(out, func(a, b docsOperation) int {
		if a.Path != b.Path {
			return strings.Compare(a.Path, b.Path)
		}
		return strings.Compare(a.Method, b.Method)
	})
	return out
}

func examples(list openapi3.Examples) []docsExample {
	var out []docsExample
	for name, e := range list {
		text, err := json.MarshalIndent(e.Value.Value, "", "  ")
		if err != nil {
			continue
		}
		title := e.Value.Summary
		if title == "" {
			title = name
		}
		out = append(out, docsExample{Title: title, Text: string(text)})
	}
	slices.SortFunc(out, func(a, b docsExample) int { return strings.Compare(a.Title, b.Title) })
	return out
}

func answers(list *openapi3.Responses) []docsAnswer {
	var out []docsAnswer
	for status, ref := range list.Map() {
		a := docsAnswer{Status: status, Text: inline(*ref.Value.Description)}
		for kind, media := range ref.Value.Content {
			a.Type = kind
			if media.Schema != nil {
				if name := refName(media.Schema.Ref); name != "" {
					a.Type, a.Link = name, "#schema-"+name
				}
			}
		}
		out = append(out, a)
	}
	slices.SortFunc(out, func(a, b docsAnswer) int { return strings.Compare(a.Status, b.Status) })
	return out
}

func fields(s *openapi3.Schema) []docsField {
	var out []docsField
	for name, ref := range s.Properties {
		out = append(out, field(name, ref, slices.Contains(s.Required, name)))
	}
	slices.SortFunc(out, func(a, b docsField) int {
		if a.Required != b.Required {
			if a.Required {
				return -1
			}
			return 1
		}
		return strings.Compare(a.Name, b.Name)
	})
	return out
}

func field(name string, ref *openapi3.SchemaRef, required bool) docsField {
	f := docsField{Name: name, Required: required, Text: inline(ref.Value.Description), Rules: rules(ref.Value)}
	f.Type = typeName(ref.Value)
	target := ref
	if ref.Value.Items != nil {
		target = ref.Value.Items
	}
	if named := refName(target.Ref); named != "" {
		f.Type, f.Link = strings.Replace(f.Type, typeName(target.Value), named, 1), "#schema-"+named
	}
	return f
}

func typeName(s *openapi3.Schema) string {
	switch {
	case s.Items != nil:
		return "list of " + typeName(s.Items.Value)
	case s.Type == nil:
		return "any"
	case s.Format == "date-time":
		return "time"
	}
	return strings.Join(s.Type.Slice(), " or ")
}

func refName(ref string) string {
	name, ok := strings.CutPrefix(ref, "#/components/schemas/")
	if !ok {
		return ""
	}
	return name
}

// rules says in words what a value must keep to.
func rules(s *openapi3.Schema) string {
	var out []string
	if len(s.Enum) > 0 {
		var names []string
		for _, v := range s.Enum {
			names = append(names, fmt.Sprint(v))
		}
		out = append(out, strings.Join(names, " | "))
	}
	if s.MaxLength != nil {
		out = append(out, fmt.Sprintf("at most %d characters", *s.MaxLength))
	}
	if s.MaxItems != nil {
		out = append(out, fmt.Sprintf("at most %d", *s.MaxItems))
	}
	if s.Min != nil && s.Max != nil {
		out = append(out, fmt.Sprintf("%v to %v", *s.Min, *s.Max))
	}
	if s.Default != nil {
		out = append(out, fmt.Sprintf("default %v", s.Default))
	}
	return strings.Join(out, ", ")
}
