package accesslog

import "bytes"

// envoySpec is Envoy's and Istio's JSON access log: Istio's names of fields, and for the key those of an operator's own.
func envoySpec() *jsonSpec {
	return &jsonSpec{
		name: "envoy",
		fields: []field{
			{path: "start_time", to: toTime},
			{path: "timestamp", to: toTime},
			{path: "x_api_key", to: toKey},
			{path: "x-api-key", to: toKey},
			{path: "api_key", to: toKey},
			{path: "authorization", to: toAuthorization},
			{path: "key_id", to: toKeyID},
			{path: "consumer", to: toKeyID},
			{path: "request_id", to: toRequestID},
			{path: "method", to: toMethod},
			{path: "authority", to: toHost},
			{path: "route", to: toRoute},
			{path: "path", to: toPath},
			{path: "x_envoy_original_path", to: toPath},
			{path: "response_code", to: toStatus},
			{path: "duration", to: toLatency, unit: unitMillis},
			{path: "bytes_received", to: toBytesIn},
			{path: "bytes_sent", to: toBytesOut},
			{path: "downstream_remote_address", to: toIP},
			{path: "downstream_direct_remote_address", to: toIP},
			{path: "x_forwarded_for", to: toForwarded},
			{path: "user_agent", to: toAgent},
			{path: "source", to: toSource},
			{path: "units", to: toUnits},
		},
		signature: []string{"downstream_remote_address", "bytes_received", "authority", "duration"},
	}
}

// envoyText reads Envoy's default access log, and Istio's, which has more in the middle:
//
//	[time] "method path protocol" status flags bytes_in bytes_out duration upstream_time "xff" "agent" "request id" "authority" "upstream"
type envoyText struct{ *core }

func newEnvoyText(c *core) (Decoder, error) {
	return newTextDecoder(c, "envoy-text", envoyText{c}.parse)
}

func (d envoyText) parse(line []byte, r *call) error {
	shut := bytes.IndexByte(line, ']')
	if line[0] != '[' || shut < 0 {
		return reject(ReasonBadLine, "the line does not start with a [time]")
	}
	if r.millis, r.hasTime = d.dates.parse(line[1:shut], unitAuto); !r.hasTime {
		return reject(ReasonBadTime, "time: is not a time")
	}
	// Envoy does not escape quotes: the request ends behind its protocol, and the last values are counted from the end.
	rest := bytes.TrimLeft(line[shut+1:], " ")
	request, rest, ok := untilQuote(rest)
	if !ok {
		return reject(ReasonBadLine, `the request is not in "quotes"`)
	}
	d.request(request, r)
	status, rest := word(rest)
	if r.status, ok = number(status); !ok {
		return reject(ReasonBadStatus, "status: is not a number")
	}
	// Response flags, and in Istio's format details in words or quotes, until the first number. Then received, sent,
	// duration; the upstream's time is not used.
	var numbers [3]int64
	found := 0
	for first := true; found < 3 && len(rest) > 0; first = false {
		if rest[0] == '"' {
			var state quotedState
			if _, rest, state = d.quoted(rest); state != quotedWhole {
				break
			}
			continue
		}
		var w []byte
		w, rest = word(rest)
		if first || found == 0 && w[0]-'0' > 9 && (w[0] != '-' || len(w) == 1) {
			continue
		}
		n, fault := parseAmount(w)
		if dash(w) {
			n, fault = 0, numberOK
		}
		if fault != numberOK {
			return reject(ReasonBadNumber, [...]string{"bytes received", "bytes sent", "duration"}[found]+": "+numberFaultText[fault])
		}
		numbers[found] = n
		found++
	}
	if found < 3 {
		return reject(ReasonBadLine, "the line ends before the duration")
	}
	r.requestBytes, r.responseBytes = numbers[0], numbers[1]
	if numbers[2] > 1<<40 {
		return reject(ReasonBadNumber, "duration: is too large")
	}
	r.latencyMicros = numbers[2] * 1000
	_, rest = word(rest)
	var values [4][]byte // X-Forwarded-For, agent, request id, authority
	apart := []byte(`" "`)
	from := bytes.Index(rest, apart)
	if from < 1 || rest[0] != '"' {
		return reject(ReasonBadLine, "the line ends before the user agent")
	}
	values[0], rest = rest[1:from], rest[from+3:]
	for i := 4; i > 1; i-- { // the upstream, which is not used, authority and request id
		from := bytes.LastIndex(rest, apart)
		if from < 0 {
			return reject(ReasonBadLine, "the line ends before the upstream")
		}
		if i < 4 {
			values[i] = rest[from+3:]
		}
		rest = rest[:from]
	}
	values[1] = rest
	for i := range values {
		if dash(values[i]) {
			values[i] = nil
		}
	}
	r.forwarded, r.agent, r.rid, r.host = values[0], values[1], values[2], values[3]
	// There is no address but the header's in this format: its last entry is the one that Envoy saw itself.
	r.peer = lastEntry(r.forwarded)
	return nil
}

// untilQuote reads a "quoted" request line that may have quotes inside: up to the first quote behind a protocol, or else up to
// the first quote.
func untilQuote(b []byte) (text, rest []byte, ok bool) {
	if len(b) == 0 || b[0] != '"' {
		return nil, b, false
	}
	b = b[1:]
	end := bytes.IndexByte(b, '"')
	if at := bytes.Index(b, []byte(" HTTP/")); at >= 0 {
		if quote := bytes.IndexByte(b[at:], '"'); quote >= 0 {
			end = at + quote
		}
	}
	if end < 0 {
		return nil, b, false
	}
	return b[:end], bytes.TrimLeft(b[end+1:], " "), true
}

// request reads "GET /path HTTP/1.1"; Envoy writes "- - -" where there was none.
func (d envoyText) request(v []byte, r *call) {
	requestLine(v, r)
	if dash(r.method) {
		r.method = nil
	}
	if dash(r.path) || string(r.path) == "- -" {
		r.path = nil
	}
}
