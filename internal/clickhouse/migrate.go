package clickhouse

import (
	"context"
	"embed"
	"errors"
	"fmt"
	"io/fs"
	"path"
	"strconv"
	"strings"
	"text/template"
	"time"

	ch "github.com/ClickHouse/clickhouse-go/v2"
)

//go:embed migrations/*.sql
var migrationFiles embed.FS

// deduplicationWindow is how many of a table's latest blocks are known by their token.
const deduplicationWindow = 10000

// migration is one file: statements that may be repeated.
type migration struct {
	version    uint32
	name       string
	statements []string
}

// migrations renders the files for a single server, or for replicated tables on a cluster.
func migrations(database, cluster string) ([]migration, error) {
	files, err := fs.Glob(migrationFiles, "migrations/*.sql")
	if err != nil {
		return nil, fmt.Errorf("list the migrations: %w", err)
	}
	var all []migration
	for _, file := range files {
		name := strings.TrimSuffix(path.Base(file), ".sql")
		number, _, _ := strings.Cut(name, "_")
		version, err := strconv.ParseUint(number, 10, 32)
		if err != nil {
			return nil, fmt.Errorf("the migration %s has no number: %w", file, err)
		}
		text, err := migrationFiles.ReadFile(file)
		if err != nil {
			return nil, fmt.Errorf("read the migration %s: %w", file, err)
		}
		sql, err := render(file, string(text), database, cluster)
		if err != nil {
			return nil, err
		}
		all = append(all, migration{version: uint32(version), name: name, statements: statements(sql)})
	}
	return all, nil
}

// render fills in what differs between one server and a cluster. On a cluster the rows are in NAME_local, replicated,
// and NAME is distributed over them. Events are sharded by Kafka partition: a block is on one shard, so stays atomic.
func render(file, text, database, cluster string) (string, error) {
	functions := template.FuncMap{
		"local": func(table string) string {
			if cluster == "" {
				return table
			}
			return table + "_local"
		},
		"onCluster": func() string {
			if cluster == "" {
				return ""
			}
			return "ON CLUSTER " + quoteName(cluster)
		},
		"engine": func(table, engine, arguments string) string {
			if cluster == "" {
				return engine + "(" + arguments + ")"
			}
			if arguments != "" {
				arguments = ", " + arguments
			}
			return fmt.Sprintf("Replicated%s('/clickhouse/tables/{shard}/%s/%s', '{replica}'%s)", engine, stringEscaper.Replace(database), table, arguments)
		},
		"window": func() string {
			if cluster == "" {
				return fmt.Sprintf("non_replicated_deduplication_window = %d", deduplicationWindow)
			}
			return fmt.Sprintf("replicated_deduplication_window = %d, replicated_deduplication_window_seconds = 604800", deduplicationWindow)
		},
		// alter changes the table that holds the rows and, on a cluster, then the one that is distributed over it.
		"alter": func(table, change string) string {
			if cluster == "" {
				return "ALTER TABLE " + table + " " + change
			}
			on := " ON CLUSTER " + quoteName(cluster) + " "
			return "ALTER TABLE " + table + "_local" + on + change + ";\nALTER TABLE " + table + on + change
		},
		"distributed": func(table, shard string) string {
			if cluster == "" {
				return ""
			}
			return fmt.Sprintf("CREATE TABLE IF NOT EXISTS %s ON CLUSTER %s AS %s_local ENGINE = Distributed(%s, %s, %s_local, %s);",
				table, quoteName(cluster), table, quoteName(cluster), quoteName(database), table, shard)
		},
	}
	t, err := template.New(file).Funcs(functions).Parse(text)
	if err != nil {
		return "", fmt.Errorf("the migration %s: %w", file, err)
	}
	var b strings.Builder
	if err := t.Execute(&b, nil); err != nil {
		return "", fmt.Errorf("the migration %s: %w", file, err)
	}
	return b.String(), nil
}

// statements cuts a file at its semicolons; comments begin a line, and no literal holds a semicolon.
func statements(sql string) []string {
	var kept strings.Builder
	for line := range strings.Lines(sql) {
		if !strings.HasPrefix(strings.TrimSpace(line), "--") {
			kept.WriteString(line)
		}
	}
	var all []string
	for _, s := range strings.Split(kept.String(), ";") {
		if s = strings.TrimSpace(s); s != "" {
			all = append(all, s)
		}
	}
	return all
}

func quoteName(name string) string { return "`" + strings.ReplaceAll(name, "`", "\\`") + "`" }

// database is the one of the connection.
func (db *DB) database() string {
	if db.options.Auth.Database == "" {
		return "default"
	}
	return db.options.Auth.Database
}

const migrationsTable = `CREATE TABLE IF NOT EXISTS {{local "schema_migrations"}} {{onCluster}}
(version UInt32, name String, applied_at DateTime('UTC') DEFAULT now())
ENGINE = {{engine "schema_migrations" "ReplacingMergeTree" ""}} ORDER BY version;
{{distributed "schema_migrations" "0"}}`

