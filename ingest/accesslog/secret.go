package accesslog

import "bytes"

// redacted stands where a secret was.
const redacted = "[redacted]"

// Classes of bytes. Words, of which keys and tokens are made, are runs of word characters; percent signs are looked at apart.
const (
	charLower = 1 << iota
	charUpper
	charDigit
	charMark   // a separator inside of a word
	charPrefix // a letter that one of secretPrefixes starts with
	charWord   = charLower | charUpper | charDigit | charMark
)

var charClass = func() (t [256]uint8) {
	for i := range t {
		c := byte(i)
		switch {
		case c-'0' <= 9:
			t[c] = charDigit
		case c-'a' < 26:
			t[c] = charLower
		case c-'A' < 26:
			t[c] = charUpper
		case c == '_' || c == '-' || c == '.' || c == '~' || c == '+' || c >= 0x80:
			t[c] = charMark
		}
	}
	for _, p := range secretPrefixes {
		t[p[0]] |= charPrefix
		t[p[0]^0x20] |= charPrefix
	}
	return t
}()

func isWordChar(c byte) bool { return charClass[c]&charWord != 0 }

func isAlnum(c byte) bool {
	return c-'0' <= 9 || c|0x20-'a' < 26
}

// minSecretBytes is the length below which no word is taken for a secret.
const minSecretBytes = 11

// secretPrefixes start the keys and tokens of well-known issuers, in any case unless they have capitals. Ours, tk_live_ and
// tk_test_, are found inside of a word too.
var secretPrefixes = []string{
	"tk_", "sk_", "sk-", "pk_", "rk_", "ak_", "ghp_", "gho_", "ghu_", "ghs_", "ghr_", "github_pat_", "glpat-", "xoxa-", "xoxb-", "xoxp-",
	"xapp-", "AKIA", "ASIA", "AIza", "ya29.", "eyJ", "whsec_", "shpat_", "npm_", "pypi-", "hf_", "dop_v1_", "zpka_", "unkey_",
}

// secretWord reports whether a word looks like a key or token. Better one word too many than one key in a table.
func secretWord(w []byte) bool {
	_, secret := scanWord(w, true)
	return secret
}

// scanWord reads the word that v starts with, or all of v as one, and returns how long it is and whether it looks like a key or token.
func scanWord(v []byte, all bool) (n int, secret bool) {
	var seen uint8
	opening := true // the next byte begins the word, or stands behind a separator: "key-tk_live_...", "x.eyJ..."
	key := -1       // where a prefix of a key was found first
	ours := false
	for n < len(v) {
		c := v[n]
		class := charClass[c]
		if class&charWord == 0 && !all {
			break
		}
		seen |= class
		if opening && class&charPrefix != 0 && key < 0 && hasSecretPrefix(v[n:]) {
			key = n
		}
		opening = class&charMark != 0
		if c == '_' && n >= 2 && v[n-1]|0x20 == 'k' && isOurs(v[n-2:]) {
			ours = true
		}
		n++
	}
	return n, n >= minSecretBytes && (ours || key >= 0 && n-key >= minSecretBytes || manifold(v[:n], seen))
}

// manifold reports whether a word, with bytes of the classes seen, is a long random one.
func manifold(w []byte, seen uint8) bool {
	const all = charLower | charUpper | charDigit
	return len(w) >= 32 && seen&all == all && random(w)
}

// prefixesOf are the secretPrefixes that start with a letter, in either case.
var prefixesOf = func() (of [256][]string) {
	for _, p := range secretPrefixes {
		of[p[0]|0x20] = append(of[p[0]|0x20], p)
	}
	return of
}()

func hasSecretPrefix(w []byte) bool {
	for _, p := range prefixesOf[w[0]|0x20] {
		if hasFoldPrefix(w, p) || len(w) > len(p) && string(w[:len(p)]) == p {
			return true
		}
	}
	return false
}

// isOurs reports whether a key of this program starts here, in any case.
func isOurs(w []byte) bool { return hasFoldPrefix(w, "tk_live_") || hasFoldPrefix(w, "tk_test_") }

// holdsSecret reports whether maskSecrets would change a value.
func holdsSecret(v []byte) bool {
	return suspicious(v) && !bytes.Equal(maskSecrets(nil, v), v)
}

// random reports whether a long word has small and capital letters and digits, as base62 and base64 have and hashes in hex,
// UUIDs and names have not.
func random(w []byte) bool {
	lower, upper, digit := 0, 0, 0
	for _, c := range w {
		switch {
		case 'a' <= c && c <= 'z':
			lower++
		case 'A' <= c && c <= 'Z':
			upper++
		case '0' <= c && c <= '9':
			digit++
		}
	}
	return lower >= 3 && upper >= 3 && digit >= 2
}

// suspicious is the quick test of maskSecrets: false means that it would change nothing.
func suspicious(v []byte) bool {
	if plain(v) {
		return false
	}
	for {
		n, secret := scanWord(v, false)
		if secret {
			return true
		}
		if n == len(v) {
			return false
		}
		if c := v[n]; c == '%' || c == '=' || c == '@' || c == ':' || c == ' ' && isAuthScheme(v[:n]) {
			return true
		}
		v = v[n+1:]
	}
}

