package accesslog

import (
	"net/netip"
	"strconv"
	"time"
	"unicode/utf8"

	"github.com/tollkeeper/tollkeeper/internal/usage"
)

// AppendRecord appends record i of a batch as a line of format tollkeeper, without a newline. Decoded again it is the same
// record, but for offset, duplicate flag and enrichment: so lines are re-keyed, shipped and replayed without a key in clear.
func AppendRecord(dst []byte, b *usage.Batch, i int) []byte {
	dst = append(dst, `{"time":"`...)
	dst = time.UnixMilli(b.TimeMillis[i]).UTC().AppendFormat(dst, "2006-01-02T15:04:05.000Z07:00")
	dst = append(dst, '"')
	text := func(name, v string) {
		if v != "" {
			dst = append(append(append(dst, `,"`...), name...), `":"`...)
			dst = append(appendQuoted(dst, v), '"')
		}
	}
	count := func(name string, v int64) {
		dst = append(append(append(dst, `,"`...), name...), `":`...)
		dst = strconv.AppendInt(dst, v, 10)
	}
	text("request_id", string(b.RequestID.At(i)))
	text("key_id", b.KeyID.At(i))
	text("method", b.Method.At(i))
	text("host", b.Host.At(i))
	dst = append(dst, `,"path":"`...)
	dst = append(appendQuoted(dst, string(b.Path.At(i))), '"')
	text("route", b.Route.At(i))
	count("status", int64(b.Status[i]))
	count("latency_ms", b.LatencyMicros[i]/1000)
	if micros := b.LatencyMicros[i] % 1000; micros > 0 {
		dst = append(dst, '.', '0'+byte(micros/100), '0'+byte(micros/10%10), '0'+byte(micros%10))
	}
	count("request_bytes", b.RequestBytes[i])
	count("response_bytes", b.ResponseBytes[i])
	if b.ClientIP[i] != ([16]byte{}) {
		dst = append(dst, `,"client_ip":"`...)
		dst = append(netip.AddrFrom16(b.ClientIP[i]).Unmap().AppendTo(dst), '"')
	}
	text("user_agent", b.UserAgent.At(i))
	text("source", b.Source.At(i))
	if from, to := b.UnitSpan(i); from < to {
		dst = append(dst, `,"units":{`...)
		for j := from; j < to; j++ {
			if j > from {
				dst = append(dst, ',')
			}
			dst = append(appendQuoted(append(dst, '"'), b.UnitName.At(j)), `":`...)
			dst = strconv.AppendInt(dst, b.UnitValue[j], 10)
		}
		dst = append(dst, '}')
	}
	return append(dst, '}')
}

// appendQuoted appends the inside of a JSON string.
func appendQuoted(dst []byte, v string) []byte {
	const digits = "0123456789abcdef"
	for i := 0; i < len(v); i++ {
		switch c := v[i]; {
		case c == '"' || c == '\\':
			dst = append(dst, '\\', c)
		case c < 0x20:
			dst = append(dst, '\\', 'u', '0', '0', digits[c>>4], digits[c&15])
		case c < utf8.RuneSelf:
			dst = append(dst, c)
		default:
			r, n := utf8.DecodeRuneInString(v[i:])
			dst = utf8.AppendRune(dst, r)
			i += n - 1
		}
	}
	return dst
}
