package config

import (
	"errors"
	"fmt"
	"os"
	"reflect"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/spf13/pflag"
	"go.yaml.in/yaml/v3"
)

const envPrefix = "TOLLKEEPER_"

// otherEnv are variables with our prefix that are not settings: where settings and test data lie, and a client's token.
var otherEnv = []string{"TOLLKEEPER_SHARED", "TOLLKEEPER_CONFIG", "TOLLKEEPER_TOKEN"}

// Problem is one thing that is wrong with one setting.
type Problem struct {
	Setting string // name, as on the command line without the dashes
	Text    string // what is wrong, with which value, and what to do
}

// Error is every problem found, one line each.
type Error struct{ Problems []Problem }

func (e *Error) Error() string {
	lines := make([]string, len(e.Problems))
	for i, p := range e.Problems {
		lines[i] = p.Setting + ": " + p.Text
	}
	return strings.Join(lines, "\n")
}

// Flags adds a flag for every setting to fs, with the given defaults.
func Flags(fs *pflag.FlagSet, def Config) {
	fs.String("config", "", "YAML file with settings")
	each(&def, func(name string, f reflect.StructField, v reflect.Value) {
		help := f.Tag.Get("help")
		switch x := v.Interface().(type) {
		case string:
			fs.String(name, x, help)
		case []string:
			fs.StringSlice(name, x, help)
		case int:
			if f.Tag.Get("unit") != "" {
				fs.Var((*size)(&x), name, help)
			} else {
				fs.Int(name, x, help)
			}
		case bool:
			fs.Bool(name, x, help)
		case time.Duration:
			fs.Duration(name, x, help)
		}
	})
}

// Load reads the settings from the flags that were given, the environment, and the file that --config or
// TOLLKEEPER_CONFIG names; what none of them gives is as in def. The error is an *Error with every problem.
func Load(fs *pflag.FlagSet, environ []string, def Config) (Config, error) {
	c := def
	var problems []Problem
	env := map[string]string{}
	for _, kv := range environ {
		if k, v, ok := strings.Cut(kv, "="); ok && strings.HasPrefix(k, envPrefix) {
			env[k] = v
		}
	}
	path, _ := fs.GetString("config")
	if path == "" {
		path = env["TOLLKEEPER_CONFIG"]
	}
	if path != "" {
		problems = append(problems, c.loadFile(path)...)
	}
	problems = append(problems, c.loadEnv(env)...)
	each(&c, func(name string, field reflect.StructField, v reflect.Value) {
		f := fs.Lookup(name)
		if f == nil || !f.Changed {
			return
		}
		values := []string{f.Value.String()}
		if sv, ok := f.Value.(pflag.SliceValue); ok {
			values = sv.GetSlice()
		}
		if err := set(field, v, values); err != nil {
			problems = append(problems, Problem{name, err.Error()})
		}
	})
	problems = append(problems, c.Validate()...)
	if len(problems) > 0 {
		return c, &Error{problems}
	}
	return c, nil
}

func (c *Config) loadFile(path string) []Problem {
	raw, err := os.ReadFile(path)
	if err != nil {
		return []Problem{{"config", fmt.Sprintf("cannot read %q: %v", path, errors.Unwrap(err))}}
	}
	var file map[string]yaml.Node
	if err := yaml.Unmarshal(raw, &file); err != nil {
		return []Problem{{"config", fmt.Sprintf("%q is not a YAML mapping of settings: %v", path, err)}}
	}
	var problems []Problem
	each(c, func(name string, f reflect.StructField, v reflect.Value) {
		node, ok := file[name]
		if !ok {
			return
		}
		delete(file, name)
		values, err := fileValues(&node, v.Kind() == reflect.Slice)
		if err == nil {
			err = set(f, v, values)
		}
		if err != nil {
			problems = append(problems, Problem{name, fmt.Sprintf("%s line %d: %v", path, node.Line, err)})
		}
	})
	for name, node := range file {
		problems = append(problems, Problem{name, fmt.Sprintf("%s line %d: unknown setting%s", path, node.Line, suggest(name))})
	}
	slices.SortFunc(problems, func(a, b Problem) int { return strings.Compare(a.Setting, b.Setting) })
	return problems
}

// fileValues reads the values of a setting; one with nothing after its name is empty.
func fileValues(node *yaml.Node, list bool) ([]string, error) {
	if node.Kind == yaml.AliasNode {
		node = node.Alias
	}
	switch {
	case node.Kind == yaml.ScalarNode && node.Tag == "!!null":
		return []string{""}, nil
	case node.Kind == yaml.ScalarNode:
		return []string{node.Value}, nil
	case node.Kind != yaml.SequenceNode || !list:
		return nil, errors.New("want " + map[bool]string{true: "a list of values", false: "one value"}[list])
	}
	var values []string
	for _, n := range node.Content {
		if n.Kind != yaml.ScalarNode {
			return nil, errors.New("want a list of values")
		}
		values = append(values, n.Value)
	}
	return values, nil
}

