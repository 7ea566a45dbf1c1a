package accesslog

import (
	"github.com/tollkeeper/tollkeeper/ingest/accesslog/jsonscan"
	"github.com/tollkeeper/tollkeeper/internal/usage"
)

// otelSpec is OpenTelemetry logs as OTLP JSON: the collector's kafkaexporter with encoding otlp_json writes a request of many
// records into one message. Attributes are named by the semantic conventions, new ones first. A flat object of attribute
// names is taken too.
func otelSpec() *jsonSpec {
	s := &jsonSpec{
		name: "otel",
		fields: []field{
			{path: "timeUnixNano", to: toTime, unit: unitNanos},
			{path: "observedTimeUnixNano", to: toTime, unit: unitNanos},
			{path: "http.request.header.x-api-key", to: toKey},
			{path: "http.request.header.x_api_key", to: toKey},
			{path: "api_key", to: toKey},
			{path: "http.request.header.authorization", to: toAuthorization},
			{path: "key_id", to: toKeyID},
			{path: "api_key.id", to: toKeyID},
			{path: "user.id", to: toKeyID},
			{path: "enduser.id", to: toKeyID},
			{path: "http.request.id", to: toRequestID},
			{path: "request_id", to: toRequestID},
			{path: "http.request.method", to: toMethod},
			{path: "http.method", to: toMethod},
			{path: "server.address", to: toHost},
			{path: "http.host", to: toHost},
			{path: "http.route", to: toRoute},
			{path: "url.path", to: toPath},
			{path: "http.target", to: toPath},
			{path: "url.full", to: toPath},
			{path: "http.url", to: toPath},
			{path: "http.response.status_code", to: toStatus},
			{path: "http.status_code", to: toStatus},
			{path: "http.server.request.duration", to: toLatency, unit: unitSeconds},
			{path: "duration_ms", to: toLatency, unit: unitMillis},
			{path: "http.request.size", to: toBytesIn},
			{path: "http.request.body.size", to: toBytesIn},
			{path: "http.response.size", to: toBytesOut},
			{path: "http.response.body.size", to: toBytesOut},
			{path: "client.address", to: toIP},
			{path: "http.client_ip", to: toIP},
			{path: "network.peer.address", to: toIP},
			{path: "http.request.header.x-forwarded-for", to: toForwarded},
			{path: "user_agent.original", to: toAgent},
			{path: "http.user_agent", to: toAgent},
			{path: "service.name", to: toSource},
			{path: "gen_ai.usage.input_tokens", to: toUnit, name: []byte("input_tokens")},
			{path: "gen_ai.usage.output_tokens", to: toUnit, name: []byte("output_tokens")},
			{path: "traceId", to: toNothing},
			{path: "spanId", to: toNothing},
			{path: "resourceLogs", to: toNothing},
		},
		signature: []string{"resourceLogs", "http.response.status_code", "http.status_code"},
		nested:    otelLogs,
	}
	return s
}

// otelWalk is where the walk through a request is. One cursor goes over the whole line: nothing is read twice.
type otelWalk struct {
	*jsonDecoder
	c    jsonscan.Cursor
	line []byte
	b    *usage.Batch

	service           jsonscan.Value // of the resource in hand
	serviceAt         int            // its field
	traceAt, spanAt   int
	resourceAttrsSeen bool
}

func otelLogs(d *jsonDecoder, line []byte, b *usage.Batch) (bool, error) {
	if err := d.scan.Scan(line, d.slots); err != nil {
		return false, nil // said again, and better, by the caller
	}
	logs := d.slots[d.spec.index("resourceLogs")]
	if logs.Kind != jsonscan.Array {
		return false, nil
	}
	w := otelWalk{
		jsonDecoder: d, c: jsonscan.From(line, logs), line: line, b: b,
		serviceAt: d.spec.index("service.name"), traceAt: d.spec.index("traceId"), spanAt: d.spec.index("spanId"),
	}
	for w.c.EnterArray(); w.c.Element(); {
		if err := w.resource(); err != nil {
			return true, err
		}
	}
	if d.sub == 0 {
		return true, reject(ReasonMissingField, "resourceLogs: holds no record")
	}
	return true, nil
}

// resource walks one element of resourceLogs: what is said of the resource holds for all of its records, wherever it stands.
func (w *otelWalk) resource() error {
	w.service, w.resourceAttrsSeen = jsonscan.Value{}, false
	var name jsonscan.Value
	var early []jsonscan.Cursor // scopes that stand before the resource, which no exporter does
	for w.c.EnterObject(); w.c.Name(&name); {
		switch {
		case nameIs(w.line, name, "resource"):
			w.resourceAttributes()
		case !nameIs(w.line, name, "scopeLogs"):
			w.c.Skip()
		case !w.resourceAttrsSeen:
			early = append(early, w.c)
			w.c.Skip()
		default:
			if err := w.scopes(); err != nil {
				return err
			}
		}
	}
	behind := w.c
	for _, c := range early {
		w.c = c
		if err := w.scopes(); err != nil {
			return err
		}
	}
	w.c = behind
	return nil
}

