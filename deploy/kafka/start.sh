#!/bin/sh
# Starts one Apache Kafka node (KRaft, broker and controller in one) from the jars that `make kafka` fetched:
#
#     deploy/kafka/start.sh [DATA_FOLDER [PORT]]
#
# for trying things by hand; it keeps its data in the folder and stops with Ctrl-C. Not for production.
set -eu
here=$(cd "$(dirname "$0")" && pwd)
libs=$here/../../.cache/kafka
data=${1:-$here/../../.cache/kafka-data}
port=${2:-9092}
[ -e "$libs/.complete" ] || { echo "the jars of Apache Kafka are missing: run 'make kafka'" >&2; exit 2; }
command -v java >/dev/null || { echo "java is missing; on Debian: apt-get install openjdk-17-jre-headless" >&2; exit 2; }
mkdir -p "$data"
cat >"$data/node.properties" <<EOF
process.roles=broker,controller
node.id=1
controller.quorum.voters=1@127.0.0.1:$((port + 1))
listeners=PLAINTEXT://127.0.0.1:$port,CONTROLLER://127.0.0.1:$((port + 1))
advertised.listeners=PLAINTEXT://127.0.0.1:$port
listener.security.protocol.map=PLAINTEXT:PLAINTEXT,CONTROLLER:PLAINTEXT
controller.listener.names=CONTROLLER
inter.broker.listener.name=PLAINTEXT
log.dirs=$data/log
offsets.topic.replication.factor=1
transaction.state.log.replication.factor=1
transaction.state.log.min.isr=1
group.initial.rebalance.delay.ms=0
EOF
if [ ! -e "$data/log/meta.properties" ]; then
	id=$(java -cp "$libs/*" kafka.tools.StorageTool random-uuid)
	java -cp "$libs/*" kafka.tools.StorageTool format -t "$id" -c "$data/node.properties"
fi
exec java -Xmx400m -cp "$libs/*" kafka.Kafka "$data/node.properties"
