// Package audit is the trail of who changed what, when and why. Rows are appended in the transaction of the change itself,
// so there is no change without a row and no row without a change.
//
// The trail is tamper-evident: every row carries an HMAC over its own content and the HMAC of the row before, under a key
// that is derived from the pepper file and so is not in the database; the ledger holds an HMAC of where the trail ends, and of
// where it begins once [Log.Expire] deleted rows for their age. [Log.Verify] finds a row that was changed, removed, inserted or
// moved, and rows cut off at either end. Two things it cannot
// find: what somebody does who holds the pepper file too, and the whole database put back to an earlier copy of itself,
// unless it is given a [Head] that was noted elsewhere since. No row may hold a secret: callers put ids, never keys, into it.
package audit

import (
	"context"
	"crypto/hmac"
	"crypto/sha256"
	"database/sql"
	"encoding/binary"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/tollkeeper/tollkeeper/internal/sqlstore"
)

// Entry is one row.
type Entry struct {
	Seq        int64     // from 1, without gaps; the oldest may have been deleted
	At         time.Time // millisecond precision
	Actor      string    // user:<name>, detector:<id>, api or system:<part>
	Action     string    // key.suspend, alert.dismiss, ...
	TargetType string    // key, account, alert, token, ...
	TargetID   string
	AccountID  string
	Before     string // status before
	After      string // status after
	Reason     string
	RequestID  string
	Details    json.RawMessage // an object, or nil
	Hash       string          // hex
}

// Log appends to and reads the trail. It is safe for concurrent use.
type Log struct{ secret []byte }

// New returns a log whose chain is keyed with secret.
func New(secret []byte) *Log { return &Log{secret: secret} }

const ledger = "audit"

// Append writes entries in order; their Seq and Hash are set here. It locks the audit ledger until the transaction ends,
// so call it last.
func (l *Log) Append(ctx context.Context, tx *sql.Tx, entries ...Entry) error {
	if len(entries) == 0 {
		return nil
	}
	last, err := sqlstore.NextSeq(ctx, tx, ledger, len(entries))
	if err != nil {
		return err
	}
	var head string
	err = tx.QueryRowContext(ctx, `SELECT hash FROM audit_log WHERE seq = $1`, last-int64(len(entries))).Scan(&head)
	if err != nil && !errors.Is(err, sql.ErrNoRows) { // none: the first rows, or a trail that Verify will call broken
		return fmt.Errorf("read the head of the audit trail: %w", err)
	}
	const table = `audit_log (seq, at, actor, action, target_type, target_id, account_id, before, after, reason, request_id, details, hash)`
	err = sqlstore.InsertRows(ctx, tx, table, 13, len(entries), func(i int) ([]any, error) {
		e := entries[i]
		e.Seq = last - int64(len(entries)) + 1 + int64(i)
		if len(e.Details) == 0 {
			e.Details = json.RawMessage("{}")
		}
		head = l.chain(head, &e)
		return []any{
			e.Seq, sqlstore.Millis(e.At), e.Actor, e.Action, e.TargetType, e.TargetID, e.AccountID, e.Before,
			e.After, e.Reason, e.RequestID, string(e.Details), head,
		}, nil
	})
	if err != nil {
		return fmt.Errorf("append to the audit trail: %w", err)
	}
	if _, err := tx.ExecContext(ctx, `UPDATE ledger SET hash = $1 WHERE name = $2`, l.seal("head", Head{last, head}), ledger); err != nil {
		return fmt.Errorf("set the head of the audit trail: %w", err)
	}
	return nil
}

// Head names the end of the trail at some time. Noted outside the database, in a log or on paper, it proves later that the
// trail up to there is still the one it was.
type Head struct {
	Seq  int64
	Hash string
}

// String writes h as it is noted: the row's number, a colon, its hash.
func (h Head) String() string { return strconv.FormatInt(h.Seq, 10) + ":" + h.Hash }

// ParseHead reads what [Head.String] wrote.
func ParseHead(s string) (Head, error) {
	number, hash, _ := strings.Cut(s, ":")
	seq, err := strconv.ParseInt(number, 10, 64)
	if raw, wrong := hex.DecodeString(hash); err != nil || seq < 1 || wrong != nil || len(raw) != sha256.Size {
		return Head{}, fmt.Errorf("%.100q does not name an entry of the audit trail: give its number, a colon and its hash of 64 hexadecimal digits, as it was noted", s)
	}
	return Head{seq, hash}, nil
}

