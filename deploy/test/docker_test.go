package deploytest

import (
	"bytes"
	"encoding/json"
	"errors"
	"io"
	"os/exec"
	"path"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/moby/buildkit/frontend/dockerfile/instructions"
	"github.com/moby/buildkit/frontend/dockerfile/linter"
	"github.com/moby/buildkit/frontend/dockerfile/parser"
	"github.com/moby/patternmatcher"
	"github.com/moby/patternmatcher/ignorefile"
	"github.com/stretchr/testify/require"
)

// pinned is an image whose tag says which version it is, to the patch or the day.
var pinned = regexp.MustCompile(`^[a-z0-9./-]+:v?(\d+\.\d+(\.\d+)*|[a-z]+-\d{8})(-[a-z0-9]+)*$`)

func stages(t *testing.T) []instructions.Stage {
	t.Helper()
	file, err := parser.Parse(bytes.NewReader(read(t, deploy(t, "docker", "Dockerfile"))))
	require.NoError(t, err)
	require.Empty(t, file.Warnings)
	lint := linter.New(&linter.Config{Warn: func(rule, _, _, text string, _ []parser.Range) { t.Errorf("%s: %s", rule, text) }})
	all, _, err := instructions.Parse(file.AST, lint)
	require.NoError(t, err)
	return all
}

// The last of an instruction in the stages that the named one is made from, itself included.
func last[T instructions.Command](all []instructions.Stage, name string) (found T) {
	for i := len(all) - 1; i >= 0; i-- {
		if all[i].Name != name {
			continue
		}
		for _, c := range slices.Backward(all[i].Commands) {
			if c, ok := c.(T); ok {
				return c
			}
		}
		name = all[i].BaseName
	}
	return found
}

// imageEnv is the environment that the image sets, with the file of settings as it lies here.
func imageEnv(t *testing.T, image string) []string {
	t.Helper()
	env := last[*instructions.EnvCommand](stages(t), image).Env
	require.Len(t, env, 1, "all but the file is in the file, over which the environment would win")
	require.Equal(t, "TOLLKEEPER_CONFIG=/etc/tollkeeper/config.yaml", env[0].String())
	return []string{"TOLLKEEPER_CONFIG=" + deploy(t, "docker", "config.yaml")}
}

// The image is of pinned parts, runs as nobody in particular, looks after itself by the program's own command, and its settings are ones
// that the program has.
func TestTheImageIsPinnedUnprivilegedAndChecksItself(t *testing.T) {
	all := stages(t)
	seen := map[string]bool{}
	for _, s := range all {
		if !seen[s.BaseName] {
			require.Regexp(t, pinned, s.BaseName)
		}
		for _, c := range s.Commands {
			if c, ok := c.(*instructions.CopyCommand); ok && c.From != "" {
				require.True(t, seen[c.From], "%s copies from %s, which is no stage before it", s.Name, c.From)
			}
		}
		seen[s.Name] = true
	}
	require.Equal(t, "full", all[len(all)-1].Name, "what is built without --target has the engine")
	for _, image := range []string{"slim", "full"} {
		require.Regexp(t, `^[1-9]\d*:[1-9]\d*$`, last[*instructions.UserCommand](all, image).User, "a number that is not root's")
		require.Equal(t, []string{"tollkeeper"}, []string(last[*instructions.EntrypointCommand](all, image).CmdLine))
		require.Equal(t, []string{"serve"}, []string(last[*instructions.CmdCommand](all, image).CmdLine))
		require.Equal(t, []string{"CMD", "tollkeeper", "status"}, last[*instructions.HealthCheckCommand](all, image).Health.Test)
		env := imageEnv(t, image)
		out, errOut, code := tollkeeper(t, env, "config", "check")
		require.Zero(t, code, errOut)
		require.Equal(t, "the settings are valid\n", out)
		out, _, _ = tollkeeper(t, env, "config", "print")
		require.Contains(t, out, "\nlisten: 0.0.0.0:8080\n", "loopback would be the container's own")
		require.Contains(t, out, "\npublic-url: http://localhost:8080\n")
	}
	require.Equal(t, []string{"/var/lib/tollkeeper"}, last[*instructions.VolumeCommand](all, "full").Volumes)
	require.Equal(t, "/var/lib/tollkeeper", last[*instructions.WorkdirCommand](all, "full").Path, "./data is in the volume")

	gomod := string(read(t, deploy(t, "..", "go.mod")))
	want := regexp.MustCompile(`(?m)^go (\d+\.\d+)`).FindStringSubmatch(gomod)[1]
	require.True(t, strings.HasPrefix(all[0].BaseName, "golang:"+want+"."), "%s builds what go.mod wants Go %s for", all[0].BaseName, want)
	require.Contains(t, all[0].BaseName, "-bookworm")
	require.Contains(t, all[2].BaseName, "debian:bookworm-", "the program was linked with this one's C library")
}

