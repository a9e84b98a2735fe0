package logerrors

import (
	"regexp"
	"strings"
	"unicode"
	"unicode/utf8"

	"github.com/25eloquence/compose-mage/internal/ui/printable"
)

// maxTemplate is how long a template may be, in bytes.
const maxTemplate = 200

// secret is a value that may be one, behind the name of what it is.
var secret = regexp.MustCompile(
	`(?i)\b([\w-]*(?:password|passwd|pwd|secret|token|api[_-]?key|access[_-]?key|credential|authorization))` +
		`("?\s*[=:]\s*"?)(?:(?:bearer|basic)\s+)?[^\s"',;&*]+|(://)[^/\s@]+@|\b(bearer|basic)\s+[^\s"',;]+`)

// templateOf gives a message with what differs from one time to the next as *: numbers, identifiers, addresses, times,
// what is quoted, and what may be a secret. It is printable.
func templateOf(message string) string {
	if len(message) > maxLine {
		message = message[:maxLine]
	}
	message, _, _ = strings.Cut(strings.TrimSpace(message), "\n")
	message = secret.ReplaceAllString(message, "$1$2$3$4 *")
	var b strings.Builder
	for i := 0; i < len(message); {
		r, size := utf8.DecodeRuneInString(message[i:])
		switch {
		case r == '"' || r == '`' || r == '\'' && startsQuote(message, i):
			if end := strings.IndexRune(message[i+1:], r); end >= 0 {
				b.WriteString(string(r) + "*" + string(r))
				i += end + 2
				continue
			}
			b.WriteRune(r)
		case wordRune(r):
			end := i
			for end < len(message) {
				next, n := utf8.DecodeRuneInString(message[end:])
				if !wordRune(next) {
					break
				}
				end += n
			}
			b.WriteString(wordTemplate(message[i:end], b.String()))
			i = end
			continue
		default:
			b.WriteRune(r)
		}
		i += size
	}
	return short(printable.Output(joined(b.String())))
}

// startsQuote says whether an apostrophe begins something quoted: that of can't does not.
func startsQuote(s string, at int) bool {
	return at == 0 || !wordRune(rune(s[at-1]))
}

func wordRune(r rune) bool { return unicode.IsLetter(r) || unicode.IsDigit(r) || r == '_' }

// wordTemplate gives * for a word with a digit, and for a part of an identifier in hexadecimal digits; before is what
// stands before the word.
func wordTemplate(word, before string) string {
	if strings.ContainsFunc(word, unicode.IsDigit) {
		return "*"
	}
	hex := !strings.ContainsFunc(word, func(r rune) bool { return !strings.ContainsRune("abcdefABCDEF", r) })
	if hex && (len(word) >= 8 || len(word) >= 4 && strings.HasSuffix(before, "*-")) {
		return "*"
	}
	return word
}

var (
	// several are values that only stand beside each other: of a time, an address, a version, a list.
	several = regexp.MustCompile(`\*(?:[-.:,+#T]?\[?\*\]?| \*|\[\*\])+`)
	// lead are values and marks before the first word.
	lead = regexp.MustCompile(`^(?:[*\s\-|:,.]|\[\*\])+`)
)

// joined makes one * of several beside each other, and leaves out those before the first word.
func joined(template string) string {
	template = several.ReplaceAllString(template, "*")
	if rest := lead.ReplaceAllString(template, ""); rest != "" {
		return rest
	}
	return template
}

// short cuts a template between two characters.
func short(s string) string {
	if len(s) <= maxTemplate {
		return s
	}
	cut := maxTemplate
	for cut > 0 && !utf8.RuneStart(s[cut]) {
		cut--
	}
	return strings.Clone(s[:cut]) + "…"
}
