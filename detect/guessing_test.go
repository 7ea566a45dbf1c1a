package detect

import (
	"fmt"
	"net/netip"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/tollkeeper/tollkeeper/internal/usage"
)

const guessedAt = 1_772_409_600_000 // 2026-03-02, midnight

// guessing makes each address try that many keys that do not exist, one a second, all of them side by side.
func guessing(from int64, keys int, addresses ...netip.Addr) *usage.Batch {
	var b usage.Batch
	for i := range keys {
		for _, ip := range addresses {
			b.Append(&usage.Record{
				TimeMillis: from + int64(i)*1000, KeyID: fmt.Sprint("unk_", ip, i), Flags: usage.FlagUnknownKey, Status: 401, ClientIP: ip, ASN: 9009, Country: "RO", Agent: "curl",
			})
		}
	}
	return &b
}

func guessers(n int) (list []netip.Addr) {
	for i := range n {
		list = append(list, netip.AddrFrom4([4]byte{203, 0, byte(i >> 8), byte(i)}))
	}
	return list
}

func phases(ds []Decision) (list []Phase) {
	for _, d := range ds {
		list = append(list, d.Phase)
	}
	return list
}

func TestGuessingOfKeysIsFoundByAddress(t *testing.T) {
	e := mustEngine(t)
	b := guessing(guessedAt, 20, netip.MustParseAddr("203.0.113.77"))
	e.Observe(b, 0, b.Len())
	ds := e.Drain()
	require.Len(t, ds, 1)
	require.Empty(t, ds[0].KeyID)
	require.Equal(t, ActionFlag, ds[0].Action)
	require.Equal(t, FamilyGuessing, ds[0].Evidence[0].Family)
	require.Equal(t, []string{"203.0.113.77"}, ds[0].Actor.Addresses)
}

func TestARotationGoneWrongIsNoGuessing(t *testing.T) {
	e := mustEngine(t)
	b := guessing(guessedAt, guessKeys-1, netip.MustParseAddr("203.0.113.77"))
	for range 50 {
		e.Observe(b, 0, b.Len()) // the same keys again and again
	}
	require.Empty(t, e.Drain())
}

// Who goes on for hours is one alert with a line every hour, and it ends six hours after the last try.
func TestAGuesserWhoGoesOnIsOneAlert(t *testing.T) {
	e := mustEngine(t)
	const hours = 5
	for i := range hours * 60 {
		b := guessing(guessedAt+int64(i)*60e3, 30, netip.MustParseAddr("203.0.113.77"))
		e.Observe(b, 0, b.Len())
	}
	e.Advance(guessedAt + hours*hourMillis + endMillis - 61e3)
	ds := e.Drain()
	require.Equal(t, []Phase{PhaseOpened, PhaseContinued, PhaseContinued, PhaseContinued, PhaseContinued}, phases(ds))
	e.Advance(guessedAt + hours*hourMillis + endMillis + 61e3)
	ds = append(ds, e.Drain()...)
	require.Equal(t, PhaseEnded, ds[len(ds)-1].Phase)
	for _, d := range ds {
		require.Equal(t, ds[0].EpisodeID, d.EpisodeID)
		require.Equal(t, d.Phase == PhaseOpened, d.Action == ActionFlag)
	}
	require.Empty(t, e.guesses.by)
	require.Zero(t, e.guesses.running)
}

// The keys that somebody tries are dealt out to the partitions: what each finds is about the same guesser.
func TestGuessersOfSeveralPartitionsAreOneAlert(t *testing.T) {
	ids := map[string]bool{}
	for partition := range 3 {
		e := mustEngine(t)
		b := guessing(guessedAt+int64(partition)*7e3, 20, netip.MustParseAddr("203.0.113.77"))
		e.Observe(b, 0, b.Len())
		for _, d := range e.Drain() {
			ids[d.EpisodeID] = true
		}
	}
	require.Len(t, ids, 1)
}

// A partition alone sees a few of the keys that somebody tries, a rotation gone wrong by the look of it.
func TestTheKeysThatSomebodyTriesAreCountedOverAllPartitions(t *testing.T) {
	const partitions = 4
	for name, told := range map[string]bool{"told": true, "not told": false} {
		engines := make([]*Engine, partitions)
		for i := range engines {
			engines[i] = mustEngine(t)
		}
		b := guessing(guessedAt, 2*guessKeys, netip.MustParseAddr("203.0.113.77"))
		found := map[string]bool{}
		for i := range b.Len() {
			at := engines[i%partitions]
			at.Observe(b, i, i+1)
			news := at.Blames()
			for _, other := range engines {
				if other != at && told {
					other.Heed(news)
				}
			}
			for _, d := range at.Drain() {
				found[d.EpisodeID] = true
				require.Contains(t, d.Reason, "different keys that do not exist were tried from 203.0.113.77")
			}
		}
		require.Equal(t, told, len(found) == 1, "%s: %v", name, found)
	}
}

// Whoever tries keys by the thousand must not keep engines from hearing of thieves.
func TestGuessesLeaveRoomForThieves(t *testing.T) {
	e := mustEngine(t)
	b := guessing(guessedAt, 1, guessers(2*maxElsewhere)...)
	e.Observe(b, 0, b.Len())
	e.accuse(Blame{net: 9009, culprit: culprit{t: guessedAt, key: "key_1"}})
	list := e.Blames()
	require.Len(t, list, maxElsewhere/2+1)
	require.Equal(t, "key_1", list[maxElsewhere/2].culprit.key)
}

// Whoever rents a thousand addresses must not bury people in alerts.
func TestManyGuessersAreAHandfulOfAlerts(t *testing.T) {
	e := mustEngine(t)
	b := guessing(guessedAt, 20, guessers(1000)...)
	e.Observe(b, 0, b.Len())
	b = guessing(guessedAt+hourMillis, 20, guessers(1000)...)
	e.Observe(b, 0, b.Len())
	ds := e.Drain()
	episodes := map[string][]Decision{}
	for _, d := range ds {
		episodes[d.EpisodeID] = append(episodes[d.EpisodeID], d)
	}
	require.Len(t, episodes, guessersApart+1)
	all := ds[len(ds)-1]
	require.Equal(t, "many_guessers", all.Evidence[0].Detector)
	require.Equal(t, PhaseContinued, all.Phase)
	require.Contains(t, all.Reason, "(995 so far)")
	e.Advance(guessedAt + 9*hourMillis)
	require.Len(t, e.Drain(), guessersApart+1, "all of them end")
	require.Empty(t, e.guesses.by)
	require.Zero(t, e.guesses.crowd)
}

// What anybody may send is looked through once a minute, not at each call, and room is found again.
func TestGuessersAreBounded(t *testing.T) {
	e := mustEngine(t)
	for i := range maxGuessers + 5000 {
		b := guessing(guessedAt+int64(i), 1, netip.AddrFrom4([4]byte{10, byte(i >> 16), byte(i >> 8), byte(i)}))
		e.Observe(b, 0, b.Len())
	}
	require.Len(t, e.guesses.by, maxGuessers)
	require.EqualValues(t, guessedAt+60e3, e.guesses.swept, "at the first call and a minute later")
	b := guessing(guessedAt+hourMillis, 20, netip.MustParseAddr("203.0.113.77"))
	e.Observe(b, 0, b.Len())
	require.Len(t, e.Drain(), 1)
	require.Len(t, e.guesses.by, 1)
}
