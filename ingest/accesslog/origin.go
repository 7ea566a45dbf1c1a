package accesslog

import (
	"bytes"
	"strconv"

	"github.com/tollkeeper/tollkeeper/internal/usage"
)

// origin is where a re-keyed record was first written. partition points into the line.
type origin struct {
	partition []byte
	offset    int64
	sub       uint16
}

// AppendOrigin says in a line that AppendRecord made where the record was first written: "access/3/1047", or for the third
// record of a line "access/3/1047/2". partition is as [usage.OriginPartition] names it.
func AppendOrigin(line []byte, partition string, offset int64, sub uint16) []byte {
	line = append(line[:len(line)-1], `,"origin":"`...)
	line = append(append(line, partition...), '/')
	line = strconv.AppendInt(line, offset, 10)
	if sub > 0 {
		line = append(line, '/')
		line = strconv.AppendUint(line, uint64(sub), 10)
	}
	return append(line, '"', '}')
}

// parseOrigin reads what AppendOrigin wrote.
func parseOrigin(b []byte) (o origin, ok bool) {
	topic := bytes.IndexByte(b, '/')
	if topic < 1 {
		return o, false
	}
	end := bytes.IndexByte(b[topic+1:], '/')
	if end < 1 {
		return o, false
	}
	end += topic + 1
	o.partition = b[:end]
	offset, sub, hasSub := bytes.Cut(b[end+1:], []byte("/"))
	var fault numberFault
	if o.offset, fault = parseInt(offset); fault != numberOK {
		return o, false
	}
	if hasSub {
		n, fault := parseInt(sub)
		if fault != numberOK || n > 1<<16-1 {
			return o, false
		}
		o.sub = uint16(n)
	}
	return o, true
}

// append adds the origin of the row that was just appended.
func (o *origin) append(b *usage.Batch) {
	if len(o.partition) == 0 && len(b.OriginSub) == 0 {
		return
	}
	if n, ok := b.Origin.Find(o.partition); ok { // as good as always: no string is made
		b.AppendOrigin(b.Origin.Values[n], o.offset, o.sub)
		return
	}
	b.AppendOrigin(string(o.partition), o.offset, o.sub)
}
