package config

import (
	"testing"

	"github.com/stretchr/testify/require"
)

func TestHowKafkaIsTalkedTo(t *testing.T) {
	for _, c := range []struct {
		name    string
		args    []string
		problem string
	}{
		{"TLS and a password", []string{"--kafka", "b:9093", "--kafka-tls", "--kafka-sasl", "scram-sha-512", "--kafka-user", "tk", "--kafka-password", "canary"}, ""},
		{"a certificate", []string{"--kafka", "b:9093", "--kafka-tls", "--kafka-cert-file", "c.pem", "--kafka-key-file", "k.pem"}, ""},
		{"no brokers", []string{"--kafka-tls"}, "kafka: is empty, but kafka-tls or kafka-sasl is set"},
		{"an unknown mechanism", []string{"--kafka", "b:9093", "--kafka-sasl", "gssapi", "--kafka-user", "tk", "--kafka-password", "canary"}, `kafka-sasl: "gssapi" is not one of`},
		{"no mechanism", []string{"--kafka", "b:9093", "--kafka-password", "canary"}, "kafka-sasl: is empty, but kafka-user or kafka-password is set"},
		{"no user", []string{"--kafka", "b:9093", "--kafka-sasl", "plain", "--kafka-password", "canary"}, "kafka-user: is empty"},
		{"no password", []string{"--kafka", "b:9093", "--kafka-sasl", "plain", "--kafka-user", "tk"}, "kafka-password: is empty"},
		{"a file, no TLS", []string{"--kafka", "b:9093", "--kafka-ca-file", "ca.pem"}, "kafka-tls: is not set"},
		{"half a certificate", []string{"--kafka", "b:9093", "--kafka-tls", "--kafka-cert-file", "c.pem"}, "kafka-cert-file: and kafka-key-file go together"},
	} {
		t.Run(c.name, func(t *testing.T) {
			got, err := load(t, nil, c.args...)
			require.NotContains(t, got.Print(), "canary")
			if c.problem == "" {
				require.NoError(t, err)
				return
			}
			require.ErrorContains(t, err, c.problem)
			require.NotContains(t, err.Error(), "canary")
		})
	}
}