// migrate applies the migrations that the database does not know yet. Two processes may do so at once: every statement
// may be repeated.
func (db *DB) migrate(ctx context.Context) error {
	ctx, cancel := withTimeout(ctx, 5*time.Minute)
	defer cancel()
	own, err := render("schema_migrations", migrationsTable, db.database(), db.cfg.Cluster)
	if err != nil {
		return err
	}
	for _, s := range statements(own) {
		if err := db.conn.Exec(ctx, s); err != nil {
			return wrap("create the table of migrations", err)
		}
	}
	var at uint32
	if err := db.conn.QueryRow(ctx, "SELECT max(version) FROM schema_migrations").Scan(&at); err != nil {
		return wrap("read which migrations were applied", err)
	}
	all, err := migrations(db.database(), db.cfg.Cluster)
	if err != nil {
		return err
	}
	if last := all[len(all)-1].version; at > last {
		return fmt.Errorf("the ClickHouse database %q is at version %d, this program knows %d: it was used by a newer Tollkeeper; run that one, or another database", db.database(), at, last)
	}
	for _, m := range all {
		if m.version <= at {
			continue
		}
		for _, s := range m.statements {
			if err := db.conn.Exec(ctx, s); err != nil {
				return wrap("apply the migration "+m.name, err)
			}
		}
		if err := db.conn.Exec(ctx, "INSERT INTO schema_migrations (version, name) SELECT {version:UInt32}, {name:String}",
			ch.Named("version", m.version), ch.Named("name", m.name)); err != nil {
			return wrap("note the migration "+m.name, err)
		}
		db.cfg.Logger.Info("ClickHouse migration applied", "migration", m.name)
	}
	return errors.Join(
		db.setTTL(ctx, "events", db.cfg.EventsTTLDays),
		db.setTTL(ctx, "dead_letters", db.cfg.DeadLettersTTLDays),
		db.setTTL(ctx, "holes", db.cfg.EventsTTLDays),
		db.setFsync(ctx, "events"), db.setFsync(ctx, "dead_letters"), db.setFsync(ctx, "holes"),
		db.setMerges(ctx),
	)
}

// localTable is the table that holds a table's rows.
func (db *DB) localTable(table string) string {
	if db.cfg.Cluster == "" {
		return table
	}
	return table + "_local"
}

func (db *DB) onCluster() string {
	if db.cfg.Cluster == "" {
		return ""
	}
	return " ON CLUSTER " + quoteName(db.cfg.Cluster)
}

// createStatement is how the server itself would create the table that holds a table's rows.
func (db *DB) createStatement(ctx context.Context, table string) (string, error) {
	var sql string
	err := db.conn.QueryRow(ctx, "SELECT create_table_query FROM system.tables WHERE database = currentDatabase() AND name = {table:String}",
		ch.Named("table", db.localTable(table))).Scan(&sql)
	return sql, wrap("read how the table "+table+" was created", err)
}

// setTTL makes the table drop whole days after so many; 0 keeps them for ever.
func (db *DB) setTTL(ctx context.Context, table string, days int) error {
	have, err := db.createStatement(ctx, table)
	if err != nil {
		return err
	}
	want := fmt.Sprintf("TTL plan_day + toIntervalDay(%d)", days)
	alter := "ALTER TABLE " + db.localTable(table) + db.onCluster()
	switch {
	case days == 0 && strings.Contains(have, "TTL plan_day"):
		alter += " REMOVE TTL"
	case days > 0 && !strings.Contains(have, want+"\n") && !strings.Contains(have, want+" "):
		alter += " MODIFY " + want
	default:
		return nil
	}
	return wrap("set how long rows of "+table+" are kept", db.conn.Exec(ctx, alter))
}

// setFsync makes the table's inserts wait for the disk, or not. It costs little: a block is a handful of files.
func (db *DB) setFsync(ctx context.Context, table string) error {
	have, err := db.createStatement(ctx, table)
	if err != nil {
		return err
	}
	want := 1
	if db.cfg.NoFsync {
		want = 0
	}
	is := strings.Contains(have, "fsync_after_insert = 1")
	if is == (want == 1) {
		return nil
	}
	return wrap("set whether inserts wait for the disk", db.conn.Exec(ctx, fmt.Sprintf("ALTER TABLE %s%s MODIFY SETTING fsync_after_insert = %d, fsync_part_directory = %d",
		db.localTable(table), db.onCluster(), want, want)))
}

// setMerges makes the embedded engine merge more parts at a time, so each row less often: a quarter less of the processor,
// 2.3 instead of 3.0 s for a million rows, merges included, for a part or two more to read. A server is its operator's.
func (db *DB) setMerges(ctx context.Context) error {
	const want = "merge_selector_base = 12"
	if db.supervisor == nil {
		return nil
	}
	have, err := db.createStatement(ctx, "events")
	if err != nil || strings.Contains(have, want) {
		return err
	}
	return wrap("set how parts are merged", db.conn.Exec(ctx, "ALTER TABLE events MODIFY SETTING "+want))
}

// bootCheck looks at the settings that exactly-once rests on, which an operator's own tables may lack.
func (db *DB) bootCheck(ctx context.Context) error {
	setting := "non_replicated_deduplication_window"
	if db.cfg.Cluster != "" {
		setting = "replicated_deduplication_window"
	}
	for _, table := range []string{"events", "dead_letters", "holes"} {
		sql, err := db.createStatement(ctx, table)
		if err != nil {
			return err
		}
		if !strings.Contains(sql, setting+" = "+strconv.Itoa(deduplicationWindow)) {
			return fmt.Errorf("the ClickHouse table %s lacks the setting %s = %d, without which a repeated insert could count twice; run: ALTER TABLE %s MODIFY SETTING %s = %d",
				table, setting, deduplicationWindow, db.localTable(table), setting, deduplicationWindow)
		}
	}
	return nil
}
