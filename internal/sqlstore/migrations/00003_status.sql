-- Suspended and revoked keys are few among many: finding them must not read the active ones.
-- +goose Up
CREATE INDEX keys_status ON keys (status, created_at, id);

-- +goose Down
DROP INDEX keys_status;
