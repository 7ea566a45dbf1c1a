package clickhouse

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"syscall"

	ch "github.com/ClickHouse/clickhouse-go/v2"
)

// ErrUnavailable says that ClickHouse could not be reached or went away during a call. Whether a write happened is not
// known; repeat it, it is idempotent.
var ErrUnavailable = errors.New("ClickHouse is not available")

// unknownDatabase is the code UNKNOWN_DATABASE: the one part of the store that is not made by itself.
const unknownDatabase = 81

// Codes of ClickHouse's exceptions after which the same call may succeed later.
var retryableCodes = map[int32]bool{
	159: true, // TIMEOUT_EXCEEDED
	164: true, // READONLY, while a replica starts
	202: true, // TOO_MANY_SIMULTANEOUS_QUERIES
	209: true, // SOCKET_TIMEOUT
	210: true, // NETWORK_ERROR
	225: true, // NO_ZOOKEEPER
	236: true, // ABORTED
	241: true, // MEMORY_LIMIT_EXCEEDED
	242: true, // TABLE_IS_READ_ONLY
	243: true, // NOT_ENOUGH_SPACE
	252: true, // TOO_MANY_PARTS
	279: true, // ALL_CONNECTION_TRIES_FAILED
	285: true, // TOO_FEW_LIVE_REPLICAS
	286: true, // UNSATISFIED_QUORUM_FOR_PREVIOUS_WRITE
	319: true, // UNKNOWN_STATUS_OF_INSERT
	394: true, // QUERY_WAS_CANCELLED
	999: true, // KEEPER_EXCEPTION
}

// IsRetryable says whether the same call may succeed when it is repeated later: the engine or server was away, busy,
// full or too slow. It is false for a cancelled context and for what repeating cannot mend, such as an unknown table.
func IsRetryable(err error) bool {
	if err == nil || errors.Is(err, context.Canceled) {
		return false
	}
	var exception *ch.Exception
	if errors.As(err, &exception) {
		return retryableCodes[exception.Code]
	}
	return errors.Is(err, ErrUnavailable) || errors.Is(err, context.DeadlineExceeded)
}

// wrap says what was being done, and what mends a database that is not there, and marks errors of transport as [ErrUnavailable].
func wrap(doing string, err error) error {
	if err == nil {
		return nil
	}
	if exception, ok := errors.AsType[*ch.Exception](err); ok && exception.Code == unknownDatabase {
		return fmt.Errorf("%s: %w; make it on the server with CREATE DATABASE, or name another one in --clickhouse", doing, err)
	}
	if !errors.Is(err, ErrUnavailable) && !errors.Is(err, context.Canceled) && isTransport(err) {
		return fmt.Errorf("%s: %w: %w", doing, ErrUnavailable, err)
	}
	return fmt.Errorf("%s: %w", doing, err)
}

func isTransport(err error) bool {
	var exception *ch.Exception
	if errors.As(err, &exception) {
		return false
	}
	var status *ch.HTTPError
	if errors.As(err, &status) {
		return status.StatusCode >= http.StatusInternalServerError || status.StatusCode == http.StatusTooManyRequests
	}
	var network net.Error
	return errors.As(err, &network) || errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) ||
		errors.Is(err, syscall.ECONNRESET) || errors.Is(err, syscall.EPIPE) || errors.Is(err, net.ErrClosed) ||
		errors.Is(err, ch.ErrAcquireConnTimeout)
}
