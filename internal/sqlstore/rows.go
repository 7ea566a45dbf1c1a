package sqlstore

import (
	"context"
	"database/sql"
	"fmt"
)

// rowsPerInsert is how many rows go into one INSERT of [InsertRows]. SQLite looks a numbered parameter up among all of the
// statement's, when it parses it and when it is bound, so that both grow with the square of their number; Postgres has a round trip
// for each statement.
const rowsPerInsert = 8

// InsertRows inserts n rows of so many columns into a table, named with its columns as in "keys (id, name)". row gives the values
// of each in turn. The statement is parsed once for all rows but the last few.
func InsertRows(ctx context.Context, tx *sql.Tx, into string, columns, n int, row func(i int) ([]any, error)) error {
	var full *sql.Stmt
	values := make([]any, 0, min(n, rowsPerInsert)*columns)
	rows := 0
	for i := range n {
		v, err := row(i)
		if err != nil {
			return err
		}
		if len(v) != columns {
			return fmt.Errorf("insert into %s: row %d has %d values", into, i, len(v))
		}
		values = append(values, v...)
		if rows++; rows < rowsPerInsert {
			continue
		}
		if full == nil {
			if full, err = tx.PrepareContext(ctx, insertSQL(into, rows, columns)); err != nil {
				return err
			}
			defer func() { _ = full.Close() }()
		}
		if _, err := full.ExecContext(ctx, values...); err != nil {
			return err
		}
		values, rows = values[:0], 0
	}
	if rows == 0 {
		return nil
	}
	_, err := tx.ExecContext(ctx, insertSQL(into, rows, columns), values...)
	return err
}

func insertSQL(into string, rows, columns int) string {
	return "INSERT INTO " + into + " VALUES " + Placeholders(rows, columns)
}
