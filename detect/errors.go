package detect

import (
	"fmt"
	"math"
)

// clumsyClient is how somebody errs who is learning an API: asks for what is not there, but seldom for what is forbidden, sends
// twice what may be sent once, and one that tidies up deletes whatever share of its calls.
var clumsyClient = [errorClasses]beta{errDenied: {1, 20}, errAbsent: {1, 6}, errDeclined: {1, 3}, errGone: {1, 2}, errFaulty: {1, 3}}

// abusers is how somebody errs who does not know what the key may do, or which objects there are; how somebody is declined who
// tries cards or codes, most of which are no good; and how much somebody deletes who holds a customer's data to ransom.
var abusers = [errorClasses]beta{errDenied: {1.5, 3}, errAbsent: {1.5, 3}, errDeclined: {4, 1.5}, errGone: {2, 2}, errFaulty: {4, 1.5}}

// The logarithms of their beta functions, which do not change.
var clumsyNorm, abuserNorm = func() (clumsy, abuser [errorClasses]float64) {
	for c := range clumsy {
		clumsy[c], abuser[c] = clumsyClient[c].lbeta(0, 0), abusers[c].lbeta(0, 0)
	}
	return clumsy, abuser
}()

const (
	clumsyShare = 0.1
	faultyShare = 0.5  // of calls that are malformed: half of all programs are tried out first, and a broken one stays so until it is mended
	clumsyLeast = 0.02 // who still learns after many calls
	learning    = 200  // calls after which half of those who learn have done so
	ownWeight   = 10   // requests' worth of the key's own error rate in the expectation for its new clients

	errMemory = 128 // answers after which a key's older ones count half
	errVote   = 64  // answers that a key must have had to speak for the platform
)

// learnErrors lets a key say how its established clients err, once in a day of its: one broken program that calls all day
// must not teach the platform that errors are usual.
func (e *Engine) learnErrors(k *keyState) {
	if k.slowN >= errVote {
		e.slowAll.add(float64(k.slow/k.slowN), 2000)
	}
	if k.errN < errVote {
		return
	}
	for c := range e.errAll {
		e.errAll[c].add(float64(k.errK[c]/k.errN), 2000)
	}
}

// expectedErrors is the distribution of the rate of an error class over the platform's clients, by moments, moved towards the
// key's own rate.
func (e *Engine) expectedErrors(k *keyState, class int) beta {
	return towards(spreadOf(&e.errAll[class]), float64(k.errK[class]), float64(k.errN))
}

// spreadOf is the distribution with those moments, within bounds.
func spreadOf(m *moments) beta {
	mean := max(m.mean, negligible) // no class is impossible for having never occurred
	v := max(m.variance(), mean*mean*0.5, 1e-6)
	strength := max(2, min(200, mean*(1-mean)/v-1))
	return beta{mean * strength, (1 - mean) * strength}
}

// towards moves h towards hits among n of the key's own, by at most ownWeight requests' worth.
func towards(h beta, hits, n float64) beta {
	if n > 0 {
		w := min(1, ownWeight/n)
		h.a += hits * w
		h.b += (n - hits) * w
	}
	return h
}

// errorEvidence bets on "an abuser" against "a client like the others, or in one of ten cases a clumsy one", in fewer as it goes on.
func (e *Engine) errorEvidence(k *keyState, a *actor) float64 {
	var s [errorClasses]float64
	for c := range s {
		// What a customer's own client is declined, or deletes, is between the two of them; spike tells when it gets out of hand.
		// And a program of the customer's that is broken is so wherever it runs.
		if a.errK[c] == 0 || c >= errDeclined && !a.fresh || c == errFaulty && k.uses(a.agent) {
			continue
		}
		hits, n := float64(a.errK[c]), float64(a.winN)
		abuse := abusers[c].lbeta(hits, n) - abuserNorm[c]
		clumsy := (abuse - (clumsyClient[c].lbeta(hits, n) - clumsyNorm[c])) * math.Log10E
		share := clumsiness(c, a.n)
		if clumsy <= log10(share) { // whoever the others are, the bet is lost: so it is about most clients that err
			continue
		}
		expected := e.expectedErrors(k, c)
		usual := abuse - (expected.lbeta(hits, n) - expected.lbeta(0, 0))
		s[c] = mixtureBet(usual*math.Log10E, clumsy, share)
	}
	return together(together(together(together(s[errDenied], s[errAbsent]), s[errDeclined]), s[errGone]), s[errFaulty])
}

