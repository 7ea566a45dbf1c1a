-- What detection did, for the caps on it. Times are Unix milliseconds.
-- +goose Up
CREATE TABLE budget_spent (
    id     TEXT   NOT NULL PRIMARY KEY, -- of the decision, so that a repeated one is not counted again
    kind   TEXT   NOT NULL CHECK (kind IN ('suspension', 'flag')),
    key_id TEXT   NOT NULL,
    at     BIGINT NOT NULL
);
CREATE INDEX budget_spent_at ON budget_spent (kind, at);

-- +goose Down
DROP TABLE budget_spent;
