-- Which content of the policy file an alert's newest finding was judged by.
-- +goose Up
ALTER TABLE alerts ADD COLUMN policy_revision TEXT NOT NULL DEFAULT '';

-- +goose Down
ALTER TABLE alerts DROP COLUMN policy_revision;
