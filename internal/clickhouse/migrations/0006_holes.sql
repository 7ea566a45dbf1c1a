-- Offsets at which nothing is stored, and why: the log has no record there that counts (a transaction's marker, an aborted or a
-- compacted record), or its line was refused, which is remembered longer than the dead letter is kept.
CREATE TABLE IF NOT EXISTS {{local "holes"}} {{onCluster}}
(
    plan_day    Date,
    topic       LowCardinality(String),
    epoch       LowCardinality(String),
    partition   UInt32,
    from_offset Int64,
    to_offset   Int64,
    refused     UInt8
)
ENGINE = {{engine "holes" "ReplacingMergeTree" ""}}
PARTITION BY plan_day
ORDER BY (topic, partition, from_offset, to_offset, refused, epoch)
SETTINGS {{window}}, ttl_only_drop_parts = 1;
{{distributed "holes" "sipHash64(topic, partition)"}}
