package main

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/tollkeeper/tollkeeper/deploy/kafka/kafkatest"
)

// With TLS and a password `ship` writes to Kafka what `serve` reads from it; with another password both say so, and neither
// shows it.
func TestAKafkaThatWantsTLSAndALogIn(t *testing.T) {
	c := kafkatest.StartGuarded(t, "canary 1")
	dir := t.TempDir()
	data := filepath.Join(dir, "data")
	settings := func(password string) []string {
		return []string{"--data", data, "--kafka", c.Passwords, "--kafka-tls", "--kafka-ca-file", c.Certificate, "--kafka-sasl", "scram-sha-512", "--kafka-user", "admin", "--kafka-password", password}
	}
	wrong := serve(t, settings("canary 2")...)
	eventually(t, 20*time.Second, func() error {
		if _, body := wrong.ready(); !strings.Contains(body, "check kafka-user, kafka-password and kafka-sasl") || strings.Contains(body, "canary") {
			return fmt.Errorf("/readyz: %s", body)
		}
		return nil
	})
	wrong.stop()
	require.NotContains(t, wrong.output(), "canary")

	s := serve(t, settings("canary 1")...)
	s.wantReady(30 * time.Second)
	file := filepath.Join(dir, "access.log")
	var lines []byte
	for i := range 20 {
		lines = fmt.Appendf(lines, "{\"time\":%q,\"request_id\":\"r-%d\",\"key_id\":\"k\",\"method\":\"GET\",\"path\":\"/\",\"status\":200}\n", time.Now().UTC().Format(time.RFC3339), i)
	}
	require.NoError(t, os.WriteFile(file, lines, 0o600))
	out, errOut, code := tollkeeper(t, append([]string{"ship", file, "--once", "--format", "tollkeeper"}, settings("canary 1")...)...)
	require.Zero(t, code, "%s%s", out, errOut)
	s.wantTotal(20)
	s.wantExact(data)
}

// A broker that knows its clients by their certificates takes the one that is set, and one without is told of.
func TestAKafkaThatWantsAClientsCertificate(t *testing.T) {
	c := kafkatest.StartGuarded(t, "canary")
	data := t.TempDir()
	settings := []string{"--data", data, "--kafka", c.Certificates, "--kafka-tls", "--kafka-ca-file", c.Certificate}

	without := serve(t, settings...)
	eventually(t, 20*time.Second, func() error {
		if _, body := without.ready(); !strings.Contains(body, "certificate") {
			return fmt.Errorf("/readyz: %s", body)
		}
		return nil
	})
	without.stop()

	settings = append(settings, "--kafka-cert-file", c.Certificate, "--kafka-key-file", c.Key)
	s := serve(t, settings...)
	s.wantReady(30 * time.Second)
	file := filepath.Join(t.TempDir(), "access.log")
	line := fmt.Sprintf("{\"time\":%q,\"request_id\":\"r\",\"key_id\":\"k\",\"method\":\"GET\",\"path\":\"/\",\"status\":200}\n", time.Now().UTC().Format(time.RFC3339))
	require.NoError(t, os.WriteFile(file, []byte(line), 0o600))
	out, errOut, code := tollkeeper(t, append([]string{"ship", file, "--once", "--format", "tollkeeper"}, settings...)...)
	require.Zero(t, code, "%s%s", out, errOut)
	s.wantTotal(1)
	s.wantExact(data)
}
