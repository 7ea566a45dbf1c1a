package keys

import (
	"fmt"
	"net/netip"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"
)

// Bounds of a record, so that a million of them fit into memory.
const (
	MaxNameBytes       = 256
	MaxReasonBytes     = 1024
	MaxTags            = 20
	MaxScopes          = 64
	MaxAllowedCIDRs    = 64
	MaxQuarantine      = 64
	MaxMetadata        = 32
	maxTokenBytes      = 64 // of a tag, a scope, a metadata name
	maxMetadataBytes   = 8 << 10
	maxExternalIDBytes = 256
)

// New describes a key to be issued.
type New struct {
	Name         string
	AccountID    string // made when there is no such account
	PlanID       string
	Environment  Environment // "" is Live
	Tags         []string
	Scopes       []string
	AllowedCIDRs []netip.Prefix
	ExpiresAt    time.Time
	Metadata     map[string]string
	// Secret is a key that was made elsewhere and goes on being used: it is imported instead of a new one being made.
	Secret string
}

// Patch is a change of a record; nil fields stay as they are.
type Patch struct {
	Name         *string
	AccountID    *string
	PlanID       *string
	Tags         *[]string
	Scopes       *[]string
	AllowedCIDRs *[]netip.Prefix
	ExpiresAt    *time.Time // the zero time removes the expiry
	Metadata     *map[string]string
}

var (
	validToken = regexp.MustCompile(`^[A-Za-z0-9*][A-Za-z0-9._:/=*-]*$`)
	validID    = regexp.MustCompile(`^[A-Za-z0-9][A-Za-z0-9._:@-]*$`)
)

func (n *New) check(now time.Time) error {
	if n.Environment == "" {
		n.Environment = Live
	}
	if n.Environment != Live && n.Environment != Test {
		return &InputError{"environment", fmt.Sprintf("%q is neither live nor test", n.Environment)}
	}
	if n.Secret != "" {
		if err := checkForeign(n.Secret); err != nil {
			return err
		}
	}
	p := Patch{
		Name: &n.Name, AccountID: &n.AccountID, PlanID: &n.PlanID, Tags: &n.Tags, Scopes: &n.Scopes,
		AllowedCIDRs: &n.AllowedCIDRs, ExpiresAt: &n.ExpiresAt, Metadata: &n.Metadata,
	}
	return p.check(now)
}

// checkForeign refuses what would not be accepted at verification either, or is so short that it can be guessed.
func checkForeign(secret string) error {
	if len(secret) < minForeignBytes || len(secret) > maxKeyBytes {
		return &InputError{"secret", fmt.Sprintf("a key has %d to %d bytes, this one %d", minForeignBytes, maxKeyBytes, len(secret))}
	}
	if shapeOf([]byte(secret)) == shapeJunk {
		return &InputError{"secret", "begins like one of ours, but its checksum is wrong: check that it was copied whole"}
	}
	for _, r := range secret {
		if r <= ' ' || r == utf8.RuneError || r == 0x7f {
			return &InputError{"secret", "holds white space or characters that cannot be in a header"}
		}
	}
	return nil
}

func (p *Patch) check(now time.Time) error {
	if p.Name != nil {
		*p.Name = strings.TrimSpace(*p.Name)
		if err := checkText("name", *p.Name, MaxNameBytes); err != nil {
			return err
		}
	}
	for _, f := range []struct {
		name  string
		value *string
	}{{"account_id", p.AccountID}, {"plan_id", p.PlanID}} {
		if f.value != nil && *f.value != "" && (len(*f.value) > MaxNameBytes || !validID.MatchString(*f.value)) {
			return &InputError{f.name, "must be letters, digits and . _ : @ - and begin with a letter or digit"}
		}
	}
	for _, f := range []struct {
		name  string
		list  *[]string
		bound int
	}{{"tags", p.Tags, MaxTags}, {"scopes", p.Scopes, MaxScopes}} {
		if f.list == nil {
			continue
		}
		if len(*f.list) > f.bound {
			return &InputError{f.name, fmt.Sprintf("at most %d, got %d", f.bound, len(*f.list))}
		}
		for i, v := range *f.list {
			if len(v) > maxTokenBytes || !validToken.MatchString(v) {
				return &InputError{f.name + "[" + strconv.Itoa(i) + "]", fmt.Sprintf("must be 1 to %d letters, digits and . _ : / = * -", maxTokenBytes)}
			}
		}
		*f.list = distinct(*f.list)
	}
	if p.AllowedCIDRs != nil {
		if len(*p.AllowedCIDRs) > MaxAllowedCIDRs {
			return &InputError{"allowed_cidrs", fmt.Sprintf("at most %d, got %d", MaxAllowedCIDRs, len(*p.AllowedCIDRs))}
		}
		masked := make([]netip.Prefix, len(*p.AllowedCIDRs))
		for i, c := range *p.AllowedCIDRs {
			if !c.IsValid() {
				return &InputError{"allowed_cidrs[" + strconv.Itoa(i) + "]", "is not a network such as 192.0.2.0/24"}
			}
			masked[i] = unmap(c).Masked()
		}
		*p.AllowedCIDRs = masked
	}
	if p.ExpiresAt != nil && !p.ExpiresAt.IsZero() {
		*p.ExpiresAt = p.ExpiresAt.UTC().Truncate(time.Millisecond)
		if !p.ExpiresAt.After(now) {
			return &InputError{"expires_at", "must be in the future"}
		}
	}
	if p.Metadata != nil {
		return checkMetadata(*p.Metadata)
	}
	return nil
}

