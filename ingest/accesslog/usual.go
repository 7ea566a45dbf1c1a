package accesslog

import (
	"math/bits"

	"github.com/tollkeeper/tollkeeper/ingest/accesslog/jsonscan"
)

// layout tells from which fields the targets of a line are read whose members are those of a line before. It is good for lines of which
// every target has its value in the first of its fields.
type layout struct {
	found uint64 // the line's fields; 0: there is no layout
	usual bool   // what its targets need is in assembleUsual
	from  [targets]uint8
	time  unit
	took  unit   // of the latency
	again uint32 // the targets, by number, that have several fields
	units uint64 // the field of the target of that name
}

// lay makes the layout of lines that have these fields.
func (d *jsonDecoder) lay(found uint64) {
	fields := d.spec.fields
	d.layout = layout{found: found}
	l := &d.layout
	for t := range l.from {
		l.from[t] = uint8(len(fields)) // the slot behind all others, which has no text
	}
	has := uint32(0)
	for i := range fields {
		f := &fields[i]
		if found>>i&1 == 0 {
			continue
		}
		bit := uint32(1) << f.to
		switch f.to {
		case toNothing, toWrapped:
			continue
		case toRouteKey, toUnit, toLength:
			return
		case toPath, toMethod:
			if has&(1<<toRequest) != 0 {
				return // what comes last stands
			}
		case toUnits:
			if has&bit != 0 {
				return
			}
			l.units = 1 << i
		}
		if has&bit != 0 {
			l.again |= bit
			continue
		}
		has |= bit
		l.from[f.to] = uint8(i)
		switch f.to {
		case toTime:
			l.time = f.unit
		case toLatency:
			l.took = f.unit
		}
	}
	l.usual = true
}

// assembleUsual does what assemble does to a zeroed call, of a line that names what is needed. It says no where it is not sure: then the
// call holds nothing of use.
//
// It goes from target to target where assemble goes from field to field: which field comes next, and what is to be done with it, is what a
// processor guesses wrong.
func (d *jsonDecoder) assembleUsual(line []byte, r *call) bool {
	found, unusual := d.scan.Found()
	l := &d.layout
	if found != l.found {
		if len(d.slots) > 63 {
			return false
		}
		d.lay(found)
	}
	if !l.usual || unusual&^l.units != 0 || d.onlySigned && !d.signed() {
		return false
	}
	text := fieldTexts{line, d.slots[:len(d.slots)+1], &l.from}
	for again := l.again; again != 0; again &= again - 1 {
		if len(text.of(target(bits.TrailingZeros32(again)))) == 0 {
			return false // the next field counts
		}
	}
	request := text.of(toRequest)
	if r.path = text.roomy(toPath); len(r.path) == 0 && len(request) == 0 {
		return false
	}
	if r.millis, r.hasTime = d.dates.parse(text.of(toTime), l.time); !r.hasTime {
		return false
	}
	var faults [4]numberFault
	r.status, faults[0] = parseInt(text.of(toStatus))
	r.latencyMicros, r.requestBytes, r.responseBytes = 0, 0, 0
	if t := text.of(toLatency); len(t) > 0 {
		r.latencyMicros, faults[1] = latency(t, l.took)
	}
	if t := text.of(toBytesIn); len(t) > 0 {
		r.requestBytes, faults[2] = parseAmount(t)
	}
	if t := text.of(toBytesOut); len(t) > 0 {
		r.responseBytes, faults[3] = parseAmount(t)
	}
	if faults != ([4]numberFault{}) {
		return false
	}
	r.secret, r.key = nil, nil
	if t := text.of(toKey); len(t) > 0 {
		if r.key = plainKey(t); len(r.key) == 0 && l.again&(1<<toKey) != 0 {
			return false
		}
	}
	if t := text.of(toAuthorization); len(t) > 0 {
		d.authorization(t, r)
	}
	r.keyID, r.user, r.rid, r.source = text.of(toKeyID), text.of(toUser), text.of(toRequestID), text.of(toSource)
	r.method, r.host, r.route, r.agent = text.of(toMethod), text.of(toHost), text.of(toRoute), text.of(toAgent)
	if len(request) > 0 {
		requestLine(request, r)
	}
	r.peer, r.forwarded = text.roomy(toIP), text.of(toForwarded)
	r.origin = origin{}
	if t := text.of(toOrigin); len(t) > 0 && d.origins {
		var ok bool
		if r.origin, ok = parseOrigin(t); !ok {
			return false
		}
	}
	r.units = 0
	if l.units != 0 {
		i := l.from[toUnits]
		return d.units(line, d.slots[i], r, int(i)) == nil
	}
	return true
}

// fieldTexts are the texts of a line's fields by target.
type fieldTexts struct {
	line  []byte
	slots []jsonscan.Value
	from  *[targets]uint8
}

// of returns the text of a target; none stands for "-" too.
func (f *fieldTexts) of(t target) []byte {
	v := &f.slots[f.from[t]]
	if v.End-v.Start == 1 && f.line[v.Start] == '-' {
		return nil
	}
	return f.line[v.Start:v.End:v.End]
}

// roomy is of with room for what is behind the text in the line: see plainIPv4 and plainTarget.
func (f *fieldTexts) roomy(t target) []byte {
	v := &f.slots[f.from[t]]
	if v.End-v.Start == 1 && f.line[v.Start] == '-' {
		return nil
	}
	return f.line[v.Start:v.End]
}
