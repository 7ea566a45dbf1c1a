package api

import (
	"context"
	_ "embed"
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/getkin/kin-openapi/openapi3"

	"github.com/tollkeeper/tollkeeper/api/gen"
)

//go:embed openapi.yaml
var spec []byte

// description is openapi.yaml, read once: routes with their roles, parameters and bodies.
type description struct {
	doc        *openapi3.T
	json       []byte
	operations map[string]*operation // by "GET /v1/keys/:key_id"
}

// operation is one method of one path.
type operation struct {
	id     string
	method string
	path   string // as in the description
	roles  []string
	params []*openapi3.Parameter
	body   *openapi3.Schema // nil: none
	// anyQuery: the query belongs to somebody else, so unknown parameters are let through.
	anyQuery bool
	// unlimited operations are on the path of every call and not counted against the caller's limit.
	unlimited  bool
	idempotent bool
	streams    bool
	bound      time.Duration // of the handler's work; streams have none
}

func (op *operation) allows(role gen.Role) bool {
	return role == gen.RoleAdmin || slices.Contains(op.roles, string(role))
}

func (op *operation) roleText() string {
	return strings.Join(append([]string{string(gen.RoleAdmin)}, op.roles...), ", ")
}

func loadDescription() (*description, error) {
	loader := openapi3.NewLoader()
	doc, err := loader.LoadFromData(spec)
	if err != nil {
		return nil, fmt.Errorf("openapi.yaml: %w", err)
	}
	if err := doc.Validate(context.Background()); err != nil {
		return nil, fmt.Errorf("openapi.yaml: %w", err)
	}
	d := &description{doc: doc, operations: make(map[string]*operation)}
	if d.json, err = json.Marshal(doc); err != nil {
		return nil, fmt.Errorf("openapi.yaml: %w", err)
	}
	for path, item := range doc.Paths.Map() {
		for method, o := range item.Operations() {
			op, err := readOperation(method, path, item, o)
			if err != nil {
				return nil, fmt.Errorf("openapi.yaml: %s %s: %w", method, path, err)
			}
			d.operations[method+" "+ginPath(path)] = op
		}
	}
	return d, nil
}

func readOperation(method, path string, item *openapi3.PathItem, o *openapi3.Operation) (*operation, error) {
	op := &operation{id: o.OperationID, method: method, path: path}
	roles, ok := o.Extensions["x-roles"].([]any)
	if !ok {
		return nil, fmt.Errorf("x-roles is missing")
	}
	for _, r := range roles {
		name, _ := r.(string)
		if name != rolePublic && name != roleGateway && !gen.Role(name).Valid() {
			return nil, fmt.Errorf("x-roles: unknown role %v", r)
		}
		op.roles = append(op.roles, name)
	}
	_, op.anyQuery = o.Extensions["x-any-query"]
	for _, list := range []openapi3.Parameters{item.Parameters, o.Parameters} {
		for _, p := range list {
			op.params = append(op.params, p.Value)
			op.idempotent = op.idempotent || p.Value.Name == idempotencyHeader
		}
	}
	if o.RequestBody != nil {
		media := o.RequestBody.Value.Content.Get("application/json")
		if media == nil {
			return nil, fmt.Errorf("the body must be application/json")
		}
		op.body = media.Schema.Value
	}
	op.unlimited = slices.Contains(op.roles, rolePublic) || slices.Contains(op.roles, roleGateway) || op.id == "VerifyKey"
	op.streams = op.id == "StreamEvents"
	if op.bound = handlerBound; slices.Contains(longReads, op.id) {
		op.bound = auditBound
	}
	return op, nil
}

// longReads are operations that may read all there is.
var longReads = []string{"GetIngestAudit", "CheckAudit", "CheckStatements"}

func (d *description) find(method, ginPattern string) *operation {
	return d.operations[method+" "+ginPattern]
}

// methods returns what the description allows for a path: the operations of the pattern with the most literal segments, as
// the router, which knows a tree per method, would also name those of /v1/keys/{key_id} for /v1/keys/verify.
func (d *description) methods(path string) []string {
	var out []string
	best := -1
	segments := strings.Split(path, "/")
	for pattern, item := range d.doc.Paths.Map() {
		literal := literalMatch(strings.Split(pattern, "/"), segments)
		if literal <= best {
			continue
		}
		best, out = literal, nil
		for method := range item.Operations() {
			out = append(out, method)
		}
	}
	slices.Sort(out)
	return out
}

// literalMatch returns how many segments are equal, or -1 when the pattern does not match.
func literalMatch(pattern, path []string) int {
	if len(pattern) != len(path) {
		return -1
	}
	n := 0
	for i, p := range pattern {
		switch {
		case strings.HasPrefix(p, "{"):
		case p != path[i]:
			return -1
		default:
			n++
		}
	}
	return n
}

// ginPath writes {name} as gin does, :name.
func ginPath(path string) string {
	return strings.NewReplacer("{", ":", "}", "").Replace(path)
}
