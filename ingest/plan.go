package ingest

import (
	"errors"
	"fmt"
	"strconv"
	"strings"
)

// maxPlanBytes is Kafka's default bound on the metadata of an offset commit (offset.metadata.max.bytes).
const maxPlanBytes = 4096

// plan is what the metadata of an offset commit says about a partition. The committed offset D itself is beside it:
// everything below D is stored; the pending ranges follow each other from D on and may be stored.
type plan struct {
	epoch        int   // 1, and one more each time the topic was found recreated
	streamMillis int64 // the partition's stream time at D: the latest record time seen
	lastRow      int64 // the highest offset below D that left an event or a dead letter; -1 for none
	pending      []plannedRange
}

// plannedRange ends before offset to. Day is the ClickHouse partition it goes to, fixed when it was planned; so is, for a
// block that is re-keyed, the number of partitions over which its records are spread.
type plannedRange struct {
	to      int64
	day     int32
	targets int
}

var errPlanForm = errors.New("offset commit metadata is not a plan of ours")

// String encodes the plan: "v1;e=1;w=1700000000000;l=41;p=50.20416,60.20416", the re-keying's "...;p=50.20416.4".
func (p plan) String() string {
	b := make([]byte, 0, 96)
	b = append(b, "v1;e="...)
	b = strconv.AppendInt(b, int64(p.epoch), 10)
	b = append(b, ";w="...)
	b = strconv.AppendInt(b, p.streamMillis, 10)
	b = append(b, ";l="...)
	b = strconv.AppendInt(b, p.lastRow, 10)
	for i, r := range p.pending {
		if i == 0 {
			b = append(b, ";p="...)
		} else {
			b = append(b, ',')
		}
		b = strconv.AppendInt(b, r.to, 10)
		b = append(b, '.')
		b = strconv.AppendInt(b, int64(r.day), 10)
		if r.targets > 0 {
			b = append(b, '.')
			b = strconv.AppendInt(b, int64(r.targets), 10)
		}
	}
	return string(b)
}

// parsePlan reads what String wrote. Unknown fields are an error: a newer version may have planned in a way that this
// one would get wrong.
func parsePlan(s string, committed int64) (plan, error) {
	fields := strings.Split(s, ";")
	if fields[0] != "v1" || len(s) > maxPlanBytes {
		return plan{}, errPlanForm
	}
	p := plan{epoch: 1, lastRow: -1}
	for _, f := range fields[1:] {
		name, value, ok := strings.Cut(f, "=")
		if !ok {
			return plan{}, fmt.Errorf("%w: field %q", errPlanForm, f)
		}
		var err error
		switch name {
		case "e":
			p.epoch, err = strconv.Atoi(value)
			if err == nil && p.epoch < 1 {
				err = errPlanForm
			}
		case "w":
			p.streamMillis, err = strconv.ParseInt(value, 10, 64)
		case "l":
			p.lastRow, err = strconv.ParseInt(value, 10, 64)
		case "p":
			p.pending, err = parsePending(value, committed)
		default:
			err = errors.New("unknown field; was it written by a newer version?")
		}
		if err != nil {
			return plan{}, fmt.Errorf("%w: field %q: %w", errPlanForm, f, err)
		}
	}
	return p, nil
}

func parsePending(s string, from int64) ([]plannedRange, error) {
	var out []plannedRange
	for part := range strings.SplitSeq(s, ",") {
		to, day, ok := strings.Cut(part, ".")
		if !ok {
			return nil, errPlanForm
		}
		end, err := strconv.ParseInt(to, 10, 64)
		if err != nil {
			return nil, err
		}
		day, targets, spread := strings.Cut(day, ".")
		d, err := strconv.ParseInt(day, 10, 32)
		if err != nil {
			return nil, err
		}
		n := 0
		if spread {
			if n, err = strconv.Atoi(targets); err != nil || n < 1 {
				return nil, errPlanForm
			}
		}
		if end <= from {
			return nil, fmt.Errorf("range ends at %d, not after %d", end, from)
		}
		out = append(out, plannedRange{to: end, day: int32(d), targets: n})
		from = end
	}
	return out, nil
}

// end is the offset up to which the plan reaches.
func (p plan) end(committed int64) int64 {
	if n := len(p.pending); n > 0 {
		return p.pending[n-1].to
	}
	return committed
}
