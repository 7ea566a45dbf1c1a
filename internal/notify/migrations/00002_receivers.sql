-- Several receivers, each with a place of its own in the feed. What was there is that of the receiver which notify-url names.
-- +goose Up

-- What one wants to know of a receiver without looking at the log of the process that sends.
ALTER TABLE notify_state ADD COLUMN delivered_at BIGINT NOT NULL DEFAULT 0;
ALTER TABLE notify_state ADD COLUMN delivered BIGINT NOT NULL DEFAULT 0;
ALTER TABLE notify_state ADD COLUMN refused BIGINT NOT NULL DEFAULT 0;    -- messages that were passed by
ALTER TABLE notify_state ADD COLUMN problem TEXT NOT NULL DEFAULT '';     -- of the last try, '' when that was not in vain
ALTER TABLE notify_state ADD COLUMN problem_at BIGINT NOT NULL DEFAULT 0;

CREATE TABLE notify_told_each (
    receiver TEXT   NOT NULL,
    alert_id TEXT   NOT NULL,
    n        BIGINT NOT NULL,
    PRIMARY KEY (receiver, alert_id)
);
INSERT INTO notify_told_each (receiver, alert_id, n) SELECT 'alerts', alert_id, n FROM notify_told;
DROP TABLE notify_told;
ALTER TABLE notify_told_each RENAME TO notify_told;

CREATE TABLE notify_waiting_each (
    receiver TEXT   NOT NULL,
    n        BIGINT NOT NULL,
    id       TEXT   NOT NULL,
    at       BIGINT NOT NULL,
    message  TEXT   NOT NULL,
    tries    BIGINT NOT NULL DEFAULT 0,
    refused  BIGINT NOT NULL DEFAULT 0,
    PRIMARY KEY (receiver, n)
);
INSERT INTO notify_waiting_each (receiver, n, id, at, message, tries, refused) SELECT 'alerts', n, id, at, message, tries, refused FROM notify_waiting;
DROP TABLE notify_waiting;
ALTER TABLE notify_waiting_each RENAME TO notify_waiting;

-- +goose Down
DELETE FROM notify_waiting WHERE receiver <> 'alerts';
DELETE FROM notify_told WHERE receiver <> 'alerts';
DELETE FROM notify_state WHERE name <> 'alerts';
ALTER TABLE notify_waiting RENAME TO notify_waiting_each;
CREATE TABLE notify_waiting (
    n       BIGINT NOT NULL PRIMARY KEY,
    id      TEXT   NOT NULL,
    at      BIGINT NOT NULL,
    message TEXT   NOT NULL,
    tries   BIGINT NOT NULL DEFAULT 0,
    refused BIGINT NOT NULL DEFAULT 0
);
INSERT INTO notify_waiting (n, id, at, message, tries, refused) SELECT n, id, at, message, tries, refused FROM notify_waiting_each;
DROP TABLE notify_waiting_each;
ALTER TABLE notify_told RENAME TO notify_told_each;
CREATE TABLE notify_told (
    alert_id TEXT   NOT NULL PRIMARY KEY,
    n        BIGINT NOT NULL
);
INSERT INTO notify_told (alert_id, n) SELECT alert_id, n FROM notify_told_each;
DROP TABLE notify_told_each;
ALTER TABLE notify_state DROP COLUMN delivered_at;
ALTER TABLE notify_state DROP COLUMN delivered;
ALTER TABLE notify_state DROP COLUMN refused;
ALTER TABLE notify_state DROP COLUMN problem;
ALTER TABLE notify_state DROP COLUMN problem_at;