// How answers to a crowd fail: of devices or an app of the customer's that has a fault, and of many that do not know what the key may do, try what they
// have stolen, or go on when they are refused.
var (
	faultyCrowd  = beta{1, 20}
	failingCrowd = beta{1, 3}
)

// crowdErrors is the same bet about a crowd, by the share of its calls that fail in whatever way.
func (e *Engine) crowdErrors(k *keyState, p *pool) float64 {
	hits, usual := e.crowdFailures(k, p)
	if hits == 0 || usual.mean() >= 1 {
		return 0
	}
	n := float64(p.n)
	return mixtureBet(logBayes(hits, n, usual, failingCrowd), logBayes(hits, n, faultyCrowd, failingCrowd), clumsyShare)
}

// crowdFailures is how many of a crowd's calls failed, and how many are usual. To be told to wait is a failure of a crowd that calls more than the key did in
// its busiest hour.
func (e *Engine) crowdFailures(k *keyState, p *pool) (hits float64, usual beta) {
	mean, variance := 0.0, 0.0
	for c := range errorClasses {
		h := e.expectedErrors(k, c)
		mean, variance = mean+h.mean(), variance+h.mean()*(1-h.mean())/(h.a+h.b+1)
	}
	hits = float64(p.failed)
	if k.crowdPace(p, p.last) >= 0 {
		hits, mean = hits+float64(p.late), mean+usualLate.mean()
	}
	strength := max(2, mean*(1-mean)/variance-1)
	return hits, beta{mean * strength, (1 - mean) * strength}
}

// clumsiness is the share of clients that err as clumsy ones do after so many calls. Whoever asks for what is forbidden or not there learns, or has a program that is
// mended; who sends things twice, or tidies up, does so for good.
func clumsiness(class int, calls uint32) float64 {
	switch class {
	case errDeclined, errGone:
		return clumsyShare
	case errFaulty:
		return max(clumsyShare, faultyShare*learning/(learning+float64(calls)))
	}
	return max(clumsyLeast, clumsyShare*learning/(learning+float64(calls)))
}

// describeErrors tells of the class of which there are most; what is refused and what is not there are told together.
func (e *Engine) describeErrors(k *keyState, a *actor) Evidence {
	refused, n := a.errK[errDenied]+a.errK[errAbsent], float64(a.winN)
	single := func(class int, detector, sentence string) Evidence {
		h := e.expectedErrors(k, class)
		return Evidence{
			Detector: detector, Observed: float64(a.errK[class]) / n, Expected: h.mean(), High: h.high(n),
			Sentence: fmt.Sprintf(sentence, a.errK[class], n, were(a.errK[class]), 100*h.mean()),
		}
	}
	if e.doorEvidence(k, a) > e.errorEvidence(k, a) {
		calls := float64(a.n - a.doors.from)
		return Evidence{
			Detector: "doors", Observed: float64(a.doors.refused) / calls, Expected: e.expectedErrors(k, errAbsent).mean(), High: 0.5,
			Sentence: fmt.Sprintf("Since it called the first of %d routes that hardly anybody is answered on, %d of its %.0f requests were refused, found nothing or were malformed.", a.doors.n, a.doors.refused, calls),
		}
	}
	switch {
	case a.errK[errFaulty] > max(refused, a.errK[errDeclined], a.errK[errGone]):
		return single(errFaulty, "malformed", "%.0f of its last %.0f requests %s malformed or could not be processed (400, 422), as when somebody tries what a route may be made to do; %.1f%% is usual here.")
	case a.errK[errDeclined] > max(refused, a.errK[errGone]):
		return single(errDeclined, "declined", "%.0f of its last %.0f requests %s declined (402, 409), as when cards or codes are tried; %.1f%% is usual here.")
	case a.errK[errGone] > refused:
		return single(errGone, "deleted", "%.0f of its last %.0f requests %s a deletion of what the key's own clients use; %.1f%% is usual here.")
	}
	denied, absent := e.expectedErrors(k, errDenied), e.expectedErrors(k, errAbsent)
	rate := denied.mean() + absent.mean()
	return Evidence{
		Detector: "refused_or_absent", Observed: float64(refused) / n, Expected: rate, High: min(1, denied.high(n)+absent.high(n)),
		Sentence: fmt.Sprintf("%.0f of its last %.0f requests %s refused (401, 403) or found nothing (404); %.1f%% is usual here.", refused, n, were(refused), 100*rate),
	}
}

// mixtureBet is the bet against a mixture of two hypotheses, of which the second has that share.
func mixtureBet(first, second, share float64) float64 {
	return -log10((1-share)*pow10(-first) + share*pow10(-second))
}