func (c *Config) loadEnv(env map[string]string) []Problem {
	var problems []Problem
	each(c, func(name string, f reflect.StructField, v reflect.Value) {
		k := envName(name)
		if value, ok := env[k]; ok {
			delete(env, k)
			if err := set(f, v, strings.Split(value, ",")); err != nil {
				problems = append(problems, Problem{name, fmt.Sprintf("%s: %v", k, err)})
			}
		}
		// A secret may be kept in a file instead: TOLLKEEPER_DATABASE_FILE.
		if value, ok := env[k+"_FILE"]; ok && isSecret(name) {
			delete(env, k+"_FILE")
			if !v.IsZero() {
				problems = append(problems, Problem{name, k + "_FILE is set, and so is the value, in the environment or in the file of settings; leave one out"})
				return
			}
			raw, err := os.ReadFile(value)
			if err != nil {
				problems = append(problems, Problem{name, fmt.Sprintf("%s_FILE: cannot read %q: %v", k, value, errors.Unwrap(err))})
				return
			}
			v.SetString(strings.TrimSpace(string(raw)))
		}
	})
	for k := range env {
		// An orchestrator may set variables with our prefix (TOLLKEEPER_PORT), so only what looks like a slip is refused.
		name := strings.ReplaceAll(strings.ToLower(strings.TrimPrefix(k, envPrefix)), "_", "-")
		if s := suggest(name); s != "" && !slices.Contains(otherEnv, k) {
			problems = append(problems, Problem{name, k + ": unknown setting" + s})
		}
	}
	slices.SortFunc(problems, func(a, b Problem) int { return strings.Compare(a.Setting, b.Setting) })
	return problems
}

func envName(name string) string {
	return envPrefix + strings.ToUpper(strings.ReplaceAll(name, "-", "_"))
}

func each(c *Config, do func(name string, f reflect.StructField, v reflect.Value)) {
	v := reflect.ValueOf(c).Elem()
	for i := range v.NumField() {
		f := v.Type().Field(i)
		do(f.Tag.Get("setting"), f, v.Field(i))
	}
}

func isSecret(name string) (secret bool) {
	c := Default()
	each(&c, func(n string, f reflect.StructField, _ reflect.Value) {
		secret = secret || n == name && f.Tag.Get("secret") != ""
	})
	return secret
}

func set(f reflect.StructField, v reflect.Value, values []string) error {
	if v.Kind() == reflect.Slice {
		out := make([]string, 0, len(values))
		for _, s := range values {
			if s = strings.TrimSpace(s); s != "" {
				out = append(out, s)
			}
		}
		v.Set(reflect.ValueOf(out))
		return nil
	}
	s := strings.Join(values, ",")
	switch v.Interface().(type) {
	case string:
		v.SetString(s)
	case int:
		if f.Tag.Get("unit") != "" {
			var n size
			if err := n.Set(s); err != nil {
				return fmt.Errorf("%q %w", s, err)
			}
			v.SetInt(int64(n))
			return nil
		}
		n, err := strconv.Atoi(s)
		if err != nil {
			return fmt.Errorf("%q is not a whole number", s)
		}
		v.SetInt(int64(n))
	case bool:
		b, err := strconv.ParseBool(s)
		if err != nil {
			return fmt.Errorf("%q is neither true nor false", s)
		}
		v.SetBool(b)
	case time.Duration:
		d, err := time.ParseDuration(s)
		if err != nil {
			return fmt.Errorf("%q is not a duration such as 15m", s)
		}
		v.SetInt(int64(d))
	}
	return nil
}

// suggest names the setting that a wrong name was probably meant to be, or nothing.
func suggest(name string) string {
	best, at := "", 3
	c := Default()
	each(&c, func(n string, _ reflect.StructField, _ reflect.Value) {
		if d := distance(n, name); d < at && d < len(n)/2+1 {
			best, at = n, d
		}
	})
	if best == "" {
		return ""
	}
	return fmt.Sprintf("; did you mean %s?", best)
}

// distance is the number of single-letter edits between a and b (Levenshtein).
func distance(a, b string) int {
	row := make([]int, len(b)+1)
	for j := range row {
		row[j] = j
	}
	for i := 1; i <= len(a); i++ {
		diagonal := row[0]
		row[0] = i
		for j := 1; j <= len(b); j++ {
			cost := 1
			if a[i-1] == b[j-1] {
				cost = 0
			}
			diagonal, row[j] = row[j], min(row[j]+1, row[j-1]+1, diagonal+cost)
		}
	}
	return row[len(b)]
}
