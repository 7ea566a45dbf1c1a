package detect

import "fmt"

// Action is what a decision asks for, in the order of the ladder: a higher one includes the lower ones.
type Action uint8

// The ladder. Revocation is no action of the detectors: it needs a person or proof.
const (
	ActionObserve Action = iota
	ActionFlag
	ActionThrottle
	ActionQuarantine // refuse the actor, serve the customer's other clients
	ActionSuspend
)

var actionNames = [...]string{"observe", "flag", "throttle", "quarantine", "suspend"}

func (a Action) String() string {
	if int(a) < len(actionNames) {
		return actionNames[a]
	}
	return fmt.Sprintf("action(%d)", uint8(a))
}

// MarshalText writes the action's name.
func (a Action) MarshalText() ([]byte, error) { return []byte(a.String()), nil }

// UnmarshalText reads an action's name.
func (a *Action) UnmarshalText(b []byte) error {
	for i, n := range actionNames {
		if n == string(b) {
			*a = Action(i)
			return nil
		}
	}
	return fmt.Errorf("unknown action %q: use one of %v", b, actionNames)
}

// Family groups detectors that see the same kind of fact. Evidence of one family is correlated, that of two families is not.
type Family uint8

// The families of evidence.
const (
	FamilyNovelty Family = iota // who: network, country, agent, address never seen with this key
	FamilySpread                // who: many networks or addresses at once
	FamilyEnumeration
	FamilyErrors
	FamilyMoney
	FamilyRoutes
	FamilyDormancy
	FamilyVolume
	FamilyGuessing
	FamilyGeography
	FamilyRhythm
	FamilyLatency // what: its calls take far longer than usual; at most an alert by itself
	familyCount
)

var familyNames = [familyCount]string{
	"novelty", "spread", "enumeration", "errors", "money", "routes", "dormancy", "volume", "guessing", "geography", "rhythm", "latency",
}

func (f Family) String() string { return familyNames[f] }

// MarshalText writes the family's name.
func (f Family) MarshalText() ([]byte, error) { return []byte(f.String()), nil }

// UnmarshalText reads a family's name.
func (f *Family) UnmarshalText(b []byte) error {
	for i, n := range familyNames {
		if n == string(b) {
			*f = Family(i)
			return nil
		}
	}
	return fmt.Errorf("unknown family of evidence %q: use one of %v", b, familyNames)
}

// Evidence is one finding behind a decision.
type Evidence struct {
	Family   Family `json:"family"`
	Detector string `json:"detector"`
	Sentence string `json:"sentence"`
	// Observed beside Expected with the band [Low, High] in which 98 of 100 undisturbed values lie, in the detector's own unit.
	Observed float64 `json:"observed"`
	Expected float64 `json:"expected"`
	Low      float64 `json:"low"`
	High     float64 `json:"high"`
	// WindowSeconds is how much time the observation covers.
	WindowSeconds int64 `json:"window_seconds"`
	// PValue bounds the chance of evidence this strong, at any time, if nothing is wrong.
	PValue float64 `json:"p_value"`
}

// ExampleRecord is a record that shows what the actor did.
type ExampleRecord struct {
	TimeMillis int64  `json:"time_millis"`
	Method     string `json:"method"`
	Path       string `json:"path"`
	Status     uint16 `json:"status"`
	ClientIP   string `json:"client_ip"`
	Country    string `json:"country"`
	ASN        uint32 `json:"asn"`
	Agent      string `json:"agent"`
}

// Actor is the client behind a finding: one agent family in one network.
type Actor struct {
	ASN     uint32 `json:"asn"`
	Network string `json:"network,omitempty"` // the /16 (IPv4) or /32 (IPv6) of the addresses, where the ASN is unknown
	Country string `json:"country"`
	Agent   string `json:"agent"`
	// Addresses are the latest few that were seen, at most 8.
	Addresses []string `json:"addresses"`
	// Separable says that the key's own clients can be told from this actor by network or agent, so that a quarantine
	// would leave them alone.
	Separable bool `json:"separable"`
	// NewNetwork says that the network is none of the customer's, so that it can be refused whatever client it names.
	NewNetwork bool  `json:"new_network"`
	Requests   int64 `json:"requests"`
	SinceMs    int64 `json:"since_millis"`
}

// Phase says how a decision continues an episode.
type Phase uint8

// Phases.
const (
	PhaseOpened    Phase = iota // the first decision of an episode
	PhaseEscalated              // more is wanted than before, or the action had lapsed and it goes on
	PhaseContinued              // a progress report, at most once an hour; nothing new is wanted
	PhaseEnded                  // nothing was found for six hours
)

func (p Phase) String() string { return [...]string{"opened", "escalated", "continued", "ended"}[p] }

// MarshalText writes the phase's name.
func (p Phase) MarshalText() ([]byte, error) { return []byte(p.String()), nil }

// Decision is what the engine found out about a key.
type Decision struct {
	TimeMillis int64  `json:"time_millis"` // event time of the second in which it was decided
	KeyID      string `json:"key_id"`      // empty for guessing: no key is known
	Action     Action `json:"action"`
	// Wanted is the action before policy: what would have been done without observe mode, protection, caps.
	Wanted    Action          `json:"wanted"`
	Held      string          `json:"held,omitempty"` // why Action is below Wanted
	Reason    string          `json:"reason"`
	Evidence  []Evidence      `json:"evidence"`
	Examples  []ExampleRecord `json:"examples"`
	Actor     Actor           `json:"actor"`
	Usual     *Usual          `json:"usual,omitempty"` // nil for guessing, and when an episode has ended
	Phase     Phase           `json:"phase"`
	EpisodeID string          `json:"episode_id"` // findings about one actor belong to one episode
	PolicyID  string          `json:"policy_id"`
	// PolicyRevision names the content of the policy file that was in force.
	PolicyRevision string `json:"policy_revision"`
	TTLMillis      int64  `json:"ttl_millis"` // after which the action undoes itself; 0: it does not
	// Score is the combined evidence, -log10 of a probability; PValue the harmonic mean of the families' p-values.
	Score  float64 `json:"score"`
	PValue float64 `json:"p_value"`
}
