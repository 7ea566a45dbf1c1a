package accesslog

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"slices"
	"strings"

	"go.yaml.in/yaml/v3"
)

// Mapping describes the fields of any log of JSON objects:
//
//	name: acme-gateway
//	fields:
//	  time:       {from: ts, unit: ms}            # a unit for numbers: s, ms, us, ns; without one by the number's size
//	  api_key:    headers.x-api-key               # names of nested objects, separated by dots
//	  key_id:     [consumer.id, consumer.name]    # the first that is not empty
//	  status:     http.status
//	  path:       /http/url.path                  # or a JSON pointer, for names with dots
//	  latency:    {from: took, unit: ms}          # a unit is needed
//	units:
//	  input_tokens: usage.prompt_tokens
//
// Needed are time, status and one of path, route, route_key and request_line. The others are api_key, authorization, key_id,
// user, request_id, method, host, request_bytes, response_bytes, client_ip, forwarded_for, user_agent, source and units (an
// object of names and numbers).
type Mapping struct {
	Name   string
	fields []field
}

// LoadMapping reads a mapping from a YAML file.
func LoadMapping(file string) (*Mapping, error) {
	text, err := os.ReadFile(file)
	if err != nil {
		return nil, fmt.Errorf("accesslog: mapping: %w", err)
	}
	m, err := ParseMapping(text)
	if err != nil {
		return nil, fmt.Errorf("accesslog: mapping %s: %w", file, err)
	}
	return m, nil
}

// mappingSource is one entry: a path, a list of paths, or an object with a unit.
type mappingSource struct {
	From stringList
	Unit string
}

func (s *mappingSource) UnmarshalYAML(n *yaml.Node) error {
	if n.Kind != yaml.MappingNode {
		return n.Decode(&s.From)
	}
	for i := 0; i+1 < len(n.Content); i += 2 {
		var err error
		switch name := n.Content[i].Value; name {
		case "from":
			err = n.Content[i+1].Decode(&s.From)
		case "unit":
			err = n.Content[i+1].Decode(&s.Unit)
		default:
			err = fmt.Errorf("line %d: unknown setting %q: use from and unit", n.Content[i].Line, name)
		}
		if err != nil {
			return err
		}
	}
	return nil
}

type stringList []string

func (l *stringList) UnmarshalYAML(n *yaml.Node) error {
	if n.Kind == yaml.ScalarNode {
		*l = []string{n.Value}
		return nil
	}
	var list []string
	err := n.Decode(&list)
	*l = list
	return err
}

var unitNames = map[string]unit{"": unitAuto, "s": unitSeconds, "ms": unitMillis, "us": unitMicros, "µs": unitMicros, "ns": unitNanos}

// ParseMapping reads a mapping from YAML. The error tells all that is wrong with it.
func ParseMapping(text []byte) (*Mapping, error) {
	var doc struct {
		Name   string
		Fields map[string]mappingSource
		Units  map[string]string
	}
	d := yaml.NewDecoder(bytes.NewReader(text))
	d.KnownFields(true)
	if err := d.Decode(&doc); err != nil {
		return nil, fmt.Errorf("not a mapping: %w", err)
	}
	m := &Mapping{Name: doc.Name}
	if m.Name == "" {
		m.Name = "mapping"
	}
	var wrong []error
	names := make([]string, 0, len(doc.Fields))
	for name := range doc.Fields {
		names = append(names, name)
	}
	slices.Sort(names)
	for _, name := range names {
		source := doc.Fields[name]
		to := target(slices.Index(targetNames[1:], name) + 1)
		u, unitKnown := unitNames[source.Unit]
		switch {
		case to == toNothing || to == toUnit || to == toLength || to == toWrapped:
			wrong = append(wrong, fmt.Errorf("fields.%s: there is no such field; there are %s", name, strings.Join(mappable(), ", ")))
		case !unitKnown:
			wrong = append(wrong, fmt.Errorf("fields.%s.unit: %q is none of s, ms, us, ns", name, source.Unit))
		case source.Unit != "" && to != toTime && to != toLatency:
			wrong = append(wrong, fmt.Errorf("fields.%s.unit: only time and latency have a unit", name))
		case to == toLatency && source.Unit == "":
			wrong = append(wrong, errors.New("fields.latency.unit: say s, ms, us or ns"))
		case len(source.From) == 0:
			wrong = append(wrong, fmt.Errorf("fields.%s: says no field of the log", name))
		}
		for _, path := range source.From {
			p, err := mappingPath(path)
			if err != nil {
				wrong = append(wrong, fmt.Errorf("fields.%s: %w", name, err))
			}
			m.fields = append(m.fields, field{path: p, to: to, unit: u})
		}
	}
	for _, name := range sortedKeys(doc.Units) {
		p, err := mappingPath(doc.Units[name])
		if err != nil {
			wrong = append(wrong, fmt.Errorf("units.%s: %w", name, err))
		}
		m.fields = append(m.fields, field{path: p, to: toUnit, name: []byte(name)})
	}
	wrong = append(wrong, m.missing()...)
	seen := map[string]bool{}
	for _, f := range m.fields {
		if seen[strings.ToLower(f.path)] {
			wrong = append(wrong, fmt.Errorf("the log's field %q is used twice", f.path))
		}
		seen[strings.ToLower(f.path)] = true
	}
	if len(wrong) > 0 {
		return nil, errors.Join(wrong...)
	}
	return m, nil
}

func sortedKeys(m map[string]string) []string {
	keys := make([]string, 0, len(m))
	for k := range m {
		keys = append(keys, k)
	}
	slices.Sort(keys)
	return keys
}

func (m *Mapping) missing() (wrong []error) {
	var has uint32
	for _, f := range m.fields {
		has |= 1 << f.to
	}
	if has&(1<<toTime) == 0 {
		wrong = append(wrong, errors.New("fields.time: is missing"))
	}
	if has&(1<<toStatus) == 0 {
		wrong = append(wrong, errors.New("fields.status: is missing"))
	}
	if has&(1<<toPath|1<<toRoute|1<<toRouteKey|1<<toRequest) == 0 {
		wrong = append(wrong, errors.New("fields.path: is missing, and route, route_key and request_line are too"))
	}
	return wrong
}

func mappable() []string {
	var names []string
	for i, n := range targetNames {
		if t := target(i); n != "" && t != toUnit && t != toLength && t != toWrapped {
			names = append(names, n)
		}
	}
	return names
}

// mappingPath turns dots, or a JSON pointer, into the slashes of a field's path.
func mappingPath(p string) (string, error) {
	var names []string
	if strings.HasPrefix(p, "/") {
		names = strings.Split(p[1:], "/")
	} else {
		names = strings.Split(p, ".")
	}
	for i, n := range names {
		if n == "" {
			return "", fmt.Errorf("%q has an empty name in it", p)
		}
		if strings.Contains(n, "~1") {
			return "", fmt.Errorf("%q: a name with a slash in it cannot be used", p)
		}
		names[i] = strings.ReplaceAll(n, "~0", "~")
		if strings.Contains(names[i], "/") {
			return "", fmt.Errorf("%q: a name with a slash in it cannot be used", p)
		}
	}
	return strings.Join(names, "/"), nil
}

func newMapped(c *core) (Decoder, error) {
	if c.mapping == nil {
		return nil, errors.New("accesslog: format mapping needs a mapping file: set Options.Mapping")
	}
	return newJSONDecoder(c, &jsonSpec{name: "mapping", fields: slices.Clone(c.mapping.fields)})
}
