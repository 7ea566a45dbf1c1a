package kafkatest

import (
	"fmt"
	"os"
	"strings"
	"testing"
)

// Guarded is a cluster of one node that knows its clients, on two addresses besides the open one of Nodes[0].Addr, and refuses
// strangers what they have no right to.
type Guarded struct {
	*Cluster
	Passwords    string // host:port: TLS, and a log-in by PLAIN or SCRAM
	Certificates string // host:port: TLS, and the client's own certificate
	Certificate  string // PEM file: the broker's, its authority, and the client's that it knows
	Key          string // PEM file: its key
}

// StartGuarded runs one with the users admin, who may do all, and reader, who may do nothing until it is said, both of that password.
func StartGuarded(t testing.TB, password string) *Guarded {
	t.Helper()
	g := &Guarded{}
	g.Certificate, g.Key = Certificate(t)
	ports := freePorts(t, 2)
	g.Passwords, g.Certificates = fmt.Sprintf("127.0.0.1:%d", ports[0]), fmt.Sprintf("127.0.0.1:%d", ports[1])
	users := []string{}
	for _, mechanism := range []string{"SCRAM-SHA-256", "SCRAM-SHA-512"} {
		users = append(users, "--add-scram", fmt.Sprintf(`%s=[name="admin",password="%s"]`, mechanism, password))
	}
	plain := `org.apache.kafka.common.security.plain.PlainLoginModule required user_admin="` + password + `" user_reader="` + password + `";`
	scram := "org.apache.kafka.common.security.scram.ScramLoginModule required;"
	g.Cluster = start(t, 1, func(node *Node, controller int) string {
		return strings.Join([]string{
			fmt.Sprintf("listeners=PLAINTEXT://%s,CONTROLLER://127.0.0.1:%d,PASSWORDS://%s,CERTIFICATES://%s", node.Addr, controller, g.Passwords, g.Certificates),
			fmt.Sprintf("advertised.listeners=PLAINTEXT://%s,PASSWORDS://%s,CERTIFICATES://%s", node.Addr, g.Passwords, g.Certificates),
			"listener.security.protocol.map=PLAINTEXT:PLAINTEXT,CONTROLLER:PLAINTEXT,PASSWORDS:SASL_SSL,CERTIFICATES:SSL",
			"ssl.keystore.type=PEM",
			"ssl.keystore.certificate.chain=" + oneLine(t, g.Certificate),
			"ssl.keystore.key=" + oneLine(t, g.Key),
			"ssl.truststore.type=PEM",
			"ssl.truststore.certificates=" + oneLine(t, g.Certificate),
			"listener.name.certificates.ssl.client.auth=required",
			"listener.name.passwords.sasl.enabled.mechanisms=PLAIN,SCRAM-SHA-256,SCRAM-SHA-512",
			"listener.name.passwords.plain.sasl.jaas.config=" + plain,
			"listener.name.passwords.scram-sha-256.sasl.jaas.config=" + scram,
			"listener.name.passwords.scram-sha-512.sasl.jaas.config=" + scram,
			"authorizer.class.name=org.apache.kafka.metadata.authorizer.StandardAuthorizer",
			"super.users=User:ANONYMOUS;User:admin;User:CN=broker",
		}, "\n")
	}, users...)
	return g
}

// oneLine returns a file as the value of a property.
func oneLine(t testing.TB, file string) string {
	t.Helper()
	text, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	return strings.ReplaceAll(strings.TrimSpace(string(text)), "\n", "\\n")
}
