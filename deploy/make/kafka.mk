# Apache Kafka's jars (54 MB, from Maven Central) for the tests against the real broker.
KAFKA_LIBS := .cache/kafka

.PHONY: kafka
kafka: $(KAFKA_LIBS)/.complete ## fetch Apache Kafka's jars for the tests against the real broker

$(KAFKA_LIBS)/.complete: deploy/kafka/pom.xml
	@command -v mvn >/dev/null || { echo "make kafka: Maven is missing; on Debian: apt-get install maven openjdk-17-jre-headless" >&2; exit 1; }
	rm -rf $(KAFKA_LIBS)
	mvn -q -B -f deploy/kafka/pom.xml dependency:copy-dependencies -DoutputDirectory=$(CURDIR)/$(KAFKA_LIBS)
	touch $@
