-- Usage of closed hours, recomputed from the events whenever their hour is sealed; the latest version counts.
CREATE TABLE IF NOT EXISTS {{local "usage_hourly"}} {{onCluster}}
(
    hour           DateTime('UTC') CODEC(Delta, ZSTD(1)),
    key_id         String CODEC(ZSTD(1)),
    requests       UInt64 CODEC(T64, ZSTD(1)),
    errors         UInt64 CODEC(T64, ZSTD(1)),
    request_bytes  UInt64 CODEC(T64, ZSTD(1)),
    response_bytes UInt64 CODEC(T64, ZSTD(1)),
    units          Map(LowCardinality(String), UInt64) CODEC(ZSTD(1)),
    version        UInt64 CODEC(ZSTD(1))
)
ENGINE = {{engine "usage_hourly" "ReplacingMergeTree" "version"}}
PARTITION BY toYYYYMM(hour)
ORDER BY (key_id, hour);

-- Which hours are sealed. Events that were inserted after covers_until may not be in the seal.
CREATE TABLE IF NOT EXISTS {{local "usage_seals"}} {{onCluster}}
(
    hour         DateTime('UTC'),
    covers_until DateTime64(3, 'UTC'),
    version      UInt64
)
ENGINE = {{engine "usage_seals" "ReplacingMergeTree" "version"}}
ORDER BY hour;
{{distributed "usage_hourly" "sipHash64(key_id)"}}
{{distributed "usage_seals" "0"}}
