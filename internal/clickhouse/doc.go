// Package clickhouse is the way to the event store: the embedded engine or a server of the operator's, one code path.
//
// [Open] gives a [*DB]. Without a DSN it starts the embedded engine, libchdb, in a child process of this program on a
// private unix socket, and keeps it alive: when it dies it is restarted with backoff, and calls meanwhile fail with an
// error that matches [ErrUnavailable]. Nothing is queued or retried inside: whoever inserts keeps the
// block and repeats it, whatever the error. Acknowledged inserts survive the death of the engine and of this program at any moment and,
// unless [Config.NoFsync], a power cut.
//
// An insert is one block, one ClickHouse part and one deduplication token made of its [usage.Span]: repeated, it changes
// nothing. All calls take a context and end with it; queries without a deadline get one of [QueryTimeout]. All values
// reach ClickHouse as bound parameters. The package knows tables and columns, not what they mean to quotas or detection.
package clickhouse
