-- When something on an alert's timeline happened by the access log's clock; 0 where it is of people, or older than this column.
-- +goose Up
ALTER TABLE alert_events ADD COLUMN event_at BIGINT NOT NULL DEFAULT 0;

-- +goose Down
ALTER TABLE alert_events DROP COLUMN event_at;
