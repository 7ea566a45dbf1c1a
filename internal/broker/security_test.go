package broker

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"math/big"
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kfake"
	"github.com/twmb/franz-go/pkg/kmsg"
)

// certificate makes one for 127.0.0.1 that vouches for itself, and the file that names it an authority.
func certificate(t *testing.T) (tls.Certificate, string) {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{
		SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "broker"}, NotAfter: time.Now().Add(time.Hour), IsCA: true, BasicConstraintsValid: true,
		IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)},
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, &key.PublicKey, key)
	if err != nil {
		t.Fatal(err)
	}
	file := filepath.Join(t.TempDir(), "ca.pem")
	if err := os.WriteFile(file, pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der}), 0o600); err != nil {
		t.Fatal(err)
	}
	return tls.Certificate{Certificate: [][]byte{der}, PrivateKey: key}, file
}

func TestTopicsAreMadeOnAClusterThatWantsTLSAndALogIn(t *testing.T) {
	own, file := certificate(t)
	c, err := kfake.NewCluster(kfake.NumBrokers(1), kfake.TLS(&tls.Config{Certificates: []tls.Certificate{own}}), kfake.EnableSASL(), kfake.EnableACLs(), kfake.SeedTopics(2, "logs"),
		kfake.Superuser("SCRAM-SHA-256", "admin", "canary 1"), kfake.Superuser("SCRAM-SHA-512", "admin", "canary 1"), kfake.Superuser("PLAIN", "admin", "canary 1"),
		kfake.User("PLAIN", "reader", "canary 1", kfake.ACL{
			Resource: kmsg.ACLResourceTypeTopic, Name: "logs", Pattern: kmsg.ACLResourcePatternTypeLiteral, Operation: kmsg.ACLOperationRead, Allow: true,
		}))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(c.Close)
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
		return EnsureTopics(t.Context(), c.ListenAddrs(), s, map[string]int{topic: 1})
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
