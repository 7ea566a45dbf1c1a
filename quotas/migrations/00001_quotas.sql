-- Times are Unix milliseconds, UTC; 0 means none. Bodies are JSON text with decimals as strings.
-- +goose Up
CREATE TABLE quota_plans (
    id           TEXT   NOT NULL,
    version      BIGINT NOT NULL,
    status       TEXT   NOT NULL CHECK (status IN ('draft', 'published', 'archived')),
    body         TEXT   NOT NULL,
    created_by   TEXT   NOT NULL DEFAULT '',
    created_at   BIGINT NOT NULL,
    published_at BIGINT NOT NULL DEFAULT 0,
    archived_at  BIGINT NOT NULL DEFAULT 0,
    PRIMARY KEY (id, version)
);

CREATE TABLE quota_subscriptions (
    id           TEXT   NOT NULL PRIMARY KEY,
    account_id   TEXT   NOT NULL,
    plan_id      TEXT   NOT NULL,
    plan_version BIGINT NOT NULL DEFAULT 0, -- 0: the version in effect when a period starts
    cycle        TEXT   NOT NULL DEFAULT '{}',
    starts_at    BIGINT NOT NULL,
    ends_at      BIGINT NOT NULL DEFAULT 0,
    created_by   TEXT   NOT NULL DEFAULT '',
    created_at   BIGINT NOT NULL
);
CREATE INDEX quota_subscriptions_account ON quota_subscriptions (account_id, starts_at);

-- Appended only. hash covers body and the hash of the statement before.
CREATE TABLE quota_statements (
    id            TEXT   NOT NULL PRIMARY KEY,
    seq           BIGINT NOT NULL UNIQUE,
    number        TEXT   NOT NULL UNIQUE,
    kind          TEXT   NOT NULL CHECK (kind IN ('statement', 'correction')),
    account_id    TEXT   NOT NULL,
    corrects      TEXT   NOT NULL DEFAULT '',
    period_from   BIGINT NOT NULL,
    period_to     BIGINT NOT NULL,
    currency      TEXT   NOT NULL,
    total         TEXT   NOT NULL,
    body          TEXT   NOT NULL,
    previous_hash TEXT   NOT NULL,
    hash          TEXT   NOT NULL,
    issued_at     BIGINT NOT NULL
);
CREATE INDEX quota_statements_account ON quota_statements (account_id, seq);
CREATE INDEX quota_statements_corrects ON quota_statements (corrects, seq);
CREATE UNIQUE INDEX quota_statements_once ON quota_statements (account_id, period_from) WHERE kind = 'statement';

-- Thresholds that were told of; a row is made once per subject, quota, period and percentage.
CREATE TABLE quota_notifications (
    scope       TEXT   NOT NULL,
    subject     TEXT   NOT NULL,
    quota_id    TEXT   NOT NULL,
    period_from BIGINT NOT NULL,
    percent     BIGINT NOT NULL,
    account_id  TEXT   NOT NULL,
    used        BIGINT NOT NULL,
    most        BIGINT NOT NULL,
    at          BIGINT NOT NULL,
    PRIMARY KEY (scope, subject, quota_id, period_from, percent)
);
CREATE INDEX quota_notifications_account ON quota_notifications (account_id, at);
