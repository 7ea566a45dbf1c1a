package api

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"mime"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"unicode/utf8"

	"github.com/getkin/kin-openapi/openapi3"
	"github.com/gin-gonic/gin"

	"github.com/tollkeeper/tollkeeper/api/gen"
)

// maxFieldProblems bounds how many wrong fields one answer names.
const maxFieldProblems = 20

// validate checks parameters and body against the description, so that a handler only sees what it may get, and bounds the
// handler's time. Problems name the field and the rule, never the value.
func (s *Server) validate(c *gin.Context) {
	op := requestOf(c).op
	problems := checkParameters(op, c)
	if len(problems) > 0 {
		s.fail(c, &Error{Code: CodeInvalidRequest, Fields: problems})
		return
	}
	if op.body != nil {
		if err := checkBody(op, c); err != nil {
			s.fail(c, err)
			return
		}
	}
	if !op.streams {
		ctx, cancel := context.WithTimeout(c.Request.Context(), op.bound)
		defer cancel()
		c.Request = c.Request.WithContext(ctx)
		c.Next()
	}
}

func checkParameters(op *operation, c *gin.Context) []gen.FieldProblem {
	var problems []gen.FieldProblem
	add := func(name, message string) {
		problems = append(problems, gen.FieldProblem{Parameter: name, Detail: message})
	}
	query := c.Request.URL.Query()
	known := make(map[string]bool, len(op.params))
	for _, p := range op.params {
		var values []string
		switch p.In {
		case openapi3.ParameterInPath:
			values = []string{c.Param(p.Name)}
		case openapi3.ParameterInQuery:
			known[p.Name] = true
			values = query[p.Name]
			if op.anyQuery && len(values) > 1 {
				values = values[:1]
			}
		case openapi3.ParameterInHeader:
			values = c.Request.Header.Values(p.Name)
		}
		switch {
		case len(values) > 1:
			add(p.Name, "is given more than once")
		case len(values) == 1:
			if p.AllowEmptyValue && values[0] == "" {
				continue
			}
			if message := checkValue(p.Schema.Value, values[0]); message != "" {
				add(p.Name, message)
			}
		case p.Required:
			add(p.Name, "is missing")
		}
	}
	if !op.anyQuery {
		for name := range query {
			if !known[name] {
				add(cut(name), "is not a parameter of this operation")
			}
		}
	}
	slices.SortStableFunc(problems, func(a, b gen.FieldProblem) int { return strings.Compare(a.Parameter, b.Parameter) })
	return problems[:min(len(problems), maxFieldProblems)]
}

// checkValue returns what is wrong with the text of a parameter, or "".
func checkValue(schema *openapi3.Schema, text string) string {
	if !utf8.ValidString(text) || strings.ContainsRune(text, 0) {
		return "must be UTF-8 text"
	}
	var value any = text
	if schema.Type.Is(openapi3.TypeInteger) {
		n, err := strconv.ParseInt(text, 10, 64)
		if err != nil {
			return "must be an integer"
		}
		value = float64(n)
	}
	if err := schema.VisitJSON(value, openapi3.EnableFormatValidation()); err != nil {
		found := fieldProblems(err)
		if len(found) == 0 {
			return "is not valid"
		}
		return found[0].Detail
	}
	return ""
}

// checkBody reads the body, checks it, and puts it back for the generated decoder.
func checkBody(op *operation, c *gin.Context) error {
	media, _, err := mime.ParseMediaType(c.GetHeader("Content-Type"))
	if err != nil || media != "application/json" {
		return &Error{Code: CodeUnsupportedMediaType, Cause: err}
	}
	raw, err := io.ReadAll(http.MaxBytesReader(c.Writer, c.Request.Body, MaxBodyBytes))
	if err != nil {
		if _, ok := errors.AsType[*http.MaxBytesError](err); ok {
			return &Error{Code: CodeBodyTooLarge, Detail: fmt.Sprintf("A body may have %d bytes.", MaxBodyBytes)}
		}
		return &Error{Code: CodeInvalidRequest, Detail: "The body ended early.", Cause: err}
	}
	if len(bytes.TrimSpace(raw)) == 0 {
		return Invalid("", "a JSON object is needed")
	}
	if !utf8.Valid(raw) {
		return Invalid("", "must be UTF-8")
	}
	dec := json.NewDecoder(bytes.NewReader(raw))
	var value any
	if err := dec.Decode(&value); err != nil {
		return Invalid("", decodeMessage(err))
	}
	if _, err := dec.Token(); !errors.Is(err, io.EOF) {
		return Invalid("", "there is more after the JSON value")
	}
	if err := op.body.VisitJSON(value, openapi3.MultiErrors(), openapi3.EnableFormatValidation(), openapi3.VisitAsRequest()); err != nil {
		problems := fieldProblems(err)
		if len(problems) == 0 {
			problems = []gen.FieldProblem{{Pointer: "#", Detail: "does not match the description"}}
		}
		return &Error{Code: CodeInvalidRequest, Fields: problems}
	}
	c.Request.Body = io.NopCloser(bytes.NewReader(raw))
	c.Set(bodyKey, raw)
	return nil
}

