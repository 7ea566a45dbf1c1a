// Package usage is the vocabulary that every other package speaks: a [Record] is one API call as a gateway logged it, a
// [Batch] holds many of them in columns.
//
// A batch is filled by a decoder (ingest/accesslog), enriched in place (ingest/enrich) and then only read: by detection,
// by the quota counters and by the encoder for ClickHouse. It is made to be reused: after [Batch.Reset] its columns keep
// their memory. A batch is not safe for concurrent use; whoever holds it owns it.
//
// The package imports nothing of ours and does no I/O.
package usage

import (
	"fmt"
	"net/netip"
	"strconv"
	"time"
)

// Limits that every decoder and column relies on. Longer values are cut by the decoder, never rejected for their length
// alone.
const (
	// MaxLineBytes is the longest log line that is decoded; a longer one becomes a dead letter.
	MaxLineBytes = 1 << 20
	// MaxPathBytes, MaxRequestIDBytes, MaxAgentBytes and MaxNameBytes bound single values of a record.
	MaxPathBytes      = 2048
	MaxRequestIDBytes = 128
	MaxAgentBytes     = 512
	MaxNameBytes      = 256
	// MaxAmount is the most that one call may say that it took, of bytes in either direction and of each unit: a petabyte. No real call
	// comes near, and what sums up calls, here and in ClickHouse, does so in 64 bits: nine thousand such calls of a key and period
	// fit, and of what fits into 64 bits itself not even two would.
	MaxAmount = 1e15
	// MaxUnits is the number of differently named units that one record may carry.
	MaxUnits = 16
)

// DerivedRequestID starts a request id that `ship` gave to a record that had none, made from the file and the line. Such a
// record is counted once however often it is shipped, but is not protected against a gateway's own retries: it has
// FlagNoRequestID too.
const DerivedRequestID = "tk:"

// Flags say what is special about a record.
type Flags uint8

const (
	// FlagUnknownKey marks a record whose key no key store knows: its key id is derived from the key's HMAC.
	FlagUnknownKey Flags = 1 << iota
	// FlagDuplicate marks a gateway's retry of a request that was counted before, or a re-keyed record that was written
	// twice: stored, but never counted.
	FlagDuplicate
	// FlagNoRequestID marks a record without a request id: counted, but not protected against a gateway's own retries.
	FlagNoRequestID
	// FlagNoKey marks a record that carried no key at all (an anonymous call); its key id is empty.
	FlagNoKey
	// FlagMoreFollow marks all records of a line but the last, so that the audit sees whether the last is stored.
	FlagMoreFollow
)

// Unit is a counted quantity beside the request itself, such as input_tokens.
type Unit struct {
	Name  string
	Value int64 // never negative
}

// Record is one API call. Strings are interned and may be kept; byte slices point into the batch or the line that they
// came from and are valid only until that is reset.
type Record struct {
	Offset int64  // offset of the log line in its partition
	Sub    uint16 // position inside the line, for lines that carry several records

	TimeMillis int64  // when the call was made, Unix milliseconds, UTC
	KeyID      string // the key store's id, or one derived from the key's HMAC; never the key
	Source     string // which gateway logged it; with RequestID the record's identity
	RequestID  []byte // empty when the gateway gave none

	Method string
	Host   string
	Route  string // path template, ids replaced: /v1/users/{id}
	Path   []byte // without query string

	Status        uint16 // 0: the client got no answer
	LatencyMicros int64
	RequestBytes  int64
	ResponseBytes int64

	ClientIP  netip.Addr // zero when unknown
	UserAgent string     // as sent, cut to MaxAgentBytes
	Agent     string     // client family derived from UserAgent; "" when unknown
	Country   string     // ISO 3166-1 alpha-2; "" when unknown
	ASN       uint32     // autonomous system number; 0 when unknown

	Units []Unit
	Flags Flags

	Origin Origin // zero unless the record was re-keyed
}

// Origin is the place where a record was first written, before it was carried into a topic of Tollkeeper's own.
type Origin struct {
	Partition string // topic and partition: "access/3"; see [OriginPartition]
	Offset    int64
	Sub       uint16 // as in Record
}

// OriginPartition names a partition in an Origin. A topic's name holds no slash.
func OriginPartition(topic string, partition int32) string {
	return topic + "/" + strconv.Itoa(int(partition))
}

// After says whether o was written behind p, both being of one partition.
func (o Origin) After(p Origin) bool {
	return o.Offset > p.Offset || o.Offset == p.Offset && o.Sub > p.Sub
}

// Time returns the time of the call in UTC.
func (r *Record) Time() time.Time { return time.UnixMilli(r.TimeMillis).UTC() }

// Span names a run of offsets [From, To) of one partition that was planned as one block: the unit in which records reach
// ClickHouse, exactly once.
type Span struct {
	Topic     string
	Partition int32
	From, To  int64
	// Day is the day of the plan, in days since 1970-01-01 UTC. It is the ClickHouse partition of the whole block.
	Day int32
	// Epoch tells a recreated topic from its predecessor of the same name.
	Epoch string
	// Targets is the number of partitions over which re-keying spreads the block; 0 for a block that is stored.
	Targets int
}

// Token is the block's identity: the same span always has the same token.
func (s Span) Token(table string) string {
	return fmt.Sprintf("%s|%s|%d|%d|%d|%s", table, s.Topic, s.Partition, s.From, s.To, s.Epoch)
}

// DeadLetter is a log line that could not be decoded. Line has its secrets removed already.
type DeadLetter struct {
	Offset     int64
	Sub        uint16
	TimeMillis int64  // when it was rejected, or the broker's time of the message; Unix milliseconds
	Source     string // as in Record
	Format     string // decoder that refused it
	Reason     string // stable code, such as bad_json, bad_time, line_too_long
	Detail     string // field and what is wrong with it; never a value that may be a secret
	Line       []byte // redacted, cut to a bound
	Bytes      int    // length of the original line
}

// Hole is a run of offsets that left no event, though nothing was lost.
type Hole struct {
	From, To int64 // [From, To)
	Refused  bool  // the line became a dead letter; else the log has no record there that counts
}

// Gap records offsets that were lost before they could be read, such as by retention.
type Gap struct {
	Topic      string
	Partition  int32
	From, To   int64 // offsets [From, To)
	Reason     string
	TimeMillis int64
}
