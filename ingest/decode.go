package ingest

import (
	"github.com/tollkeeper/tollkeeper/ingest/accesslog"
)

// Decoder, Origin and Reject are those of package accesslog.
type (
	Decoder = accesslog.Decoder
	Origin  = accesslog.Origin
	Reject  = accesslog.Reject
)
