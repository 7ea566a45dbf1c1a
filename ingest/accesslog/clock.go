package accesslog

import "time"

// unit is the unit of a duration, or of a time since 1970.
type unit uint8

const (
	unitAuto    unit = iota // a time: by its size; a duration: not allowed
	unitSeconds             // also with a fraction
	unitMillis
	unitMicros
	unitNanos
)

// exponent returns x where 1 of the unit is 10^x nanoseconds.
func (u unit) exponent() int {
	switch u {
	case unitSeconds:
		return 9
	case unitMillis:
		return 6
	case unitMicros:
		return 3
	}
	return 0
}

// dates remembers the day that was parsed last: a log stays on one day for long.
type dates struct {
	text    [11]byte
	length  int
	seconds int64

	hundreds       [8]byte // digits of the last time that was a number of seconds, and what they stand for; zero bytes are none
	hundredsMillis int64
}

// firstMillis is the start of the year 2000: no access log of an API is older.
const firstMillis = 946684800000

// parse reads a time in one of the ways in which logs write it: RFC 3339 (also with a space for the T and without a zone,
// then UTC), 02/Jan/2006:15:04:05 -0700 (also with milliseconds and without a zone), or a number of units since 1970.
func (d *dates) parse(b []byte, u unit) (millis int64, ok bool) {
	switch {
	case len(b) >= 19 && b[4] == '-' && b[7] == '-':
		return d.iso(b)
	case len(b) >= 20 && b[2] == '/' && b[6] == '/':
		return d.common(b)
	}
	if u != unitAuto {
		if u == unitSeconds {
			if millis, ok = d.decimal(b); ok {
				return millis, true
			}
		}
		v, fault := parseScaled(b, u.exponent()-6)
		return v, fault == numberOK
	}
	// Below 10^11 it is seconds: as such before the year 5138, as milliseconds it would be before 1973.
	if v, fault := parseScaled(b, 3); fault == numberOK && v < 1e14 {
		return v, true
	}
	v, fault := parseScaled(b, 0)
	if fault != numberOK {
		return 0, false
	}
	switch {
	case v < 1e14:
		return v, true
	case v < 1e17:
		return v / 1e3, true
	}
	return v / 1e6, true
}

// decimal reads seconds with three places, as nginx's $msec is: the first eight digits are the same for a hundred seconds. It says no
// where it is not sure.
func (d *dates) decimal(b []byte) (millis int64, ok bool) {
	if len(b) != len("1700000000.000") || b[10] != '.' {
		return 0, false
	}
	if d.hundreds != [8]byte(b) {
		n, ok := decimals(b[:8])
		if !ok {
			return 0, false
		}
		d.hundreds, d.hundredsMillis = [8]byte(b), int64(n)*100_000
	}
	tens, units, tenths, hundredths, thousandths := b[8]-'0', b[9]-'0', b[11]-'0', b[12]-'0', b[13]-'0'
	if max(tens, units, tenths, hundredths, thousandths) > 9 {
		return 0, false
	}
	return d.hundredsMillis + int64(tens)*10_000 + int64(units)*1000 + int64(tenths)*100 + int64(hundredths)*10 + int64(thousandths), true
}

func (d *dates) iso(b []byte) (int64, bool) {
	if b[10] != 'T' && b[10] != ' ' && b[10] != 't' {
		return 0, false
	}
	if d.length != 10 || string(d.text[:10]) != string(b[:10]) {
		year, ok1 := decimals(b[0:4])
		month, ok2 := decimals(b[5:7])
		day, ok3 := decimals(b[8:10])
		if !ok1 || !ok2 || !ok3 || !d.set(b[:10], year, month, day) {
			return 0, false
		}
	}
	return d.clock(b[11:])
}

func (d *dates) common(b []byte) (int64, bool) {
	if b[11] != ':' {
		return 0, false
	}
	if d.length != 11 || string(d.text[:]) != string(b[:11]) {
		day, ok1 := decimals(b[0:2])
		year, ok2 := decimals(b[7:11])
		if !ok1 || !ok2 || !d.set(b[:11], year, monthNumber(b[3:6]), day) {
			return 0, false
		}
	}
	return d.clock(b[12:])
}

func (d *dates) set(text []byte, year, month, day int) bool {
	t := time.Date(year, time.Month(month), day, 0, 0, 0, 0, time.UTC)
	if year < 1 || month < 1 || month > 12 || day < 1 || t.Day() != day {
		return false
	}
	d.length = copy(d.text[:], text)
	d.seconds = t.Unix()
	return true
}

// clock reads 15:04:05, a fraction and a zone, and adds the day.
func (d *dates) clock(b []byte) (int64, bool) {
	if len(b) < 8 || b[2] != ':' || b[5] != ':' {
		return 0, false
	}
	h, ok1 := decimals(b[0:2])
	m, ok2 := decimals(b[3:5])
	s, ok3 := decimals(b[6:8])
	if !ok1 || !ok2 || !ok3 || h > 23 || m > 59 || s > 60 {
		return 0, false
	}
	millis := (d.seconds + int64(h*3600+m*60+s)) * 1000
	b = b[8:]
	if len(b) > 1 && (b[0] == '.' || b[0] == ',') {
		i, weight := 1, int64(100)
		for ; i < len(b) && b[i]-'0' <= 9; i++ {
			millis += int64(b[i]-'0') * weight
			weight /= 10
		}
		if i == 1 {
			return 0, false
		}
		b = b[i:]
	}
	if len(b) > 1 && b[0] == ' ' {
		b = b[1:]
	}
	switch {
	case len(b) == 0, len(b) == 1 && b[0]|0x20 == 'z', string(b) == "UTC", string(b) == "GMT":
		return millis, true
	case b[0] != '+' && b[0] != '-':
		return 0, false
	}
	sign := int64(1)
	if b[0] == '-' {
		sign = -1
	}
	if b = b[1:]; len(b) == 5 && b[2] == ':' {
		h, ok1 = decimals(b[:2])
		m, ok2 = decimals(b[3:])
	} else if len(b) == 4 {
		h, ok1 = decimals(b[:2])
		m, ok2 = decimals(b[2:])
	} else {
		return 0, false
	}
	if !ok1 || !ok2 || h > 23 || m > 59 {
		return 0, false
	}
	return millis - sign*int64(h*3600+m*60)*1000, true
}

func decimals(b []byte) (int, bool) {
	n := 0
	for _, c := range b {
		if c -= '0'; c > 9 {
			return 0, false
		}
		n = n*10 + int(c)
	}
	return n, true
}

func monthNumber(b []byte) int {
	switch string(b) {
	case "Jan":
		return 1
	case "Feb":
		return 2
	case "Mar":
		return 3
	case "Apr":
		return 4
	case "May":
		return 5
	case "Jun":
		return 6
	case "Jul":
		return 7
	case "Aug":
		return 8
	case "Sep":
		return 9
	case "Oct":
		return 10
	case "Nov":
		return 11
	case "Dec":
		return 12
	}
	return 0
}
