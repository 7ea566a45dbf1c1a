package broker

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/segmentio/kafka-go"

	"github.com/tollkeeper/tollkeeper/deploy/kafka/kafkatest"
)

func TestTopicsAreMadeOnAClusterThatWantsTLSAndALogIn(t *testing.T) {
	c := kafkatest.StartGuarded(t, "canary 1")
	file := c.Certificate
	c.CreateTopic(t, "logs", 2)
	connections := &kafka.Transport{}
	defer connections.CloseIdleConnections()
	open := kafka.Client{Addr: kafka.TCP(c.Brokers()...), Transport: connections}
	answer, err := open.CreateACLs(t.Context(), &kafka.CreateACLsRequest{ACLs: []kafka.ACLEntry{{
		Principal: "User:reader", Host: "*", PermissionType: kafka.ACLPermissionTypeAllow, Operation: kafka.ACLOperationTypeRead,
		ResourceType: kafka.ResourceTypeTopic, ResourceName: "logs", ResourcePatternType: kafka.PatternTypeLiteral,
	}}})
	if err == nil {
		err = errors.Join(answer.Errors...)
	}
	if err != nil {
		t.Fatal(err)
	}
	ensure := func(mechanism, user, password, authorities, topic string) error {
		t.Helper()
		var s Security
		var err error
		if s.SASL, err = Login(mechanism, user, password); err != nil {
			t.Fatal(err)
		}
		if s.TLS, err = Encryption(authorities, "", ""); err != nil {
			t.Fatal(err)
		}
		return EnsureTopics(t.Context(), []string{c.Passwords}, s, map[string]int{topic: 1})
	}
	for _, m := range Mechanisms {
		if err := ensure(m, "admin", "canary 1", file, "by-"+m); err != nil {
			t.Errorf("%s: %v", m, err)
		}
	}
	if err := ensure("plain", "reader", "canary 1", file, "logs"); err != nil {
		t.Errorf("a topic that is there needs no right to create it: %v", err)
	}
	for want, err := range map[string]error{
		"SASL Authentication Failed":            ensure("plain", "admin", "canary 2", file, "more"),
		"signed by unknown authority":           ensure("plain", "admin", "canary 1", "", "more"),
		"create it by hand, or allow this user": ensure("plain", "reader", "canary 1", file, "more"),
	} {
		if err == nil || !strings.Contains(err.Error(), want) || strings.Contains(err.Error(), "canary") {
			t.Errorf("error %v, want %q and no password", err, want)
		}
	}
}

func TestWhatIsWrongWithFilesAndNamesIsSaid(t *testing.T) {
	if _, err := Encryption(filepath.Join(t.TempDir(), "none.pem"), "", ""); err == nil || !strings.Contains(err.Error(), "kafka-ca-file") {
		t.Error(err)
	}
	empty := filepath.Join(t.TempDir(), "empty.pem")
	if err := os.WriteFile(empty, []byte("x"), 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := Encryption(empty, "", ""); err == nil || !strings.Contains(err.Error(), "holds no certificate") {
		t.Error(err)
	}
	if _, err := Encryption("", empty, empty); err == nil || !strings.Contains(err.Error(), "kafka-key-file") {
		t.Error(err)
	}
	if _, err := Login("gssapi", "u", "p"); err == nil {
		t.Error("an unknown mechanism is taken")
	}
	if _, err := Login("scram-sha-256", "u", "canary\x00"); err == nil || strings.Contains(err.Error(), "canary") {
		t.Errorf("error %v, want one without the password", err)
	}
}
