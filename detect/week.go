package detect

// week is how the days of a key's week differ from others of their half of it. Working days and weekends are what most keys' weeks are made of;
// some rest on Friday and Saturday, some have a heavy Monday, some work every day but one. Seven factors beside the two usual days make an
// hour-of-week profile that has learnt something after four weeks, where each of 168 hours on their own would have been seen four times.
//
// The factors are believed while they foretell a key's days better than one number a half does, by the errors of predictions that were made
// before the day (Dawid 1984, "The prequential approach"). Of keys whose days only scatter one in three hundred has a week of its own for some days of half
// a year.
type week struct {
	by        [7]float32 // mean share of the half's mean, by day of the week, Monday first
	n         [7]uint8   // days of each, at most weekMemory
	all       [2]ratio   // mean share of working days, of weekends
	flat, own ratio      // squared errors of that mean, and of those by day
}

const (
	weekMemory  = 8    // weeks
	weekWatched = 14   // days that were foretold both ways
	weekBetter  = 0.5  // of the error of one number a half
	weekMost    = 7    // the share of who works one day a week
	weekLeast   = 0.05 // what a day of rest counts as where its share is divided by
)

// daysOf is how many days the halves of a week have.
var daysOf = [2]uint8{5, 2}

// weekday is 0 on a Monday. 1970-01-01 was a Thursday.
func weekday(day int32) int { return int(day+3) % 7 }

// factor is how many calls the key makes on that day for one of an ordinary day of that half of the week.
func (w *week) factor(day int32) float32 {
	if d := weekday(day); w.n[d] > 0 && w.believed() {
		return w.by[d] / max(weekLeast, w.all[d/5].mean)
	}
	return 1
}

func (w *week) believed() bool {
	return w.flat.n >= weekWatched && w.own.mean < weekBetter*w.flat.mean
}

// learn takes a day with that share of its half's mean, and says whether the week is believed from now on and was not before.
func (w *week) learn(day int32, share float32) bool {
	d, before := weekday(day), w.believed()
	all := &w.all[d/5]
	share = min(share, weekMost)
	if w.n[d] > 0 {
		off, own := share-all.mean, share-w.by[d]
		w.flat.add(off*off, 7*weekMemory)
		w.own.add(own*own, 7*weekMemory)
	}
	if w.n[d] < weekMemory {
		w.n[d]++
	}
	w.by[d] += (share - w.by[d]) / float32(w.n[d])
	all.add(share, 7*weekMemory)
	return !before && w.believed()
}
