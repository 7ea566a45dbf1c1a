package deploytest

import (
	"context"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/compose-spec/compose-go/v2/loader"
	"github.com/compose-spec/compose-go/v2/types"
	"github.com/moby/buildkit/frontend/dockerfile/instructions"
	"github.com/stretchr/testify/require"
	"sigs.k8s.io/yaml"
)

// stack reads the compose file as docker compose does, its schema included.
func stack(t *testing.T) *types.Project {
	t.Helper()
	project, err := loader.LoadWithContext(context.Background(), types.ConfigDetails{
		WorkingDir: deploy(t, "compose"), ConfigFiles: []types.ConfigFile{{Filename: deploy(t, "compose", "compose.yaml")}}, Environment: types.Mapping{},
	})
	require.NoError(t, err)
	return project
}

// up runs up.sh in a copy of its folder. In the place of docker stands a script that notes what it is asked for; `compose exec` runs the
// real program beside the given server.
func up(t *testing.T, folder string, s server) (asked string) {
	t.Helper()
	bin := t.TempDir()
	notes := filepath.Join(bin, "notes")
	script := "#!/bin/sh\necho \"$*\" >>" + notes + "\ncase \"$*\" in\n'compose exec -T tollkeeper tollkeeper '*) shift 5; cd " + filepath.Dir(s.data) + " && exec " + binary + " \"$@\" ;;\nesac\n"
	require.NoError(t, os.WriteFile(filepath.Join(bin, "docker"), []byte(script), 0o700))
	require.NoError(t, os.WriteFile(filepath.Join(folder, "up.sh"), read(t, deploy(t, "compose", "up.sh")), 0o700))
	cmd := exec.Command(filepath.Join(folder, "up.sh"))
	cmd.Env = append(os.Environ(), "PATH="+bin+string(os.PathListSeparator)+os.Getenv("PATH"))
	out, err := cmd.CombinedOutput()
	require.NoError(t, err, string(out))
	require.Contains(t, string(out), "/login#", "it ends with a link to the dashboard")
	return string(read(t, notes))
}

// Every service is pinned, watches over itself, starts after what it needs, keeps its state and is reached from this machine only; no
// secret stands in the file.
func TestTheComposeFileIsFitToBeLeftRunning(t *testing.T) {
	project := stack(t)
	require.Len(t, project.Services, 6)
	for name, s := range project.Services {
		if s.Build == nil {
			require.Regexp(t, pinned, s.Image, name)
		}
		require.NotNil(t, s.HealthCheck, name)
		require.Equal(t, "unless-stopped", s.Restart, name)
		require.Contains(t, s.SecurityOpt, "no-new-privileges:true", name)
		for other, d := range s.DependsOn {
			require.Equal(t, types.ServiceConditionHealthy, d.Condition, "%s: %s", name, other)
		}
		for _, p := range s.Ports {
			require.Equal(t, "127.0.0.1", p.HostIP, name)
		}
		state := 0
		for _, v := range s.Volumes {
			if v.Type == types.VolumeTypeBind {
				_, err := os.Stat(v.Source)
				require.NoError(t, err, name)
				require.True(t, v.ReadOnly, "%s: %s", name, v.Source)
				continue
			}
			state++
		}
		require.Positive(t, state, "%s keeps nothing", name)
		for variable, value := range s.Environment {
			if strings.Contains(variable, "PASSWORD") || strings.Contains(variable, "DSN") || strings.Contains(variable, "PEPPER") {
				require.True(t, strings.HasSuffix(variable, "_FILE"), "%s: %s", name, variable)
			}
			if secret, ok := strings.CutPrefix(*value, "/run/secrets/"); ok {
				require.True(t, slices.ContainsFunc(s.Secrets, func(c types.ServiceSecretConfig) bool { return c.Source == secret }), "%s is not given %s", name, secret)
			}
		}
	}
	ours := project.Services["tollkeeper"]
	require.True(t, ours.ReadOnly)
	require.Equal(t, []string{"ALL"}, ours.CapDrop)
	require.Equal(t, "deploy/docker/Dockerfile", ours.Build.Dockerfile)
	require.Equal(t, deploy(t, ".."), ours.Build.Context)
	require.True(t, slices.ContainsFunc(stages(t), func(s instructions.Stage) bool { return s.Name == ours.Build.Target }))
	require.Greater(t, time.Duration(*ours.StopGracePeriod), 30*time.Second, "killed before its own end")
	for _, part := range []string{"kafka", "clickhouse", "postgres"} {
		require.Contains(t, ours.DependsOn, part)
	}
}

