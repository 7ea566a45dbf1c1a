-- +goose Up
ALTER TABLE keys ADD COLUMN throttle TEXT NOT NULL DEFAULT 'null';

-- +goose Down
ALTER TABLE keys DROP COLUMN throttle;
