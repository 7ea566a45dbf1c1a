-- Every policy file that was in force. Times are Unix milliseconds.
-- +goose Up
CREATE TABLE policy_revisions (
    revision TEXT   NOT NULL PRIMARY KEY, -- of the content
    content  TEXT   NOT NULL,
    first_at BIGINT NOT NULL, -- when it first came into force
    last_at  BIGINT NOT NULL, -- when it last did: the newest one is in force
    host     TEXT   NOT NULL  -- where that was
);
CREATE INDEX policy_revisions_last ON policy_revisions (last_at);

-- +goose Down
DROP TABLE policy_revisions;