// maskSecrets appends v to dst with all that looks like a secret replaced. It gives its own output back unchanged.
func maskSecrets(dst, v []byte) []byte {
	from := len(dst)
	for i := 0; i < len(v); {
		if !isWordChar(v[i]) && v[i] != '%' {
			dst = append(dst, v[i])
			i++
			if v[i-1] == '/' && i >= 3 && v[i-2] == '/' && v[i-3] == ':' {
				if user := userinfo(v[i:]); user > 0 && string(v[i:i+user]) != redacted {
					dst = append(dst, redacted...)
					i += user
				}
			}
			continue
		}
		end := i
		for end < len(v) && (isWordChar(v[end]) || v[end] == '%') {
			end++
		}
		word := v[i:end]
		switch {
		case string(word) == redacted[1:len(redacted)-1], isAuthScheme(word):
			dst = append(dst, word...)
		case secretWord(word), bytes.IndexByte(word, '%') >= 0 && secretWhenDecoded(word), afterCredentialsMark(dst[from:]):
			dst = append(dst, redacted...)
		default:
			dst = append(dst, word...)
		}
		i = end
	}
	return dst
}

// userinfo returns how long the user and password at the start of a URL's authority are, 0 when there are none. The last @
// ends them: a password may hold one.
func userinfo(v []byte) int {
	length := 0
	for i, c := range v {
		switch {
		case c == '@':
			length = i
		case c == '/' || c == '?' || c == '#' || c == '"' || c <= ' ':
			return length
		}
	}
	return length
}

// afterCredentialsMark looks back at what was written: a sensitive name with = or :, or the name of an auth scheme.
func afterCredentialsMark(done []byte) bool {
	i := len(done)
	for i > 0 && isOpening(done[i-1]) {
		i--
	}
	if i == 0 {
		return false
	}
	if sign := done[i-1]; sign == '=' || sign == ':' {
		for i--; i > 0 && (isOpening(done[i-1]) || done[i-1] == ']'); {
			i--
		}
		start := i
		for start > 0 && isWordChar(done[start-1]) {
			start--
		}
		return sensitiveName(done[start:i])
	}
	if i == len(done) || done[i] != ' ' {
		return false
	}
	start := i
	for start > 0 && isWordChar(done[start-1]) {
		start--
	}
	return isAuthScheme(done[start:i])
}

func isOpening(c byte) bool {
	return c == ' ' || c == '"' || c == '\'' || c == '[' || c == '(' || c == '{' || c == '<' || c == '\\'
}

// secretWhenDecoded looks through up to three layers of percent encoding.
func secretWhenDecoded(word []byte) bool {
	var buffers [2][256]byte // on the stack: words are short
	for i := range 3 {
		plain := percentDecode(buffers[i&1][:0], word)
		if len(plain) == len(word) {
			return false
		}
		for i := 0; i < len(plain); {
			end := i
			for end < len(plain) && isWordChar(plain[end]) {
				end++
			}
			if secretWord(plain[i:end]) {
				return true
			}
			if end < len(plain) && (plain[end] == '=' || plain[end] == ':') && sensitiveName(plain[i:end]) {
				return true
			}
			i = end + 1
		}
		word = plain
	}
	return bytes.IndexByte(word, '%') >= 0 // still encoded: whoever does that has something to hide
}

func isAuthScheme(w []byte) bool {
	return len(w) == 6 && hasFoldPrefix(w, "bearer") || len(w) == 5 && hasFoldPrefix(w, "basic") || len(w) == 6 && hasFoldPrefix(w, "apikey") ||
		len(w) == 6 && hasFoldPrefix(w, "digest")
}

// sensitiveParts make a name one whose value is never shown, wherever in the name they stand.
var sensitiveParts = []string{
	"apikey", "authorization", "cookie", "token", "secret", "passw", "pwd", "signature", "credential", "session", "jwt", "rawrequest",
	"rawresponse", "privatekey", "accesskey", "bearer", "xauth", "hmac", "assertion", "sessid",
}

// sensitiveNames are names whose value is never shown, as a whole.
var sensitiveNames = []string{"key", "sig", "auth", "sid", "code", "pass", "pin", "otp", "nonce", "csrf", "xsrf", "saml", "keyplain"}

// sensitiveName reports whether the value of a field, header, cookie or query parameter of that name must not be shown.
// Case, dashes, underscores and dots do not matter.
func sensitiveName(name []byte) bool {
	if len(name) < 3 {
		return false
	}
	var buf [64]byte
	n := buf[:0]
	if len(name) > len(buf) {
		name = name[len(name)-len(buf):]
	}
	for _, c := range name {
		switch {
		case c == '-' || c == '_' || c == '.' || c == ' ':
		case 'A' <= c && c <= 'Z':
			n = append(n, c|0x20)
		default:
			n = append(n, c)
		}
	}
	for _, s := range sensitiveNames {
		if string(n) == s {
			return true
		}
	}
	for _, s := range sensitiveParts {
		if bytes.Contains(n, []byte(s)) {
			return true
		}
	}
	return false
}

func hasFoldPrefix(w []byte, lower string) bool {
	if len(w) < len(lower) {
		return false
	}
	for i := range len(lower) {
		c := w[i]
		if 'A' <= c && c <= 'Z' {
			c |= 0x20
		}
		if c != lower[i] {
			return false
		}
	}
	return true
}

// percentDecode appends v with its %xx resolved; what is no escape stays.
func percentDecode(dst, v []byte) []byte {
	for i := 0; i < len(v); i++ {
		if v[i] == '%' && i+2 < len(v) {
			if h, l := hexDigit(v[i+1]), hexDigit(v[i+2]); h < 16 && l < 16 {
				dst = append(dst, h<<4|l)
				i += 2
				continue
			}
		}
		dst = append(dst, v[i])
	}
	return dst
}
