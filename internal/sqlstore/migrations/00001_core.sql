-- Times are Unix milliseconds, UTC; 0 means none. Lists and free fields are JSON text.
-- +goose Up

-- Numbers handed out in commit order, see NextSeq. hash is the head of the audit chain.
CREATE TABLE ledger (
    name TEXT   NOT NULL PRIMARY KEY,
    seq  BIGINT NOT NULL,
    hash TEXT   NOT NULL DEFAULT ''
);

CREATE TABLE settings (
    name       TEXT   NOT NULL PRIMARY KEY,
    value      TEXT   NOT NULL,
    updated_at BIGINT NOT NULL
);

CREATE TABLE accounts (
    id         TEXT   NOT NULL PRIMARY KEY,
    name       TEXT   NOT NULL,
    metadata   TEXT   NOT NULL DEFAULT '{}',
    version    BIGINT NOT NULL DEFAULT 1,
    created_at BIGINT NOT NULL,
    updated_at BIGINT NOT NULL
);
CREATE INDEX accounts_created ON accounts (created_at, id);

CREATE TABLE keys (
    id              TEXT   NOT NULL PRIMARY KEY,
    name            TEXT   NOT NULL,
    account_id      TEXT   NOT NULL,
    plan_id         TEXT   NOT NULL,
    environment     TEXT   NOT NULL CHECK (environment IN ('live', 'test')),
    source          TEXT   NOT NULL CHECK (source IN ('issued', 'imported', 'observed')),
    hash            BYTEA  UNIQUE, -- HMAC-SHA-256 of the key; none for an observed key
    pepper          BIGINT NOT NULL, -- version of the pepper that made the hash
    prefix          TEXT   NOT NULL,
    last4           TEXT   NOT NULL,
    status          TEXT   NOT NULL CHECK (status IN ('active', 'suspended', 'revoked', 'expired')),
    reason          TEXT   NOT NULL DEFAULT '',
    actor           TEXT   NOT NULL DEFAULT '',
    alert_id        TEXT   NOT NULL DEFAULT '',
    status_at       BIGINT NOT NULL,
    suspended_until BIGINT NOT NULL DEFAULT 0,
    expires_at      BIGINT NOT NULL DEFAULT 0,
    grace_until     BIGINT NOT NULL DEFAULT 0,
    rotated_from    TEXT   NOT NULL DEFAULT '',
    rotated_to      TEXT   NOT NULL DEFAULT '',
    tags            TEXT   NOT NULL DEFAULT '[]',
    scopes          TEXT   NOT NULL DEFAULT '[]',
    allowed_cidrs   TEXT   NOT NULL DEFAULT '[]',
    quarantine      TEXT   NOT NULL DEFAULT '[]',
    metadata        TEXT   NOT NULL DEFAULT '{}',
    version         BIGINT NOT NULL,
    seq             BIGINT NOT NULL, -- of the last change, from the ledger "keys"
    created_by      TEXT   NOT NULL DEFAULT '',
    created_at      BIGINT NOT NULL,
    updated_at      BIGINT NOT NULL,
    deleted_at      BIGINT NOT NULL DEFAULT 0
);
CREATE UNIQUE INDEX keys_seq ON keys (seq);
CREATE INDEX keys_created ON keys (created_at, id);
CREATE INDEX keys_account ON keys (account_id, created_at, id);
CREATE INDEX keys_due_suspended ON keys (suspended_until) WHERE status = 'suspended' AND suspended_until > 0;
CREATE INDEX keys_due_expires ON keys (expires_at) WHERE expires_at > 0 AND status IN ('active', 'suspended');
CREATE INDEX keys_due_grace ON keys (grace_until) WHERE grace_until > 0 AND status IN ('active', 'suspended');

-- Appended only. Each row's hash covers the row and the hash before it.
CREATE TABLE audit_log (
    seq         BIGINT NOT NULL PRIMARY KEY,
    at          BIGINT NOT NULL,
    actor       TEXT   NOT NULL,
    action      TEXT   NOT NULL,
    target_type TEXT   NOT NULL,
    target_id   TEXT   NOT NULL,
    account_id  TEXT   NOT NULL DEFAULT '',
    before      TEXT   NOT NULL DEFAULT '',
    after       TEXT   NOT NULL DEFAULT '',
    reason      TEXT   NOT NULL DEFAULT '',
    request_id  TEXT   NOT NULL DEFAULT '',
    details     TEXT   NOT NULL DEFAULT '{}',
    hash        TEXT   NOT NULL
);
CREATE INDEX audit_target ON audit_log (target_id, seq);
CREATE INDEX audit_account ON audit_log (account_id, seq);
CREATE INDEX audit_time ON audit_log (at);