func (w *otelWalk) resourceAttributes() {
	w.resourceAttrsSeen = true
	clear(w.slots)
	var name jsonscan.Value
	for w.c.EnterObject(); w.c.Name(&name); {
		if nameIs(w.line, name, "attributes") {
			w.attributes()
		} else {
			w.c.Skip()
		}
	}
	w.service = w.slots[w.serviceAt]
}

func (w *otelWalk) scopes() error {
	var name jsonscan.Value
	for w.c.EnterArray(); w.c.Element(); {
		for w.c.EnterObject(); w.c.Name(&name); {
			if !nameIs(w.line, name, "logRecords") {
				w.c.Skip()
				continue
			}
			for w.c.EnterArray(); w.c.Element(); {
				if err := w.record(); err != nil {
					return err
				}
			}
		}
	}
	return nil
}

func (w *otelWalk) record() error {
	clear(w.slots)
	w.slots[w.serviceAt] = w.service
	var name jsonscan.Value
	for w.c.EnterObject(); w.c.Name(&name); {
		switch {
		case nameIs(w.line, name, "attributes"):
			w.attributes()
		case nameIs(w.line, name, "body"): // a structured body: {"kvlistValue":{"values":[...]}}
			for w.c.EnterObject(); w.c.Name(&name); {
				for w.c.EnterObject(); w.c.Name(&name); {
					w.attributes()
				}
			}
		default:
			if i, ok := w.spec.table.Field(name.In(w.line)); ok {
				w.c.Value(&w.slots[i])
			} else {
				w.c.Skip()
			}
		}
	}
	r := &w.call
	*r = call{}
	seen, err := w.assemble(w.line, r)
	if err != nil {
		return err
	}
	if seen&needed != needed {
		return w.missing(seen)
	}
	w.identify(r)
	if err := w.finish(r, w.b, w.sub); err != nil {
		return err
	}
	w.sub++
	return nil
}

// identify makes trace and span the request's id where it has none: a trace alone may hold many requests.
func (w *otelWalk) identify(r *call) {
	trace, span := w.slots[w.traceAt], w.slots[w.spanAt]
	if len(r.rid) > 0 || trace.End == trace.Start || span.End == span.Start || trace.Kind != jsonscan.String || span.Kind != jsonscan.String {
		return
	}
	from := len(w.scratch)
	w.scratch = append(append(append(w.scratch, trace.In(w.line)...), '-'), span.In(w.line)...)
	r.rid = w.scratch[from:len(w.scratch):len(w.scratch)]
}

// attributes reads [{"key":"http.route","value":{"stringValue":"/x"}}, ...].
func (w *otelWalk) attributes() {
	var name, key, value jsonscan.Value
	for w.c.EnterArray(); w.c.Element(); {
		key, value = jsonscan.Value{}, jsonscan.Value{}
		for w.c.EnterObject(); w.c.Name(&name); {
			switch {
			case nameIs(w.line, name, "key"):
				w.c.Value(&key)
			case nameIs(w.line, name, "value"):
				w.scalar(&value, 4)
			default:
				w.c.Skip()
			}
		}
		if key.Kind == jsonscan.String {
			if i, ok := w.spec.table.Field(key.In(w.line)); ok {
				w.slots[i] = value
			}
		}
	}
}

// scalar takes the value out of {"intValue":"200"}, and the first of {"arrayValue":{"values":[{"stringValue":"x"}]}}.
func (w *otelWalk) scalar(v *jsonscan.Value, depth int) {
	switch at := w.c.At(); {
	case depth == 0 && (at == jsonscan.Object || at == jsonscan.Array):
		w.c.Skip()
		*v = jsonscan.Value{}
	case at == jsonscan.Object:
		var name jsonscan.Value
		first := true
		for w.c.EnterObject(); w.c.Name(&name); first = false {
			if first {
				w.scalar(v, depth-1)
			} else {
				w.c.Skip()
			}
		}
	case at == jsonscan.Array:
		first := true
		for w.c.EnterArray(); w.c.Element(); first = false {
			if first {
				w.scalar(v, depth-1)
			} else {
				w.c.Skip()
			}
		}
	default:
		w.c.Value(v)
	}
}

func nameIs(line []byte, name jsonscan.Value, want string) bool { return string(name.In(line)) == want }
