package keys_test

import (
	"context"
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/tollkeeper/tollkeeper/internal/sqlstore"
	"github.com/tollkeeper/tollkeeper/internal/sqlstore/sqltest"
	"github.com/tollkeeper/tollkeeper/keys"
)

// What runs every second, or on every poll, must not read a million keys to find none.
func TestFrequentQueriesReadAnIndexAndNotAllKeys(t *testing.T) {
	db := sqltest.New(t, sqlstore.SQLite)(t)
	for index, query := range keys.FrequentQueries() {
		table, _, _ := strings.Cut(index, "_")
		rows, err := db.Read().QueryContext(context.Background(), "EXPLAIN QUERY PLAN "+query, []any{1, 1}[:strings.Count(query, "$")]...)
		if err != nil {
			t.Fatalf("%s: %v", index, err)
		}
		var plan []string
		for rows.Next() {
			var a, b, c int
			var step string
			if err := rows.Scan(&a, &b, &c, &step); err != nil {
				t.Fatal(err)
			}
			plan = append(plan, step)
		}
		if err := errors.Join(rows.Err(), rows.Close()); err != nil {
			t.Fatal(err)
		}
		text := strings.Join(plan, "; ")
		if !strings.Contains(text, "SEARCH "+table+" USING INDEX "+index+" ") || strings.Contains(text, "SCAN") || strings.Contains(text, "TEMP B-TREE") {
			t.Errorf("%s: %s", index, text)
		}
	}
}

// There are more new keys than a page of the feed holds.
func TestManyNewKeysDoNotHideASuspension(t *testing.T) {
	t.Parallel()
	sqltest.Each(t, func(t *testing.T, open sqltest.OpenFunc) {
		ctx, pepper := context.Background(), newPepper(t)
		here, there := newStore(t, open(t), pepper, nil), newStore(t, open(t), pepper, nil)
		k, secret := issue(t, here, keys.New{})
		v := newVerifier(t, there, keys.VerifierConfig{})
		list := make([]keys.New, 2_500)
		issued, err := here.IssueMany(ctx, list, ada)
		if err != nil {
			t.Fatal(err)
		}
		if _, _, err := here.Suspend(ctx, k.ID, time.Time{}, ada); err != nil {
			t.Fatal(err)
		}
		run(t, v)
		await(t, "the suspension", func() bool { return v.Verify(keys.Request{Key: secret}).Code == keys.CodeSuspended })
		await(t, "the new keys", func() bool { return v.Verify(keys.Request{Key: issued[len(list)-1].Secret}).Valid })
		if n := v.Count(); n != len(list)+1 {
			t.Errorf("%d keys are held", n)
		}
	})
}

// A server that drops its connections, as in a failover, costs a poll, not the feed.
func TestTheFeedOutlivesItsConnections(t *testing.T) {
	ctx, pepper := context.Background(), newPepper(t)
	open := sqltest.New(t, sqlstore.Postgres)
	here, there := newStore(t, open(t), pepper, nil), newStore(t, open(t), pepper, nil)
	v := newVerifier(t, there, keys.VerifierConfig{Poll: 10 * time.Millisecond})
	run(t, v)
	for range 3 {
		var ended int
		if err := open(t).Read().QueryRowContext(ctx, `SELECT COUNT(pg_terminate_backend(pid)) FROM pg_stat_activity
			WHERE pid <> pg_backend_pid() AND application_name = 'tollkeeper'`).Scan(&ended); err != nil || ended < 2 {
			t.Fatalf("ended %d connections, %v", ended, err)
		}
		k, secret := issue(t, here, keys.New{})
		await(t, "the key", func() bool { return v.Verify(keys.Request{Key: secret}).Valid })
		if _, _, err := here.Revoke(ctx, k.ID, ada); err != nil {
			t.Fatal(err)
		}
		await(t, "its revocation", func() bool { return v.Verify(keys.Request{Key: secret}).Code == keys.CodeRevoked })
	}
}