func checkMetadata(m map[string]string) error {
	if len(m) > MaxMetadata {
		return &InputError{"metadata", fmt.Sprintf("at most %d entries, got %d", MaxMetadata, len(m))}
	}
	total := 0
	for name, value := range m {
		if len(name) > maxTokenBytes || !validToken.MatchString(name) {
			return &InputError{"metadata", fmt.Sprintf("a name must be 1 to %d letters, digits and . _ : / = * -", maxTokenBytes)}
		}
		if !utf8.ValidString(value) || strings.ContainsRune(value, 0) {
			return &InputError{"metadata." + name, "must be text"}
		}
		total += len(name) + len(value)
	}
	if total > maxMetadataBytes {
		return &InputError{"metadata", fmt.Sprintf("at most %d bytes in all, got %d", maxMetadataBytes, total)}
	}
	return nil
}

// checkText refuses text that a list or a log would show wrongly.
func checkText(field, s string, bound int) error {
	if len(s) > bound {
		return &InputError{field, fmt.Sprintf("at most %d bytes, got %d", bound, len(s))}
	}
	if !utf8.ValidString(s) || strings.ContainsFunc(s, unicode.IsControl) {
		return &InputError{field, "must be text without control characters"}
	}
	return nil
}

func (by *By) check() error {
	if by.Actor == "" {
		return &InputError{"actor", "is needed for the audit trail"}
	}
	if err := checkText("actor", by.Actor, MaxNameBytes); err != nil {
		return err
	}
	// A reason is for people to read: better cut than refused.
	by.Reason = strings.Map(func(r rune) rune {
		if unicode.IsControl(r) {
			return ' '
		}
		return r
	}, strings.ToValidUTF8(by.Reason, "�"))
	if len(by.Reason) > MaxReasonBytes {
		by.Reason = strings.ToValidUTF8(by.Reason[:MaxReasonBytes], "")
	}
	return nil
}

// unmap gives an IPv4 network the form in which IPv4 addresses are compared.
func unmap(p netip.Prefix) netip.Prefix {
	if p.Addr().Is4In6() && p.Bits() >= 96 {
		return netip.PrefixFrom(p.Addr().Unmap(), p.Bits()-96)
	}
	return p
}

func distinct(list []string) []string {
	var out []string
	for _, v := range list {
		if !slices.Contains(out, v) {
			out = append(out, v)
		}
	}
	return out
}

// ParseCIDR reads a network, or an address as the network that holds it alone.
func ParseCIDR(s string) (netip.Prefix, error) {
	if a, err := netip.ParseAddr(s); err == nil {
		a = a.Unmap().WithZone("")
		return netip.PrefixFrom(a, a.BitLen()), nil
	}
	p, err := netip.ParsePrefix(s)
	if err != nil {
		return netip.Prefix{}, fmt.Errorf("%q is neither an address nor a network such as 192.0.2.0/24", s)
	}
	return unmap(p).Masked(), nil
}

// check brings a quarantine entry into the form in which it is compared.
func (d *Denied) check(now time.Time) error {
	switch d.Kind {
	case DenyASN:
		n, err := strconv.ParseUint(strings.TrimPrefix(strings.ToUpper(d.Value), "AS"), 10, 32)
		if err != nil || n == 0 {
			return &InputError{"value", fmt.Sprintf("%q is not the number of a network", d.Value)}
		}
		d.Value = strconv.FormatUint(n, 10)
	case DenyAgent:
		if err := checkText("value", d.Value, MaxNameBytes); err != nil || strings.TrimSpace(d.Value) == "" {
			return &InputError{"value", "must name a client"}
		}
	case DenyCIDR:
		p, err := ParseCIDR(d.Value)
		if err != nil {
			return &InputError{"value", err.Error()}
		}
		d.Value = p.String()
	default:
		return &InputError{"kind", fmt.Sprintf("%q is none of asn, agent, cidr", d.Kind)}
	}
	d.Agent = strings.TrimSpace(d.Agent)
	if err := checkText("agent", d.Agent, MaxNameBytes); err != nil {
		return err
	}
	if d.Kind == DenyAgent && d.Agent != "" {
		return &InputError{"agent", "narrows a network down; with kind agent the client is the value"}
	}
	d.Until = d.Until.UTC().Truncate(time.Millisecond)
	if !d.Until.IsZero() && !d.Until.After(now) {
		return &InputError{"until", "must be in the future"}
	}
	return nil
}
