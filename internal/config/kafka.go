package config

// checkKafka looks at how an external Kafka is talked to. It never repeats the password.
func (c *Config) checkKafka(bad func(string, string, ...any), oneOf func(string, string, ...string)) {
	oneOf("kafka-sasl", c.KafkaSASL, "", "plain", "scram-sha-256", "scram-sha-512")
	if (c.KafkaTLS || c.KafkaSASL != "") && c.Kafka == "" {
		bad("kafka", "is empty, but kafka-tls or kafka-sasl is set: the embedded broker has neither; name the brokers")
	}
	switch {
	case c.KafkaSASL == "" && c.KafkaUser+c.KafkaPassword != "":
		bad("kafka-sasl", "is empty, but kafka-user or kafka-password is set; set it to how the brokers want it: plain, scram-sha-256 or scram-sha-512")
	case c.KafkaSASL != "" && c.KafkaUser == "":
		bad("kafka-user", "is empty, but kafka-sasl is set")
	case c.KafkaSASL != "" && c.KafkaPassword == "":
		bad("kafka-password", "is empty, but kafka-sasl is set; it may be in a file that TOLLKEEPER_KAFKA_PASSWORD_FILE names")
	}
	if !c.KafkaTLS && c.KafkaCAFile+c.KafkaCertFile+c.KafkaKeyFile != "" {
		bad("kafka-tls", "is not set, but a file for it is; set kafka-tls")
	}
	if (c.KafkaCertFile == "") != (c.KafkaKeyFile == "") {
		bad("kafka-cert-file", "and kafka-key-file go together; set both or none")
	}
}
