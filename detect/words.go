package detect

import (
	"fmt"
	"strings"
	"time"
)

var meterNames = [meters]string{"requests", "bytes", "units"}

// amount words a quantity of a meter.
func amount(meter int, x float64) string {
	if meter == meterBytes {
		for _, u := range []struct {
			name string
			size float64
		}{{"GB", 1e9}, {"MB", 1e6}, {"kB", 1e3}} {
			if x >= u.size {
				return fmt.Sprintf("%.1f %s", x/u.size, u.name)
			}
		}
	}
	return fmt.Sprintf("%.0f %s", x, meterNames[meter])
}

// counted words a number of things.
func counted(n int, thing string) string {
	switch {
	case n == 1:
	case strings.HasSuffix(thing, "s"):
		thing += "es"
	default:
		thing += "s"
	}
	return fmt.Sprintf("%d %s", n, thing)
}

// atLeast words a number that is not counted beyond most.
func atLeast(n, most int) string {
	if n >= most {
		return fmt.Sprintf("%d or more", most)
	}
	return fmt.Sprint(n)
}

// asWell is the sentence that the client's own things of these names are new, too.
func asWell(things []string) string {
	if len(things) == 0 {
		return ""
	}
	verb := "is"
	if len(things) > 1 {
		verb = "are"
	}
	return fmt.Sprintf(" Its %s %s new to the key as well.", strings.Join(things, " and its "), verb)
}

// were is the verb of a number of things.
func were(n float32) string {
	if n < 1.5 {
		return "was"
	}
	return "were"
}

// span words a length of time.
func span(millis int64) string {
	d := time.Duration(millis) * time.Millisecond
	switch {
	case d < 2*time.Minute:
		return counted(max(1, int(d.Round(time.Second).Seconds())), "second")
	case d < 2*time.Hour:
		return counted(int(d.Round(time.Minute).Minutes()), "minute")
	case d < 72*time.Hour:
		return counted(int(d.Round(time.Hour).Hours()), "hour")
	}
	return counted(int(d.Round(24*time.Hour).Hours()/24), "day")
}
