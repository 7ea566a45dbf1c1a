package detect

import (
	"slices"
	"strings"
	"testing"
	"time"
)

func TestAPolicyFileIsCheckedAllAtOnceWithLines(t *testing.T) {
	file := `version: 2
caps:
  share_of_keys: 3
  suspensions_per_hour: many
  flags_per_day: -1
policys: []
policies:
- id: a
  mode: loud
  sope: {plans: [x]}
- id: a
  required_evidence: {suspend: 1}
  families: {novlty: flag}
  ttl: soon
  maintenance:
  - weekly: never
  - {from: 2026-01-02T00:00:00Z, to: 2026-01-01T00:00:00Z}
- scope: {plans: [free]}
`
	_, err := ParsePolicies([]byte(file))
	if err == nil {
		t.Fatal("a bad file was taken")
	}
	got := strings.Split(err.Error(), "\n")
	want := []string{
		"line 1: version is 2", "line 3: caps.share_of_keys is 3", "line 4: ", "line 5: caps.flags_per_day", `line 6: unknown field "policys"`, "line 8: a has no scope and hides",
		"line 9: a: mode is", `line 10: unknown field "sope"`, "line 11: a is defined twice", "line 11: a has no scope", "line 12: a: required_evidence.suspend is 1",
		"line 13: unknown family of evidence", "line 14: ", "line 16: a: maintenance[0]: weekly", "line 17: a: maintenance[1]: write from and to", "line 18: policies[2] has no id",
	}
	for _, w := range want {
		if !slices.ContainsFunc(got, func(g string) bool { return strings.HasPrefix(g, "policies: "+w) }) {
			t.Errorf("nothing says %q", w)
		}
	}
	if len(got) != len(want) {
		t.Errorf("%d problems, want %d:\n%s", len(got), len(want), err)
	}
	for field, value := range map[string]string{"protected": "{keys: [k]}", "mode": "[a]", "ttl": "[a]"} {
		_, err := ParsePolicies([]byte("version: 1\npolicies:\n- id: a\n  " + field + ": " + value + "\n"))
		if want := "policies: line 4: " + field + " has a value of another kind than it may have"; err == nil || err.Error() != want {
			t.Errorf("%v, want %s", err, want)
		}
	}
	for name, bad := range map[string]string{
		"nothing": "", "a list": "- a", "a word": "policies", "no list": "version: 1\npolicies: {id: a}", "a policy that is a word": "version: 1\npolicies: [a]",
		"no YAML": "version: 1\npolicies: [{id: a]\n", "twice": "version: 1\nversion: 1\n", "a tab": "version: 1\n\tpolicies: []",
	} {
		if _, err := ParsePolicies([]byte(bad)); err == nil || !strings.HasPrefix(err.Error(), "policies: line ") {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func TestTheRevisionOfAFileIsItsContent(t *testing.T) {
	parse := func(file string) string {
		t.Helper()
		p, err := ParsePolicies([]byte(file))
		if err != nil {
			t.Fatal(err)
		}
		return p.Revision
	}
	a, b := parse("version: 1\npolicies: [{id: a}]\n"), parse("version: 1\npolicies: [{id: b}]\n")
	if a == b || a != parse("version: 1\npolicies: [{id: a}]\n") || len(a) != 12 || DefaultPolicies().Revision != "built-in" {
		t.Errorf("revisions %q and %q", a, b)
	}
	for _, d := range newStory(12, 20).theft(3, 60, 9009, "scraper").decisions(t, Config{}) {
		if d.PolicyRevision != "built-in" {
			t.Errorf("a decision under revision %q", d.PolicyRevision)
		}
	}
}

func TestTheFirstPolicyThatFitsCounts(t *testing.T) {
	p, err := ParsePolicies([]byte(`version: 1
policies:
- {id: partner, scope: {accounts: [acme, globex], environments: [live]}}
- {id: batch, scope: {tags: [nightly, batch]}}
- {id: internal, scope: {keys: ["int_*", one]}, protected: all}
- {id: free, scope: {plans: [free]}, ttl: 2h, minimum_history: {age: 3d, requests: 50}}
- {id: rest, mode: observe}
`))
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		key  string
		a    KeyAttributes
		want string
	}{
		{"k", KeyAttributes{Account: "acme", Environment: "live"}, "partner"},
		{"k", KeyAttributes{Account: "acme", Environment: "test"}, "rest"},
		{"k", KeyAttributes{Account: "acme", Environment: "live", Tags: []string{"batch"}}, "partner"},
		{"k", KeyAttributes{Tags: []string{"web", "batch"}}, "batch"},
		{"int_7", KeyAttributes{Plan: "free"}, "internal"},
		{"one", KeyAttributes{}, "internal"},
		{"ones", KeyAttributes{}, "rest"},
		{"k", KeyAttributes{Plan: "free"}, "free"},
		{"k", KeyAttributes{Plan: "pro"}, "rest"},
	} {
		if got := p.For(c.key, func(string) KeyAttributes { return c.a }).ID; got != c.want {
			t.Errorf("%s with %+v: policy %s, want %s", c.key, c.a, got, c.want)
		}
	}
	free := p.List[3]
	if free.TTL.Duration != 2*time.Hour || free.MinHistory.Age.Duration != 72*time.Hour || free.MinHistory.Requests != 50 {
		t.Errorf("%+v", free)
	}
}

func TestMaintenanceByTheWeek(t *testing.T) {
	p, err := ParsePolicies([]byte("version: 1\npolicies: [{id: a, maintenance: [{weekly: Sat 22:00-02:00, reason: backups}]}]"))
	if err != nil {
		t.Fatal(err)
	}
	w := &p.List[0].Maintenance[0]
	for at, want := range map[string]bool{
		"2026-03-07T21:59:00Z": false, "2026-03-07T22:00:00Z": true, "2026-03-08T01:59:00Z": true, "2026-03-08T02:00:00Z": false, "2026-03-09T23:00:00Z": false,
	} {
		if m, _ := time.Parse(time.RFC3339, at); w.covers(m) != want {
			t.Errorf("%s: %v", at, !want)
		}
	}
}

func FuzzParsePolicies(f *testing.F) {
	for _, s := range []string{"version: 1\npolicies: [{id: a, scope: {plans: [x]}}, {id: b, maintenance: [{weekly: Sat 02:00-06:00}]}]", "- a", "a: [", "policies: [[]]", "caps: 1", "? a\n: b"} {
		f.Add([]byte(s))
	}
	f.Fuzz(func(t *testing.T, file []byte) {
		p, err := ParsePolicies(file)
		if (p == nil) == (err == nil) {
			t.Fatalf("policies %v, error %v", p, err)
		}
		if p != nil && !p.List[len(p.List)-1].Scope.all() {
			t.Fatal("no policy counts for the rest")
		}
	})
}
