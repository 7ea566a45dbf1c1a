package clickhouse

import (
	"context"

	ch "github.com/ClickHouse/clickhouse-go/v2"
)

// TopicID returns the id under which Kafka knew the topic whose rows of a partition are stored under that name; "" when none
// was noted.
func (db *DB) TopicID(ctx context.Context, topic string, partition int32) (string, error) {
	ctx, cancel := withTimeout(ctx, QueryTimeout)
	defer cancel()
	var id string
	err := db.conn.QueryRow(ctx, "SELECT argMax(id, noted_at) FROM topic_ids WHERE topic = {topic:String} AND partition = {partition:UInt32}",
		ch.Named("topic", topic), ch.Named("partition", uint32(partition))).Scan(&id)
	return id, wrap("ask for a topic's id", err)
}

// NoteTopicID notes it. Repeating it changes nothing.
func (db *DB) NoteTopicID(ctx context.Context, topic string, partition int32, id string) error {
	ctx, cancel := withTimeout(ctx, InsertTimeout)
	defer cancel()
	return wrap("note a topic's id", db.conn.Exec(ctx, "INSERT INTO topic_ids (topic, partition, id) SELECT {topic:String}, {partition:UInt32}, {id:String}",
		ch.Named("topic", topic), ch.Named("partition", uint32(partition)), ch.Named("id", id)))
}
