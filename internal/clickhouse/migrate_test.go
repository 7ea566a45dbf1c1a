package clickhouse

import (
	"errors"
	"strings"
	"testing"
	"time"

	ch "github.com/ClickHouse/clickhouse-go/v2"

	"github.com/tollkeeper/tollkeeper/internal/usage"
)

// There is no cluster to test on: what is sent to one is read by the engine's own parser and compared with what it makes
// of it.
// Only the highest number that was applied is noted, so of two files with one number the second could be left out for ever.
func TestMigrationsAreNumberedWithoutGapOrDouble(t *testing.T) {
	all, err := migrations("d", "")
	if err != nil {
		t.Fatal(err)
	}
	for i, m := range all {
		if m.version != uint32(i+1) {
			t.Errorf("%s has number %d, not %d", m.name, m.version, i+1)
		}
	}
}

func TestStatementsForAClusterAreUnderstoodByTheEngine(t *testing.T) {
	db := openTest(t)
	all, err := migrations("toll'keeper", "main-cluster")
	if err != nil {
		t.Fatal(err)
	}
	own, err := render("schema_migrations", migrationsTable, "toll", "main-cluster")
	if err != nil {
		t.Fatal(err)
	}
	sqls := statements(own)
	for _, m := range all {
		sqls = append(sqls, m.statements...)
	}
	clustered := &DB{cfg: Config{Cluster: "main-cluster"}, options: &ch.Options{}}
	sqls = append(sqls,
		"ALTER TABLE "+clustered.localTable("events")+clustered.onCluster()+" MODIFY TTL plan_day + toIntervalDay(3)",
		"DELETE FROM "+clustered.localTable("dead_letters")+clustered.onCluster()+" WHERE offset IN (1)")
	replicated, distributed := 0, 0
	for _, sql := range sqls {
		var formatted, lines string
		if err := db.conn.QueryRow(t.Context(), "SELECT formatQuerySingleLine({sql:String})", ch.Named("sql", sql)).Scan(&formatted); err != nil {
			t.Errorf("%v\n%s", err, sql)
			continue
		}
		rows, err := db.conn.Query(t.Context(), "EXPLAIN AST "+sql)
		if err != nil {
			t.Errorf("%v\n%s", err, sql)
			continue
		}
		for rows.Next() {
			var line string
			if err := rows.Scan(&line); err != nil {
				t.Error(err)
			}
			lines += line + "\n"
		}
		_ = rows.Close()
		if !strings.Contains(formatted, "ON CLUSTER `main-cluster`") {
			t.Errorf("not on the cluster: %s", formatted)
		}
		switch {
		case strings.Contains(formatted, "ENGINE = Replicated"):
			replicated++
			if !strings.Contains(formatted, "/{shard}/") || !strings.Contains(formatted, "'{replica}'") || !strings.Contains(formatted, "_local") {
				t.Errorf("replicas would share a path: %s", formatted)
			}
		case strings.Contains(formatted, "ENGINE = Distributed"):
			distributed++
		}
		if strings.Contains(lines, "non_replicated") || strings.Contains(formatted, "non_replicated_deduplication_window") {
			t.Errorf("a window that replicated tables do not have: %s", formatted)
		}
	}
	if replicated != distributed || replicated < 6 {
		t.Errorf("%d replicated and %d distributed tables", replicated, distributed)
	}
}

func TestSettingsOfAnOpenDatabaseFollowTheConfiguration(t *testing.T) {
	dir := t.TempDir()
	open := func(change func(*Config)) (string, error) {
		cfg := testConfig(t, dir)
		change(&cfg)
		db, err := Open(t.Context(), cfg)
		if err != nil {
			return "", err
		}
		defer func() { _ = db.Close() }()
		return db.createStatement(t.Context(), "events")
	}
	for _, step := range []struct {
		change    func(*Config)
		has, lack string
	}{
		{func(*Config) {}, "fsync_after_insert = 1", "TTL "},
		{func(c *Config) { c.EventsTTLDays = 400 }, "toIntervalDay(400)", "fsync_after_insert = 0"},
		{func(c *Config) { c.EventsTTLDays = 40; c.NoFsync = true }, "toIntervalDay(40)", "fsync_after_insert = 1"},
		{func(*Config) {}, "fsync_after_insert = 1", "TTL "},
	} {
		sql, err := open(step.change)
		if err != nil || !strings.Contains(sql, step.has) || strings.Contains(sql, step.lack) {
			t.Errorf("wants %q and not %q: %v\n%s", step.has, step.lack, err, sql)
		}
	}
}

func TestADatabaseThatCannotBeTrustedIsRefused(t *testing.T) {
	for name, c := range map[string]struct{ sql, want string }{
		"of a newer program":           {"INSERT INTO schema_migrations (version, name) SELECT 999, 'future'", "newer Tollkeeper"},
		"without the window of tokens": {"ALTER TABLE events MODIFY SETTING non_replicated_deduplication_window = 5", "non_replicated_deduplication_window = 10000"},
	} {
		dir := t.TempDir()
		db, err := Open(t.Context(), testConfig(t, dir))
		if err != nil {
			t.Fatal(err)
		}
		if err := db.conn.Exec(t.Context(), c.sql); err != nil {
			t.Fatal(err)
		}
		_ = db.Close()
		db, err = Open(t.Context(), testConfig(t, dir))
		if err == nil {
			_ = db.Close()
			t.Errorf("%s: opened", name)
		} else if !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func TestLimitsOfABlock(t *testing.T) {
	db := openTest(t)
	if err := db.InsertEvents(t.Context(), testSpan(0, 5), &usage.Batch{}); err != nil {
		t.Errorf("an empty batch: %v", err)
	}
	if err := db.InsertDeadLetters(t.Context(), testSpan(0, 5), nil); err != nil {
		t.Errorf("no dead letters: %v", err)
	}
	var b usage.Batch
	r := usage.Record{KeyID: "k", Path: make([]byte, usage.MaxPathBytes)}
	for i := range MaxBlockRows {
		r.Offset = int64(i)
		if i == 60_000 {
			r.Path = nil
		}
		b.Append(&r)
	}
	started := time.Now()
	if err := db.InsertEvents(t.Context(), testSpan(0, MaxBlockRows), &b); err != nil {
		t.Fatal(err)
	}
	t.Logf("%d rows, 120 MB of paths: %s", MaxBlockRows, time.Since(started))
	if parts, rows := db.count(t, "SELECT count() FROM system.parts WHERE table = 'events' AND level = 0"), db.count(t, "SELECT count() FROM events"); parts != 1 || rows != MaxBlockRows {
		t.Errorf("the largest block became %d parts of %d rows", parts, rows)
	}
	b.Append(&r)
	if err := db.InsertEvents(t.Context(), testSpan(0, MaxBlockRows+1), &b); err == nil || errors.Is(err, ErrUnavailable) {
		t.Errorf("a block that is too large: %v", err)
	}
}