// The container's check of itself is one that works there: in the folder that the server's own is in, without any flag.
func TestTheContainersHealthCheckKnowsAServerThatWorks(t *testing.T) {
	s := serve(t, "--listen", "0.0.0.0:0", "--format", "auto")
	check := exec.Command(binary, "status")
	check.Dir = filepath.Dir(s.data)
	out, err := check.CombinedOutput()
	require.NoError(t, err, string(out))
	check = exec.Command(binary, "status")
	check.Dir = t.TempDir()
	out, err = check.CombinedOutput()
	exit, ok := errors.AsType[*exec.ExitError](err)
	require.True(t, ok, string(out))
	require.NotZero(t, exit.ExitCode(), "no server runs here")
}

// Everything that the build reads is in its context, and nothing that is nobody's business.
func TestTheImagesContextHoldsTheSourcesAndNothingElse(t *testing.T) {
	patterns, err := ignorefile.ReadAll(bytes.NewReader(read(t, deploy(t, "docker", "Dockerfile.dockerignore"))))
	require.NoError(t, err)
	ignore, err := patternmatcher.New(patterns)
	require.NoError(t, err)
	ignored := func(name string) bool {
		t.Helper()
		no, err := ignore.MatchesOrParentMatches(name)
		require.NoError(t, err)
		return no
	}

	root := deploy(t, "..")
	list := exec.Command("go", "list", "-tags", "nomsgpack", "-deps", "-json=Dir,GoFiles,CgoFiles,SFiles,HFiles,EmbedFiles,Module", "./cmd/tollkeeper")
	list.Dir = root
	raw, err := list.Output()
	require.NoError(t, err)
	files := []string{
		"go.mod", "go.sum", "Makefile", "deploy/docker/config.yaml", "cmd/tollkeeper/default.pgo",
		"deploy/engine/fetch.sh", "deploy/engine/package.json", "deploy/engine/package-lock.json", "deploy/engine/.npmrc",
	}
	made, err := filepath.Glob(filepath.Join(root, "deploy", "make", "*.mk"))
	require.NoError(t, err)
	for _, name := range made {
		files = append(files, "deploy/make/"+filepath.Base(name))
	}
	for d := json.NewDecoder(bytes.NewReader(raw)); ; {
		var p struct {
			Dir                                           string
			GoFiles, CgoFiles, SFiles, HFiles, EmbedFiles []string
			Module                                        *struct{ Main bool }
		}
		err := d.Decode(&p)
		if errors.Is(err, io.EOF) {
			break
		}
		require.NoError(t, err)
		if p.Module == nil || !p.Module.Main {
			continue
		}
		dir, err := filepath.Rel(root, p.Dir)
		require.NoError(t, err)
		for _, name := range slices.Concat(p.GoFiles, p.CgoFiles, p.SFiles, p.HFiles, p.EmbedFiles) {
			files = append(files, path.Join(filepath.ToSlash(dir), name))
		}
	}
	require.Greater(t, len(files), 200)
	for _, name := range files {
		require.False(t, ignored(name), "%s is needed and left out", name)
	}
	for _, name := range []string{
		".git/HEAD", ".cache/engine/node_modules/x", "bin/tollkeeper", "data/pepper", "data/demo/client.json", "deploy/compose/secrets/pepper",
		"deploy/test/main_test.go", "cmd/tollkeeper/main_test.go", "api/dashboard/node_modules/x/index.js", "README.md",
	} {
		require.True(t, ignored(name), "%s is not needed", name)
	}
}