const bodyKey = "api.body"

// decodeMessage says where JSON is broken, not what stands there.
func decodeMessage(err error) string {
	if e, ok := errors.AsType[*json.SyntaxError](err); ok {
		return "is not JSON: broken at byte " + strconv.FormatInt(e.Offset, 10)
	}
	if e, ok := errors.AsType[*json.UnmarshalTypeError](err); ok {
		return "a value at byte " + strconv.FormatInt(e.Offset, 10) + " has the wrong type or does not fit"
	}
	if errors.Is(err, io.ErrUnexpectedEOF) {
		return "is not JSON: it ends early"
	}
	return "cannot be read"
}

// fieldProblems flattens the errors of a schema into pointers and messages.
func fieldProblems(err error) []gen.FieldProblem {
	var out []gen.FieldProblem
	var walk func(err error)
	walk = func(err error) {
		if len(out) == maxFieldProblems {
			return
		}
		if many, ok := errors.AsType[openapi3.MultiError](err); ok {
			for _, e := range many {
				walk(e)
			}
			return
		}
		e, ok := errors.AsType[*openapi3.SchemaError](err)
		if !ok {
			return
		}
		path := e.JSONPointer()
		if names := unknownFields(e); len(names) > 0 {
			for _, name := range names {
				out = append(out, gen.FieldProblem{Pointer: pointer(append(slices.Clone(path), name)), Detail: "is not a known field"})
			}
			return
		}
		out = append(out, gen.FieldProblem{Pointer: pointer(path), Detail: schemaMessage(e)})
	}
	walk(err)
	slices.SortStableFunc(out, func(a, b gen.FieldProblem) int { return strings.Compare(a.Pointer, b.Pointer) })
	out = slices.Compact(out) // the library reports an object once for each of its unknown fields
	return out[:min(len(out), maxFieldProblems)]
}

// unknownFields names what an object has beyond its schema: the library's error is about the object.
func unknownFields(e *openapi3.SchemaError) []string {
	object, ok := e.Value.(map[string]any)
	if !ok || (e.SchemaField != "properties" && e.SchemaField != "additionalProperties") {
		return nil
	}
	var names []string
	for name := range object {
		if _, known := e.Schema.Properties[name]; !known {
			names = append(names, name)
		}
	}
	slices.Sort(names)
	return names[:min(len(names), maxFieldProblems)]
}

// pointer writes a JSON Pointer as a URI fragment (RFC 6901, section 6).
func pointer(path []string) string {
	var b strings.Builder
	b.WriteByte('#')
	for _, p := range path {
		b.WriteByte('/')
		b.WriteString(cut(strings.NewReplacer("~", "~0", "/", "~1").Replace(p)))
	}
	return b.String()
}

// cut bounds a name that the caller chose before it is repeated.
func cut(name string) string {
	if len(name) > 64 {
		return strings.ToValidUTF8(name[:64], "") + "…"
	}
	return strings.ToValidUTF8(name, "�")
}

// schemaMessage writes the broken rule in our own words: the library's may quote the value.
func schemaMessage(e *openapi3.SchemaError) string {
	s := e.Schema
	number := func(n *uint64) string {
		if n == nil {
			return "0"
		}
		return strconv.FormatUint(*n, 10)
	}
	float := func(n *float64) string {
		if n == nil {
			return "0"
		}
		return strconv.FormatFloat(*n, 'f', -1, 64)
	}
	switch e.SchemaField {
	case "required":
		return "is missing"
	case "properties", "additionalProperties":
		return "is not a known field"
	case "type":
		return "must be of type " + strings.Join(s.Type.Slice(), " or ")
	case "enum":
		names := make([]string, 0, len(s.Enum))
		for _, v := range s.Enum {
			names = append(names, fmt.Sprint(v))
		}
		return "must be one of " + strings.Join(names, ", ")
	case "minLength":
		return "must have at least " + strconv.FormatUint(s.MinLength, 10) + " characters"
	case "maxLength":
		return "must have at most " + number(s.MaxLength) + " characters"
	case "pattern":
		if s.Example != nil {
			return fmt.Sprintf("must be like %v (%s)", s.Example, s.Pattern)
		}
		return "must match " + s.Pattern
	case "format":
		if s.Format == "date-time" {
			return "must be a date-time such as 2026-12-01T00:00:00Z"
		}
		return "must be a " + s.Format
	case "minimum":
		return "must be at least " + float(s.Min)
	case "maximum":
		return "must be at most " + float(s.Max)
	case "minItems":
		return "must have at least " + strconv.FormatUint(s.MinItems, 10) + " entries"
	case "maxItems":
		return "must have at most " + number(s.MaxItems) + " entries"
	case "uniqueItems":
		return "must not hold the same entry twice"
	case "minProperties":
		return "must have at least " + strconv.FormatUint(s.MinProps, 10) + " fields"
	case "maxProperties":
		return "must have at most " + number(s.MaxProps) + " fields"
	case "nullable":
		return "must not be null"
	}
	return "breaks the rule " + e.SchemaField
}