// Head returns the end of the trail, the zero Head when it is empty.
func (l *Log) Head(ctx context.Context, q sqlstore.Querier) (Head, error) {
	var h Head
	err := q.QueryRowContext(ctx, `SELECT seq, hash FROM audit_log ORDER BY seq DESC LIMIT 1`).Scan(&h.Seq, &h.Hash)
	if err != nil && !errors.Is(err, sql.ErrNoRows) {
		return Head{}, fmt.Errorf("read the head of the audit trail: %w", err)
	}
	return h, nil
}

// seal is what the ledger holds of either end of the trail, "head" or "start". Unlike the hash, which is in the row for all to copy, it cannot be made up.
func (l *Log) seal(end string, h Head) string {
	mac := hmac.New(sha256.New, l.secret)
	mac.Write([]byte(end + " " + strconv.FormatInt(h.Seq, 10) + " " + h.Hash))
	return hex.EncodeToString(mac.Sum(nil))
}

// chain returns the hash of e after a row with hash before. Every field is preceded by its length, so that no two rows
// have the same input.
func (l *Log) chain(before string, e *Entry) string {
	h := hmac.New(sha256.New, l.secret)
	var size [8]byte
	for _, field := range []string{
		before, strconv.FormatInt(e.Seq, 10), strconv.FormatInt(sqlstore.Millis(e.At), 10), e.Actor, e.Action, e.TargetType,
		e.TargetID, e.AccountID, e.Before, e.After, e.Reason, e.RequestID, string(e.Details),
	} {
		binary.BigEndian.PutUint64(size[:], uint64(len(field)))
		h.Write(size[:])
		h.Write([]byte(field))
	}
	return hex.EncodeToString(h.Sum(nil))
}

// Filter selects rows; zero fields select all.
type Filter struct {
	TargetType   string
	TargetID     string
	AccountID    string
	Actor        string
	Action       string
	Since, Until time.Time // [Since, Until)
	Cursor       string
	Limit        int // 0: sqlstore.DefaultPage
}

// List returns matching rows, the newest first, and the cursor of the next page, "" at the end.
func (l *Log) List(ctx context.Context, q sqlstore.Querier, f Filter) ([]Entry, string, error) {
	limit, err := sqlstore.PageSize(f.Limit)
	if err != nil {
		return nil, "", err
	}
	cursor, err := sqlstore.ParseCursor(f.Cursor)
	if err != nil {
		return nil, "", err
	}
	var w sqlstore.Where
	for _, c := range []struct{ column, value string }{
		{"target_type", f.TargetType}, {"target_id", f.TargetID}, {"account_id", f.AccountID}, {"actor", f.Actor}, {"action", f.Action},
	} {
		if c.value != "" {
			w.And(c.column+" = ?", c.value)
		}
	}
	if !f.Since.IsZero() {
		w.And("at >= ?", sqlstore.Millis(f.Since))
	}
	if !f.Until.IsZero() {
		w.And("at < ?", sqlstore.Millis(f.Until))
	}
	if cursor.Millis > 0 {
		w.And("seq < ?", cursor.Millis) // the place in this list is the row's number
	}
	entries, err := read(ctx, q, w.String()+" ORDER BY seq DESC LIMIT "+strconv.Itoa(limit+1), w.Args...)
	if err != nil || len(entries) <= limit {
		return entries, "", err
	}
	entries = entries[:limit]
	return entries, sqlstore.Cursor{Millis: entries[limit-1].Seq}.String(), nil
}

func read(ctx context.Context, q sqlstore.Querier, rest string, args ...any) ([]Entry, error) {
	rows, err := q.QueryContext(ctx, `SELECT seq, at, actor, action, target_type, target_id, account_id, before, after, reason,
		request_id, details, hash FROM audit_log`+rest, args...)
	if err != nil {
		return nil, fmt.Errorf("read the audit trail: %w", err)
	}
	defer rows.Close()
	var entries []Entry
	for rows.Next() {
		var e Entry
		var at int64
		var details string
		if err := rows.Scan(&e.Seq, &at, &e.Actor, &e.Action, &e.TargetType, &e.TargetID, &e.AccountID, &e.Before, &e.After, &e.Reason,
			&e.RequestID, &details, &e.Hash); err != nil {
			return nil, fmt.Errorf("read the audit trail: %w", err)
		}
		e.At, e.Details = sqlstore.Time(at), json.RawMessage(details)
		entries = append(entries, e)
	}
	if err := rows.Err(); err != nil {
		return nil, fmt.Errorf("read the audit trail: %w", err)
	}
	return entries, nil
}
