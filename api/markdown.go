package api

import (
	"html"
	"html/template"
	"regexp"
	"strings"
)

// markdown renders the little of Markdown that openapi.yaml uses: paragraphs, ### headings, tables, `code`. Everything else
// is text. Its input is our own file, and it is escaped all the same.
func markdown(text string) template.HTML {
	var b strings.Builder
	for _, block := range strings.Split(strings.TrimSpace(text), "\n\n") {
		lines := strings.Split(strings.TrimSpace(block), "\n")
		if title, ok := strings.CutPrefix(lines[0], "### "); ok {
			b.WriteString("<h3>" + string(inline(title)) + "</h3>\n")
			lines = lines[1:]
		}
		switch {
		case len(lines) == 0 || lines[0] == "":
		case strings.HasPrefix(lines[0], "|"):
			table(&b, lines)
		default:
			b.WriteString("<p>" + string(inline(strings.Join(lines, " "))) + "</p>\n")
		}
	}
	return template.HTML(b.String()) //nolint:gosec // every piece of text in it went through inline, which escapes
}

func table(b *strings.Builder, lines []string) {
	b.WriteString("<table>\n")
	for i, line := range lines {
		if strings.HasPrefix(strings.Trim(line, "| "), "---") {
			continue
		}
		cell := "td"
		if i == 0 {
			cell = "th"
		}
		b.WriteString("<tr>")
		for c := range strings.SplitSeq(strings.Trim(line, "| "), "|") {
			b.WriteString("<" + cell + ">" + string(inline(strings.TrimSpace(c))) + "</" + cell + ">")
		}
		b.WriteString("</tr>\n")
	}
	b.WriteString("</table>\n")
}

var codeSpan = regexp.MustCompile("`([^`]+)`")

// inline escapes text and marks `code`.
func inline(text string) template.HTML {
	return template.HTML(codeSpan.ReplaceAllString(html.EscapeString(text), "<code>$1</code>")) //nolint:gosec // escaped
}
