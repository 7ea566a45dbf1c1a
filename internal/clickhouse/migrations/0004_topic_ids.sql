-- The id that Kafka gave each topic of which rows are stored: one that was deleted and made anew has another.
CREATE TABLE IF NOT EXISTS {{local "topic_ids"}} {{onCluster}}
(
    topic     LowCardinality(String),
    partition UInt32,
    id        String,
    noted_at  DateTime64(3, 'UTC') DEFAULT now64(3, 'UTC')
)
ENGINE = {{engine "topic_ids" "ReplacingMergeTree" "noted_at"}}
ORDER BY (topic, partition);
{{distributed "topic_ids" "sipHash64(topic, partition)"}}