CREATE TABLE api_tokens (
    id         TEXT   NOT NULL PRIMARY KEY,
    name       TEXT   NOT NULL,
    kind       TEXT   NOT NULL CHECK (kind IN ('token', 'session', 'link')),
    role       TEXT   NOT NULL,
    account_id TEXT   NOT NULL DEFAULT '',
    hash       BYTEA  NOT NULL UNIQUE,
    last4      TEXT   NOT NULL,
    created_by TEXT   NOT NULL DEFAULT '',
    created_at BIGINT NOT NULL,
    expires_at BIGINT NOT NULL DEFAULT 0,
    used_at    BIGINT NOT NULL DEFAULT 0,
    revoked_at BIGINT NOT NULL DEFAULT 0
);
CREATE INDEX api_tokens_created ON api_tokens (created_at, id);

CREATE TABLE alerts (
    id           TEXT   NOT NULL PRIMARY KEY,
    key_id       TEXT   NOT NULL,
    account_id   TEXT   NOT NULL DEFAULT '',
    episode      TEXT   NOT NULL,
    status       TEXT   NOT NULL CHECK (status IN ('open', 'acknowledged', 'confirmed', 'dismissed', 'closed')),
    severity     BIGINT NOT NULL, -- 1 low .. 4 critical
    action       TEXT   NOT NULL,
    title        TEXT   NOT NULL,
    sentence     TEXT   NOT NULL DEFAULT '',
    policy_id    TEXT   NOT NULL DEFAULT '',
    evidence     TEXT   NOT NULL DEFAULT 'null',
    actor        TEXT   NOT NULL DEFAULT 'null',
    findings     BIGINT NOT NULL,
    assignee     TEXT   NOT NULL DEFAULT '',
    feedback     TEXT   NOT NULL DEFAULT '',
    feedback_by  TEXT   NOT NULL DEFAULT '',
    opened_at    BIGINT NOT NULL,
    updated_at   BIGINT NOT NULL,
    closed_at    BIGINT NOT NULL DEFAULT 0,
    event_time   BIGINT NOT NULL, -- of the newest finding
    version      BIGINT NOT NULL,
    seq          BIGINT NOT NULL  -- of the last change, from the ledger "alerts"
);
CREATE UNIQUE INDEX alerts_seq ON alerts (seq);
CREATE INDEX alerts_opened ON alerts (opened_at, id);
CREATE INDEX alerts_key ON alerts (key_id, opened_at, id);
CREATE INDEX alerts_account ON alerts (account_id, opened_at, id);
CREATE UNIQUE INDEX alerts_episode ON alerts (key_id, episode) WHERE status <> 'closed';

CREATE TABLE alert_events (
    alert_id   TEXT   NOT NULL REFERENCES alerts (id),
    n          BIGINT NOT NULL, -- 1, 2, 3 within the alert
    at         BIGINT NOT NULL,
    actor      TEXT   NOT NULL,
    kind       TEXT   NOT NULL,
    text       TEXT   NOT NULL DEFAULT '',
    details    TEXT   NOT NULL DEFAULT 'null',
    finding_id TEXT   UNIQUE, -- so that a finding that is told again is not counted again
    PRIMARY KEY (alert_id, n)
);

-- What alerts have in common: the network or client of the actor, the families of evidence.
CREATE TABLE alert_facets (
    kind     TEXT NOT NULL,
    value    TEXT NOT NULL,
    alert_id TEXT NOT NULL REFERENCES alerts (id),
    PRIMARY KEY (kind, value, alert_id)
);
CREATE INDEX alert_facets_alert ON alert_facets (alert_id);

CREATE TABLE idempotency_keys (
    scope        TEXT   NOT NULL, -- who asks and for what
    name         TEXT   NOT NULL, -- the client's Idempotency-Key
    request_hash TEXT   NOT NULL,
    status       BIGINT NOT NULL, -- HTTP status of the answer; 0 while the first request runs
    answer       BYTEA,
    created_at   BIGINT NOT NULL,
    expires_at   BIGINT NOT NULL,
    PRIMARY KEY (scope, name)
);
CREATE INDEX idempotency_expires ON idempotency_keys (expires_at);

-- +goose Down
DROP TABLE idempotency_keys;
DROP TABLE alert_facets;
DROP TABLE alert_events;
DROP TABLE alerts;
DROP TABLE api_tokens;
DROP TABLE audit_log;
DROP TABLE keys;
DROP TABLE accounts;
DROP TABLE settings;
DROP TABLE ledger;
