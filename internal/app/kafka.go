package app

import (
	"fmt"

	"github.com/tollkeeper/tollkeeper/internal/broker"
	"github.com/tollkeeper/tollkeeper/internal/config"
)

// KafkaSecurity is how the settings want an external Kafka to be talked to. It reads the files that they name.
func KafkaSecurity(c config.Config) (s broker.Security, err error) {
	if c.KafkaTLS {
		if s.TLS, err = broker.Encryption(c.KafkaCAFile, c.KafkaCertFile, c.KafkaKeyFile); err != nil {
			return s, err
		}
	}
	if s.SASL, err = broker.Login(c.KafkaSASL, c.KafkaUser, c.KafkaPassword); err != nil {
		return s, fmt.Errorf("kafka-sasl: %w", err)
	}
	return s, nil
}
