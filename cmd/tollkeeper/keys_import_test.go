package main

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/tollkeeper/tollkeeper/api/gen"
)

// readImport returns what a file holds, a line for each key, and how many keys each request would carry.
func readImport(text string) (keys []string, requests []int, err error) {
	err = eachImport(strings.NewReader(text), func(lines []int, list []gen.KeyImport, _ int64) error {
		for i, k := range list {
			keys = append(keys, fmt.Sprintf("%d: %s %s %s %s %s %v %v %v %s %v", lines[i], k.Secret, k.Name, k.AccountId, k.Environment, k.PlanId, k.Tags, k.Scopes,
				k.AllowedCidrs, instant(k.ExpiresAt), k.Metadata))
		}
		requests = append(requests, len(list))
		return nil
	})
	return keys, requests, err
}

func TestKeysAreReadFromCSVAndFromJSONLines(t *testing.T) {
	const secret = "made-elsewhere-0001"
	for _, tt := range []struct{ name, text, want, err string }{
		{"one column", "secret\n" + secret + "\n", "2: " + secret + " imported, line 2    [] [] []  map[]", ""},
		{
			"all columns, in any order", "Name, SECRET ,account_id,environment,plan_id,tags,scopes,allowed_cidrs,expires_at\r\nproduction," + secret + ",acct_1,test,pro,a; b,x:y;,203.0.113.0/24;::1,2027-01-01T00:00:00+01:00\r\n",
			"2: " + secret + " production acct_1 test pro [a b] [x:y] [203.0.113.0/24 ::1] 2026-12-31T23:00:00Z map[]", "",
		},
		{"with a mark of its encoding, and quotes", "\ufeffsecret,name\n\"" + secret + "\",\"Northwind, production\"\n", "2: " + secret + " Northwind, production    [] [] []  map[]", ""},
		{
			"JSON lines", `{"secret":"` + secret + `","name":"p","tags":["a"],"metadata":{"team":"core"}}` + "\n\n" + `{"secret":"` + secret + `"}`,
			"1: " + secret + " p    [a] [] []  map[team:core]\n3: " + secret + " imported, line 3    [] [] []  map[]", "",
		},
		{"nothing", "", "", "line 1: there is nothing to import"},
		{"no column of secrets", "key,name\n" + secret + ",p\n", "", "one of them secret"},
		{"a column that is none", "secret,owner\n" + secret + ",p\n", "", "column 2 is none of secret, name,"},
		{"no header at all", secret + "\n", "", "one of them secret"},
		{"a short row", "secret,name\n" + secret + ",p\n" + secret + "\n", "2: " + secret + " p    [] [] []  map[]", "line 3: wrong number of fields"},
		{"a quote that does not end", "secret,name\n" + secret + ",\"p\n", "", "line 2: extraneous or missing"},
		{"a day that is none", "secret,expires_at\n" + secret + ",tomorrow\n", "", "line 2: expires_at: write it as 2027-01-01T00:00:00Z"},
		{"a field that is none", `{"secret":"` + secret + `","owner":"p"}`, "", "line 1: is no JSON object with the fields of a key"},
		{"two objects on a line", `{"secret":"` + secret + `"} {"secret":"` + secret + `"}`, "", "line 1: is no JSON object"},
		{"a list", "{\"secret\":\"" + secret + "\"}\n[]\n", "1: " + secret + " imported, line 1    [] [] []  map[]", "line 2: is no JSON object"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			keys, _, err := readImport(tt.text)
			require.Equal(t, tt.want, strings.Join(keys, "\n"))
			if tt.err == "" {
				require.NoError(t, err)
				return
			}
			require.ErrorContains(t, err, tt.err)
			require.NotContains(t, err.Error(), secret)
		})
	}
}

func TestAnImportIsCutIntoRequestsThatTheServerReads(t *testing.T) {
	var small, large strings.Builder
	small.WriteString("secret\n")
	large.WriteString("secret,tags\n")
	for i := range 1201 {
		fmt.Fprintf(&small, "made-elsewhere-%04d\n", i)
		fmt.Fprintf(&large, "made-elsewhere-%04d,%s\n", i, strings.Repeat("x", 1000))
	}
	_, requests, err := readImport(small.String())
	require.NoError(t, err)
	require.Equal(t, []int{500, 500, 201}, requests)
	keys, requests, err := readImport(large.String())
	require.NoError(t, err)
	require.Len(t, keys, 1201)
	for _, n := range requests {
		require.LessOrEqual(t, n*1050, importBytes, "a key of these has some 1,080 bytes")
	}
}

func FuzzKeysImport(f *testing.F) {
	f.Add("secret,name\nmade-elsewhere-0001,p\n")
	f.Add(`{"secret":"made-elsewhere-0001","name":"p"}` + "\n")
	f.Add("\ufeff{}\n{\n")
	f.Fuzz(func(t *testing.T, text string) {
		last := 0
		_ = eachImport(strings.NewReader(text), func(lines []int, list []gen.KeyImport, _ int64) error {
			if len(lines) != len(list) || len(list) == 0 || len(list) > importKeys {
				t.Fatalf("%d lines, %d keys", len(lines), len(list))
			}
			for i, line := range lines {
				if line <= last {
					t.Fatalf("line %d after line %d", line, last)
				}
				if last = line; list[i].Name == "" {
					t.Fatal("a key without a name")
				}
			}
			return nil
		})
	})
}

// importsKeys is part of the test of the command line: it needs a server.
func importsKeys(t *testing.T, dir string) {
	t.Helper()
	file := filepath.Join(t.TempDir(), "keys.csv")
	require.NoError(t, os.WriteFile(file, []byte("secret,name,tags\nmade-elsewhere-0001,first,a;b\nshort,second,\nmade-elsewhere-0003,third,\n"), 0o600))
	out, errOut, code := tollkeeper(t, "keys", "import", "--dry-run", "--account", "acct_moved", file, "--data", dir)
	require.Equal(t, 1, code)
	require.Equal(t, "tollkeeper: 1 keys were refused\n", errOut)
	require.Equal(t, "line 3 is refused: secret: a key has 16 to 512 bytes, this one 5\n2 keys would be imported, 0 are known already, 1 are refused\n", out)
	out, _, code = tollkeeper(t, "keys", "import", "--account", "acct_moved", file, "--data", dir)
	require.Equal(t, 1, code)
	require.Contains(t, out, "2 keys were imported, 0 are known already, 1 are refused\n")
	out, _, _ = tollkeeper(t, "keys", "list", "--account", "acct_moved", "--data", dir)
	require.Contains(t, out, "first")
	require.Contains(t, out, "third")

	require.NoError(t, os.WriteFile(file, []byte(`{"secret":"made-elsewhere-0003"}`+"\n"+`{"secret":"made-elsewhere-0004"}`+"\n"), 0o600))
	out, errOut, code = tollkeeper(t, "keys", "import", "--json", file, "--data", dir)
	require.Zero(t, code, errOut)
	require.Regexp(t, `^{"dry_run":false,"imported":1,"known":1,"refused":0,"items":\[{"line":1,"key_id":"key_\w+","outcome":"known","status":"active"},{"line":2,"key_id":"key_\w+","outcome":"imported","status":"active"}\]}\n$`, out)
}
