package main

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/tollkeeper/tollkeeper/keys"
)

func TestThePepperIsExtendedWhereItIsAFile(t *testing.T) {
	dir := t.TempDir()
	path := filepath.Join(dir, "pepper")
	_, errOut, code := tollkeeper(t, "pepper", "extend", "--data", dir)
	require.Equal(t, exitUsage, code)
	require.Contains(t, errOut, dir+" holds no file named pepper")
	require.NoFileExists(t, path, "it would be another one than the server's")

	_, err := keys.LoadPepper(path)
	require.NoError(t, err)
	before, err := os.ReadFile(path)
	require.NoError(t, err)
	out, errOut, code := tollkeeper(t, "pepper", "extend", "--data", dir)
	require.Zero(t, code, errOut)
	require.Equal(t, path+" has a version 2: give it to every process on that database, then start them anew\n", out)
	after, err := os.ReadFile(path)
	require.NoError(t, err)
	require.True(t, strings.HasPrefix(string(after), string(before)), "what was hashed before is found as before")
	for _, line := range strings.Fields(string(after)) {
		if len(line) == 64 {
			require.NotContains(t, out+errOut, line)
		}
	}

	t.Setenv("TOLLKEEPER_PEPPER", strings.TrimSpace(strings.Split(string(before), "\n")[1]))
	_, errOut, code = tollkeeper(t, "pepper", "extend", "--data", dir)
	require.Equal(t, exitUsage, code)
	require.Contains(t, errOut, "pepper: is a setting here")
	same, err := os.ReadFile(path)
	require.NoError(t, err)
	require.Equal(t, after, same)
}
