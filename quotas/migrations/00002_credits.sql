-- +goose Up
-- Money paid in advance or given. Amounts are decimal text.
CREATE TABLE quota_grants (
    id         TEXT   NOT NULL PRIMARY KEY,
    account_id TEXT   NOT NULL,
    currency   TEXT   NOT NULL,
    amount     TEXT   NOT NULL,
    priority   BIGINT NOT NULL DEFAULT 0,
    note       TEXT   NOT NULL DEFAULT '',
    starts_at  BIGINT NOT NULL,
    expires_at BIGINT NOT NULL DEFAULT 0,
    voided_at  BIGINT NOT NULL DEFAULT 0,
    created_by TEXT   NOT NULL DEFAULT '',
    created_at BIGINT NOT NULL
);
CREATE INDEX quota_grants_account ON quota_grants (account_id, created_at, id);

-- What statements took from grants, and corrections gave back (negative).
CREATE TABLE quota_grant_uses (
    grant_id     TEXT NOT NULL REFERENCES quota_grants (id),
    statement_id TEXT NOT NULL REFERENCES quota_statements (id),
    amount       TEXT NOT NULL,
    PRIMARY KEY (grant_id, statement_id)
);
CREATE INDEX quota_grant_uses_statement ON quota_grant_uses (statement_id);
