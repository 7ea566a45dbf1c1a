-- Which news of alerts were told to the receiver. Times are Unix milliseconds; 0 means none.
-- +goose Up

-- One row: how far the changes of alerts have been looked at, and which process sends.
CREATE TABLE notify_state (
    name       TEXT   NOT NULL PRIMARY KEY,
    cursor     BIGINT NOT NULL, -- number of the last change of an alert that was looked at
    began_at   BIGINT NOT NULL, -- what happened before is history
    holder     TEXT   NOT NULL DEFAULT '',
    held_until BIGINT NOT NULL DEFAULT 0
);

-- How much of an alert's timeline has been looked at.
CREATE TABLE notify_told (
    alert_id TEXT   NOT NULL PRIMARY KEY,
    n        BIGINT NOT NULL
);

-- Messages on their way, in order. One keeps its id until the receiver has taken it.
CREATE TABLE notify_waiting (
    n       BIGINT NOT NULL PRIMARY KEY,
    id      TEXT   NOT NULL,
    at      BIGINT NOT NULL, -- when that happened which it tells of
    message TEXT   NOT NULL,
    tries   BIGINT NOT NULL DEFAULT 0,
    refused BIGINT NOT NULL DEFAULT 0 -- how many of them the receiver refused for good
);

-- +goose Down
DROP TABLE notify_waiting;
DROP TABLE notify_told;
DROP TABLE notify_state;