// up.sh makes each secret once, and with those the settings of the compose file are what the program takes: addresses of services that
// there are, with the passwords that these were given.
func TestTheComposeFilesSettingsAndSecretsFitTheProgramAndEachOther(t *testing.T) {
	s := serve(t)
	folder := t.TempDir()
	asked := up(t, folder, s)
	require.Equal(t, []string{
		"compose up --detach --build --wait tollkeeper",
		"compose exec -T tollkeeper tollkeeper tokens create prometheus --role viewer",
		"compose up --detach --wait",
		"compose exec -T tollkeeper tollkeeper login",
	}, strings.Split(strings.TrimSpace(asked), "\n"))
	info, err := os.Stat(filepath.Join(folder, "secrets"))
	require.NoError(t, err)
	require.Zero(t, info.Mode().Perm()&0o077, "others may look into the folder of secrets")

	project := stack(t)
	held := map[string]string{}
	for name, secret := range project.Secrets {
		file := filepath.Join(folder, "secrets", filepath.Base(secret.File))
		require.Equal(t, name, filepath.Base(file))
		info, err := os.Stat(file)
		require.NoError(t, err)
		require.Equal(t, os.FileMode(0o444), info.Mode().Perm(), "containers have users of their own")
		held[name] = strings.TrimSpace(string(read(t, file)))
		require.NotEmpty(t, held[name])
	}
	require.NotContains(t, up(t, folder, s), "tokens create", "a second start makes nothing anew")
	for name, before := range held {
		require.Equal(t, before, strings.TrimSpace(string(read(t, filepath.Join(folder, "secrets", name)))), name)
	}

	env := imageEnv(t, project.Services["tollkeeper"].Build.Target)
	for name, value := range project.Services["tollkeeper"].Environment {
		env = append(env, name+"="+strings.Replace(*value, "/run/secrets", filepath.Join(folder, "secrets"), 1))
	}
	out, errOut, code := tollkeeper(t, env, "config", "check")
	require.Zero(t, code, errOut)
	require.Equal(t, "the settings are valid\n", out)
	var settings map[string]any
	out, _, _ = tollkeeper(t, env, "config", "print")
	require.NoError(t, yaml.Unmarshal([]byte(out), &settings))
	require.Equal(t, "kafka:29092", settings["kafka"])
	require.Contains(t, *project.Services["kafka"].Environment["KAFKA_ADVERTISED_LISTENERS"], "INSIDE://kafka:29092")

	for part, want := range map[string]struct{ user, password, database string }{
		"clickhouse": {"CLICKHOUSE_USER", "clickhouse-password", "CLICKHOUSE_DB"}, "postgres": {"POSTGRES_USER", "database-password", "POSTGRES_DB"},
	} {
		dsn, err := url.Parse(held[map[string]string{"clickhouse": "clickhouse-dsn", "postgres": "database-dsn"}[part]])
		require.NoError(t, err)
		environment := project.Services[part].Environment
		password, _ := dsn.User.Password()
		require.Equal(t, part, dsn.Hostname())
		require.Equal(t, held[want.password], password)
		require.Equal(t, *environment[want.user], dsn.User.Username())
		require.Equal(t, "/"+*environment[want.database], dsn.Path)
	}

	// The token is a viewer's, which may read the metrics; and Prometheus asks where the program listens.
	require.Contains(t, s.metrics(t, held["prometheus-token"]), "tollkeeper_build_info")
	scrape := scrapeConfig(t, read(t, deploy(t, "compose", "prometheus.yaml")))
	require.Equal(t, "/run/secrets/prometheus-token", scrape.Authorization.CredentialsFile)
	require.Equal(t, []string{"tollkeeper:8080"}, scrape.StaticConfigs[0].Targets)
	require.True(t, strings.HasSuffix(settings["listen"].(string), ":8080"))
	require.Contains(t, project.Services["prometheus"].Volumes[1].Target, "/etc/prometheus/alerts.yaml", "beside the file that names it")
}
