package broker

import (
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"os"

	"github.com/segmentio/kafka-go/sasl"
	"github.com/segmentio/kafka-go/sasl/plain"
	"github.com/segmentio/kafka-go/sasl/scram"
)

// Security is how an external cluster is talked to. Its zero value is plain text, and nobody in particular.
type Security struct {
	TLS  *tls.Config    // nil: not encrypted
	SASL sasl.Mechanism // nil: not logged in
}

// Mechanisms are those of SASL that a password is for.
var Mechanisms = []string{"plain", "scram-sha-256", "scram-sha-512"}

// Login returns the mechanism of that name; none for "".
func Login(mechanism, user, password string) (sasl.Mechanism, error) {
	switch mechanism {
	case "":
		return nil, nil
	case "plain":
		return plain.Mechanism{Username: user, Password: password}, nil
	case "scram-sha-256":
		return prepared(scram.Mechanism(scram.SHA256, user, password))
	case "scram-sha-512":
		return prepared(scram.Mechanism(scram.SHA512, user, password))
	}
	return nil, fmt.Errorf("mechanism %q is not one of %v", mechanism, Mechanisms)
}

// prepared never repeats the library's error: it is about the user's name or the password, whose characters it may show.
func prepared(m sasl.Mechanism, err error) (sasl.Mechanism, error) {
	if err != nil {
		return nil, errors.New("user or password holds a character that SCRAM does not allow")
	}
	return m, nil
}

// Encryption reads the files, each of which may be left out: the authorities that brokers' certificates are checked by (else
// the system's), and the client's own certificate with its key.
func Encryption(authorities, certificate, key string) (*tls.Config, error) {
	c := &tls.Config{MinVersion: tls.VersionTLS12}
	if authorities != "" {
		pem, err := os.ReadFile(authorities)
		if err != nil {
			return nil, fmt.Errorf("kafka-ca-file: %w", err)
		}
		c.RootCAs = x509.NewCertPool()
		if !c.RootCAs.AppendCertsFromPEM(pem) {
			return nil, fmt.Errorf("kafka-ca-file: %s holds no certificate in PEM form", authorities)
		}
	}
	if certificate != "" || key != "" {
		own, err := tls.LoadX509KeyPair(certificate, key)
		if err != nil {
			return nil, fmt.Errorf("kafka-cert-file: with kafka-key-file: %w", err)
		}
		c.Certificates = []tls.Certificate{own}
	}
	return c, nil
}
