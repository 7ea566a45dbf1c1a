package clickhouse

import (
	"context"
	"fmt"
	"maps"
	"regexp"
	"slices"
	"strings"
	"sync"

	"github.com/tollkeeper/tollkeeper/internal/clickhouse/libchdb"
)

// enginePool holds the engine's sessions. One is kept aside, because the engine shuts down with its last; it ends the
// queries of clients that have gone and answers whether the engine lives.
type enginePool struct {
	lib     *libchdb.Library
	path    string
	version string
	zone    string
	keeper  *libchdb.Conn
	free    chan *engineSession
	killing sync.Mutex // guards keeper
}

// engineSession is a session and what was set on it, so that a request sets only what differs.
type engineSession struct {
	conn     *libchdb.Conn
	database string
	settings map[string]string
}

func newEnginePool(lib *libchdb.Library, path string, size int) (*enginePool, error) {
	p := &enginePool{lib: lib, path: path, free: make(chan *engineSession, size)}
	keeper, err := p.open()
	if err != nil {
		return nil, err
	}
	p.keeper = keeper
	for _, q := range []struct {
		sql string
		to  *string
	}{{"SELECT version() AS v", &p.version}, {"SELECT timezone() AS v", &p.zone}} {
		answer, err := keeper.Exec([]byte(q.sql), "Native", nil)
		if err != nil {
			return nil, fmt.Errorf("ask the engine who it is: %w", err)
		}
		// One block: columns, rows, name, type, one string, each length in a single byte.
		const before = len("\x01\x01\x01v\x06String")
		if len(answer) <= before || len(answer) < before+1+int(answer[before]) {
			return nil, fmt.Errorf("the engine's answer to %q is not understood; is the library of the version that deploy/engine pins?", q.sql)
		}
		*q.to = string(answer[before+1 : before+1+int(answer[before])])
	}
	if _, err := keeper.Exec([]byte("CREATE DATABASE IF NOT EXISTS "+embeddedDatabase+" ENGINE = Atomic"), "Native", nil); err != nil {
		return nil, fmt.Errorf("create the database: %w", err)
	}
	for range size {
		p.free <- &engineSession{}
	}
	return p, nil
}

// open opens a session. Its settings hold for every statement: an insert's block is never merged with another or split.
func (p *enginePool) open() (*libchdb.Conn, error) {
	return p.lib.Open("--path="+p.path, "--max_server_memory_usage_to_ram_ratio=0.5")
}

// acquire waits for a session and sets database and settings on it. The session goes back with release.
func (p *enginePool) acquire(ctx context.Context, database string, settings map[string]string) (*engineSession, error) {
	var s *engineSession
	select {
	case s = <-p.free:
	case <-ctx.Done():
		return nil, ctx.Err()
	}
	if err := s.prepare(p, database, settings); err != nil {
		p.release(s, false)
		return nil, err
	}
	return s, nil
}

// kill ends the query that bears the mark, if it still runs.
func (p *enginePool) kill(mark string) {
	p.killing.Lock()
	defer p.killing.Unlock()
	if p.keeper == nil {
		return
	}
	sql := "KILL QUERY WHERE query_kind = 'Select' AND endsWith(query, '" + stringEscaper.Replace(strings.TrimSpace(mark)) + "') ASYNC"
	_, _ = p.keeper.Exec([]byte(sql), "Native", nil) // a query that cannot be ended ends by its own time limit
}

// ping says whether the engine answers. It waits for no session, so that a busy engine is not taken for a dead one.
func (p *enginePool) ping() error {
	p.killing.Lock()
	defer p.killing.Unlock()
	if p.keeper == nil {
		return exception(236, "ABORTED", "the engine is stopping")
	}
	_, err := p.keeper.Exec([]byte("SELECT 1"), "Native", nil)
	return err
}

// release gives a session back. One that is not sound is closed and opened anew at its next use.
func (p *enginePool) release(s *engineSession, sound bool) {
	if !sound && s.conn != nil {
		s.conn.Close()
		*s = engineSession{}
	}
	p.free <- s
}

// close waits for every session and closes it.
func (p *enginePool) close() {
	for range cap(p.free) {
		if s := <-p.free; s.conn != nil {
			s.conn.Close()
		}
	}
	p.killing.Lock()
	defer p.killing.Unlock()
	p.keeper.Close()
	p.keeper = nil
}

func (s *engineSession) prepare(p *enginePool, database string, settings map[string]string) error {
	if s.conn == nil {
		conn, err := p.open()
		if err != nil {
			return err
		}
		s.conn, s.settings = conn, map[string]string{}
	}
	if database != "" && database != s.database {
		if _, err := s.conn.Exec([]byte("USE `"+strings.ReplaceAll(database, "`", "\\`")+"`"), "Native", nil); err != nil {
			return err
		}
		s.database = database
	}
	sql, err := setStatement(s.settings, settings)
	if err != nil || sql == "" {
		return err
	}
	if _, err := s.conn.Exec([]byte(sql), "Native", nil); err != nil {
		return err
	}
	s.settings = settings
	return nil
}

var settingName = regexp.MustCompile(`^[A-Za-z_][A-Za-z0-9_]*$`)

// setStatement returns the SET that turns the settings have into want; "" when they are the same.
func setStatement(have, want map[string]string) (string, error) {
	var parts []string
	for _, name := range slices.Sorted(maps.Keys(want)) {
		if !settingName.MatchString(name) {
			return "", exception(115, "UNKNOWN_SETTING", "unknown setting %q", name)
		}
		if v, ok := have[name]; !ok || v != want[name] {
			parts = append(parts, name+" = '"+stringEscaper.Replace(want[name])+"'")
		}
	}
	for _, name := range slices.Sorted(maps.Keys(have)) {
		if _, ok := want[name]; !ok {
			parts = append(parts, name+" = DEFAULT")
		}
	}
	if len(parts) == 0 {
		return "", nil
	}
	return "SET " + strings.Join(parts, ", "), nil
}

// stringEscaper makes a text fit between single quotes.
var stringEscaper = strings.NewReplacer(`\`, `\\`, `'`, `\'`)
