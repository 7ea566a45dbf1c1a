-- An account whose keys are all refused, as JSON; null: none is. seq is of the last such change, from the ledger "keys"; 0: never.
-- +goose Up
ALTER TABLE accounts ADD COLUMN suspension TEXT NOT NULL DEFAULT 'null';
ALTER TABLE accounts ADD COLUMN seq BIGINT NOT NULL DEFAULT 0;
CREATE INDEX accounts_seq ON accounts (seq);

-- +goose Down
DROP INDEX accounts_seq;
ALTER TABLE accounts DROP COLUMN seq;
ALTER TABLE accounts DROP COLUMN suspension;
