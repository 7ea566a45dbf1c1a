-- When detection found an episode to be over, and the verdict of people, which outlives the closing of the alert.
-- +goose Up
ALTER TABLE alerts ADD COLUMN ended_at BIGINT NOT NULL DEFAULT 0;
ALTER TABLE alerts ADD COLUMN verdict TEXT NOT NULL DEFAULT '';
UPDATE alerts SET verdict = status WHERE status IN ('confirmed', 'dismissed');
CREATE INDEX alerts_verdict ON alerts (opened_at) WHERE verdict <> '';

-- +goose Down
DROP INDEX alerts_verdict;
ALTER TABLE alerts DROP COLUMN verdict;
ALTER TABLE alerts DROP COLUMN ended_at;
