-- Where re-keyed records were first written: by that one written twice counts once.
{{alter "events" "ADD COLUMN IF NOT EXISTS origin LowCardinality(String) CODEC(LZ4)"}};
{{alter "events" "ADD COLUMN IF NOT EXISTS origin_offset Int64 CODEC(Delta, ZSTD(1))"}};
{{alter "events" "ADD COLUMN IF NOT EXISTS origin_sub UInt16 CODEC(LZ4)"}};
-- Up to where each partition is stored, and seen of each origin: a row or a few a part, atomic with it.
ALTER TABLE {{local "events"}} {{onCluster}} ADD PROJECTION IF NOT EXISTS places
(
    SELECT plan_day, topic, partition, origin, count(), max(offset), max(toInt128(origin_offset) * 65536 + origin_sub)
    GROUP BY plan_day, topic, partition, origin
);
