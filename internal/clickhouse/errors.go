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
