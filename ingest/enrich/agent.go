package enrich

import "strings"

// Family names the client behind a user agent: the product before the first slash, without version; for browsers, which all
// call themselves Mozilla, and for bots that pass for one, the product that they are. "" when nothing can be told.
func Family(userAgent string) string {
	ua := strings.TrimSpace(userAgent)
	if ua == "" || ua == "-" {
		return ""
	}
	if strings.HasPrefix(ua, "Mozilla/") || strings.HasPrefix(ua, "Opera/") {
		return browser(ua)
	}
	name := ua
	slash := strings.IndexByte(ua, '/')
	if slash >= 0 {
		name = ua[:slash]
	}
	if cut := strings.IndexAny(name, "(;,[{<\"'=@:?&"); cut >= 0 {
		name = name[:cut]
	}
	return product(name)
}

// maxFamilyBytes and maxFamilyWords bound a name: what is longer is prose.
const (
	maxFamilyBytes = 40
	maxFamilyWords = 3
)

// product drops a version behind a blank and refuses what is no name.
func product(name string) string {
	words := strings.Fields(name)
	for len(words) > 1 && isVersion(words[len(words)-1]) {
		words = words[:len(words)-1]
	}
	if len(words) > maxFamilyWords {
		words = words[:1]
	}
	name = strings.Join(words, " ")
	if name == "" || len(name) > maxFamilyBytes || isVersion(name) {
		return ""
	}
	return name
}

func isVersion(word string) bool {
	word = strings.TrimLeft(word, "vV")
	return word != "" && strings.Trim(word, "0123456789.-_") == ""
}

// browsers in order of trial: each passes for those below it.
var browsers = []struct{ mark, family string }{
	{"HeadlessChrome/", "HeadlessChrome"},
	{"Edg/", "Edge"},
	{"EdgA/", "Edge"},
	{"EdgiOS/", "Edge"},
	{"Edge/", "Edge"},
	{"OPR/", "Opera"},
	{"OPiOS/", "Opera"},
	{"Opera/", "Opera"},
	{"SamsungBrowser/", "Samsung Internet"},
	{"UCBrowser/", "UC Browser"},
	{"YaBrowser/", "Yandex Browser"},
	{"Vivaldi/", "Vivaldi"},
	{"DuckDuckGo/", "DuckDuckGo"},
	{"MiuiBrowser/", "Miui Browser"},
	{"Electron/", "Electron"},
	{"CriOS/", "Chrome"},
	{"Chromium/", "Chrome"},
	{"Chrome/", "Chrome"},
	{"FxiOS/", "Firefox"},
	{"Firefox/", "Firefox"},
	{"SeaMonkey/", "SeaMonkey"},
	{"MSIE ", "Internet Explorer"},
	{"Trident/", "Internet Explorer"},
	{"Safari/", "Safari"},
	{"Gecko/", "Gecko"},
}

func browser(ua string) string {
	// "(compatible; Googlebot/2.1; +http://...)", also behind the marks of a browser.
	for rest := ua; ; {
		at := strings.Index(rest, "compatible;")
		if at < 0 {
			break
		}
		rest = rest[at+len("compatible;"):]
		token := strings.TrimSpace(rest)
		if end := strings.IndexAny(token, "/;)("); end >= 0 {
			token = token[:end]
		}
		if name := product(token); name != "" && !strings.HasPrefix(name, "MSIE") && !strings.HasPrefix(name, "Konqueror") {
			return name
		}
	}
	for _, b := range browsers {
		if strings.Contains(ua, b.mark) {
			if bot := botIn(ua); bot != "" {
				return bot
			}
			return b.family
		}
	}
	if bot := botIn(ua); bot != "" {
		return bot
	}
	return "Mozilla"
}

// botIn finds a product that calls itself a bot, a crawler or a spider.
func botIn(ua string) string {
	for word := range strings.FieldsFuncSeq(ua, func(r rune) bool { return r == ' ' || r == ';' || r == '(' || r == ')' || r == ',' }) {
		name, _, _ := strings.Cut(word, "/")
		lower := strings.ToLower(name)
		if strings.HasSuffix(lower, "bot") || strings.HasSuffix(lower, "crawler") || strings.HasSuffix(lower, "spider") {
			return product(name)
		}
	}
	return ""
}
