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

// otelWalk is where the walk through a request is.
type otelWalk struct {
	*jsonDecoder
	line []byte
	at   Origin
	b    *usage.Batch
}

func otelLogs(d *jsonDecoder, line []byte, at Origin, b *usage.Batch) (bool, error) {
	if err := d.scan.Scan(line, d.slots); err != nil {
		return false, nil // said again, and better, by the caller
	}
	logs := d.slots[d.spec.index("resourceLogs")]
	if logs.Kind != jsonscan.Array {
		return false, nil
	}
	w := otelWalk{d, line, at, b}
	for it := jsonscan.Over(line, logs); it.Next(); {
		if err := w.resource(it.Value); err != nil {
			return true, err
		}
	}
	if d.sub == 0 {
		return true, reject(ReasonMissingField, "resourceLogs: holds no record")
	}
	return true, nil
}

// resource walks one element of resourceLogs: what is said of the resource holds for all of its records.
func (w otelWalk) resource(v jsonscan.Value) error {
	clear(w.slots)
	for it := jsonscan.Over(w.line, v); it.Next(); {
		if nameIs(w.line, it.Name, "resource") {
			w.attributesOf(it.Value)
		}
	}
	service := w.slots[w.spec.index("service.name")]
	for it := jsonscan.Over(w.line, v); it.Next(); {
		if !nameIs(w.line, it.Name, "scopeLogs") {
			continue
		}
		for scopes := jsonscan.Over(w.line, it.Value); scopes.Next(); {
			for scope := jsonscan.Over(w.line, scopes.Value); scope.Next(); {
				if !nameIs(w.line, scope.Name, "logRecords") {
					continue
				}
				for records := jsonscan.Over(w.line, scope.Value); records.Next(); {
					clear(w.slots)
					w.slots[w.spec.index("service.name")] = service
					if err := w.record(records.Value); err != nil {
						return err
					}
				}
			}
		}
	}
	return nil
}

func (w otelWalk) record(v jsonscan.Value) error {
	for it := jsonscan.Over(w.line, v); it.Next(); {
		switch {
		case nameIs(w.line, it.Name, "attributes"):
			w.attributes(it.Value)
		case nameIs(w.line, it.Name, "body"): // a structured body: {"kvlistValue":{"values":[...]}}
			for body := jsonscan.Over(w.line, it.Value); body.Next(); {
				for list := jsonscan.Over(w.line, body.Value); list.Next(); {
					w.attributes(list.Value)
				}
			}
		default:
			w.set(it.Name, it.Value)
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
	if err := w.finish(r, w.at, w.b, w.sub); err != nil {
		return err
	}
	w.sub++
	return nil
}

// identify makes trace and span the request's id where it has none: a trace alone may hold many requests.
func (w otelWalk) identify(r *call) {
	trace, span := w.slots[w.spec.index("traceId")], w.slots[w.spec.index("spanId")]
	if len(r.rid) > 0 || trace.End == trace.Start || span.End == span.Start || trace.Kind != jsonscan.String || span.Kind != jsonscan.String {
		return
	}
	from := len(w.scratch)
	w.scratch = append(append(append(w.scratch, trace.In(w.line)...), '-'), span.In(w.line)...)
	r.rid = w.scratch[from:len(w.scratch):len(w.scratch)]
}

func (w otelWalk) attributesOf(v jsonscan.Value) {
	for it := jsonscan.Over(w.line, v); it.Next(); {
		if nameIs(w.line, it.Name, "attributes") {
			w.attributes(it.Value)
		}
	}
}

// attributes reads [{"key":"http.route","value":{"stringValue":"/x"}}, ...].
func (w otelWalk) attributes(v jsonscan.Value) {
	for it := jsonscan.Over(w.line, v); it.Next(); {
		var name, value jsonscan.Value
		for pair := jsonscan.Over(w.line, it.Value); pair.Next(); {
			switch {
			case nameIs(w.line, pair.Name, "key"):
				name = pair.Value
			case nameIs(w.line, pair.Name, "value"):
				value = scalar(w.line, pair.Value)
			}
		}
		if name.Kind == jsonscan.String {
			w.set(name, value)
		}
	}
}

// scalar takes the value out of {"intValue":"200"}, and the first of {"arrayValue":{"values":[{"stringValue":"x"}]}}.
func scalar(line []byte, v jsonscan.Value) jsonscan.Value {
	for range 4 {
		if v.Kind != jsonscan.Object && v.Kind != jsonscan.Array {
			break
		}
		it := jsonscan.Over(line, v)
		if !it.Next() {
			return jsonscan.Value{}
		}
		v = it.Value
	}
	if v.Kind == jsonscan.Object || v.Kind == jsonscan.Array {
		return jsonscan.Value{}
	}
	return v
}

func (w otelWalk) set(name, value jsonscan.Value) {
	if i, ok := w.spec.indexOf(name.In(w.line)); ok {
		w.slots[i] = value
	}
}

func nameIs(line []byte, name jsonscan.Value, want string) bool { return string(name.In(line)) == want }
