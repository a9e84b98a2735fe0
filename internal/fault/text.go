package fault

import (
	"fmt"
	"regexp"
	"strings"
)

// plainWord matches a word that every shell takes as it is, at any place of a command.
var plainWord = regexp.MustCompile(`^[A-Za-z0-9_./:@%+,][A-Za-z0-9_./:@%+,=-]*$`)

// Quote gives names as words of a shell's command that a user will copy: whatever a name contains, the shell takes it
// as one word and runs nothing of it. Plain names get no quotes.
func Quote(names ...string) string {
	words := make([]string, len(names))
	for i, name := range names {
		words[i] = quoteWord(name)
	}
	return strings.Join(words, " ")
}

func quoteWord(name string) string {
	if plainWord.MatchString(name) {
		return name
	}
	if !strings.ContainsFunc(name,
		func(r rune) bool { return r < ' ' || r == 0x7f || r >= 0x80 && r < 0xa0 || r == '\ufffd' }) {
		return "'" + strings.ReplaceAll(name, "'", `'\''`) + "'"
	}
	// A line break or an escape would show another command than the one that is copied. Bash, zsh and ksh read this
	// form.
	var b strings.Builder
	b.WriteString("$'")
	for i := range len(name) {
		switch c := name[i]; {
		case c == '\'' || c == '\\':
			b.WriteString(`\` + string(rune(c)))
		case c < ' ' || c >= 0x7f:
			fmt.Fprintf(&b, `\%03o`, c)
		default:
			b.WriteByte(c)
		}
	}
	return b.String() + "'"
}

// userInfo is what stands before the host in a URL: "user:password@", or a token alone.
var userInfo = regexp.MustCompile(`([A-Za-z][A-Za-z0-9+.\-]*)://([^\s/?#"'<>]*)@`)

// Redact hides the user info of the URLs in a text, which may be a password or a token. A user alone of an SSH
// address stays, and so does what is no user: the name before an image's digest.
func Redact(text string) string {
	return ReplaceUserInfo(text, func(string) string { return "…" })
}

// ReplaceUserInfo replaces each user info that Redact hides with what the function with gives for it.
func ReplaceUserInfo(text string, with func(info string) string) string {
	if !strings.Contains(text, "://") || !strings.Contains(text, "@") {
		return text
	}
	return userInfo.ReplaceAllStringFunc(text, func(found string) string {
		part := userInfo.FindStringSubmatch(found)
		scheme := strings.ToLower(part[1])
		switch {
		case scheme == "docker-image", scheme == "oci-layout":
			return found
		case (scheme == "ssh" || scheme == "git+ssh") && !strings.Contains(part[2], ":"):
			return found
		}
		return part[1] + "://" + with(part[2]) + "@"
	})
}
