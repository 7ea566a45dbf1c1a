-- One row per API call. A record counts unless bit 2 of flags (a gateway's own retry) is set.
-- ZSTD where there is something to gain: 39 bytes a row instead of 72, for a twentieth more of the processor, merges included.
-- The plan's day, not the call's, is the partition: it is one for a whole block, so a block is one part and atomic.
CREATE TABLE IF NOT EXISTS {{local "events"}} {{onCluster}}
(
    plan_day       Date CODEC(ZSTD(1)),
    time           DateTime64(3, 'UTC') CODEC(Delta, ZSTD(1)),
    key_id         String CODEC(ZSTD(1)),
    source         LowCardinality(String) CODEC(LZ4),
    request_id     String CODEC(ZSTD(1)),
    method         LowCardinality(String) CODEC(LZ4),
    host           LowCardinality(String) CODEC(LZ4),
    route          LowCardinality(String) CODEC(ZSTD(1)),
    path           String CODEC(ZSTD(1)),
    status         UInt16 CODEC(LZ4),
    latency_us     UInt32 CODEC(ZSTD(1)),
    request_bytes  UInt64 CODEC(ZSTD(1)),
    response_bytes UInt64 CODEC(ZSTD(1)),
    client_ip      IPv6 CODEC(ZSTD(1)),
    country        LowCardinality(String) CODEC(LZ4),
    asn            UInt32 CODEC(ZSTD(1)),
    user_agent     LowCardinality(String) CODEC(ZSTD(1)),
    agent          LowCardinality(String) CODEC(LZ4),
    units          Map(LowCardinality(String), UInt64) CODEC(ZSTD(1)),
    flags          UInt8 CODEC(LZ4),
    topic          LowCardinality(String) CODEC(LZ4),
    epoch          LowCardinality(String) CODEC(LZ4),
    partition      UInt32 CODEC(LZ4),
    offset         Int64 CODEC(Delta, ZSTD(1)),
    sub            UInt16 CODEC(LZ4),
    inserted_at    DateTime64(3, 'UTC') MATERIALIZED now64(3, 'UTC') CODEC(Delta, ZSTD(1)),
    INDEX ix_offset offset TYPE minmax GRANULARITY 4,
    INDEX ix_time time TYPE minmax GRANULARITY 4,
    INDEX ix_inserted inserted_at TYPE minmax GRANULARITY 4,
    -- Which hours there are events of and when the last one came: a few rows a part, atomic with it.
    PROJECTION hours (SELECT toStartOfHour(time), count(), max(inserted_at) GROUP BY toStartOfHour(time))
)
ENGINE = {{engine "events" "MergeTree" ""}}
PARTITION BY plan_day
ORDER BY (key_id, time)
-- A block's part is written as one file of columns, which halves the cost of an insert; merges make it wide.
SETTINGS {{window}}, ttl_only_drop_parts = 1, min_bytes_for_wide_part = 134217728;

-- Log lines that could not be decoded. Written before the events of the same block, and idempotent by their place.
CREATE TABLE IF NOT EXISTS {{local "dead_letters"}} {{onCluster}}
(
    plan_day  Date,
    time      DateTime64(3, 'UTC'),
    topic     LowCardinality(String),
    epoch     LowCardinality(String),
    partition UInt32,
    offset    Int64,
    sub       UInt16,
    source    LowCardinality(String),
    format    LowCardinality(String),
    reason    LowCardinality(String),
    detail    String CODEC(ZSTD(1)),
    line      String CODEC(ZSTD(1)),
    bytes     UInt32
)
ENGINE = {{engine "dead_letters" "ReplacingMergeTree" ""}}
PARTITION BY plan_day
ORDER BY (topic, partition, offset, sub, epoch)
SETTINGS {{window}}, ttl_only_drop_parts = 1;

-- Offsets that were lost before they could be read.
CREATE TABLE IF NOT EXISTS {{local "gaps"}} {{onCluster}}
(
    time        DateTime64(3, 'UTC'),
    topic       LowCardinality(String),
    partition   UInt32,
    from_offset Int64,
    to_offset   Int64,
    reason      String
)
ENGINE = {{engine "gaps" "ReplacingMergeTree" ""}}
ORDER BY (topic, partition, from_offset, to_offset, reason);
{{distributed "events" "sipHash64(topic, partition)"}}
{{distributed "dead_letters" "sipHash64(topic, partition)"}}
{{distributed "gaps" "sipHash64(topic, partition)"}}
