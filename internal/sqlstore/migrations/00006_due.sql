-- What waits for a time is found by that time. With `status IN (…)` SQLite, which keeps no statistics, took the index of statuses for the
-- better one, and read all active keys every second; an inequality leaves it no choice.
-- +goose Up
DROP INDEX keys_due_suspended;
DROP INDEX keys_due_expires;
DROP INDEX keys_due_grace;
CREATE INDEX keys_due_suspended ON keys (suspended_until) WHERE suspended_until > 0 AND status <> 'revoked' AND status <> 'expired';
CREATE INDEX keys_due_expires ON keys (expires_at) WHERE expires_at > 0 AND status <> 'revoked' AND status <> 'expired';
CREATE INDEX keys_due_grace ON keys (grace_until) WHERE grace_until > 0 AND status <> 'revoked' AND status <> 'expired';

-- +goose Down
DROP INDEX keys_due_suspended;
DROP INDEX keys_due_expires;
DROP INDEX keys_due_grace;
CREATE INDEX keys_due_suspended ON keys (suspended_until) WHERE status = 'suspended' AND suspended_until > 0;
CREATE INDEX keys_due_expires ON keys (expires_at) WHERE expires_at > 0 AND status IN ('active', 'suspended');
CREATE INDEX keys_due_grace ON keys (grace_until) WHERE grace_until > 0 AND status IN ('active', 'suspended');
