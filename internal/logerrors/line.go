package logerrors

import (
	"bytes"
	"regexp"
	"slices"
	"strings"
)

// maxLine is how much of a line is looked at, in bytes.
const maxLine = 8 << 10

// hints are words of which one is in every line that can be an error's: a line without any is passed over without a
// closer look. They are in lower case.
var hints = []string{
	"alert", "can't", "cannot", "crit", "emerg", "err", "exception", "fail", "fatal", "ftl", "lev", "lvl", "panic",
	"priority", "severe", "severity", "traceback", `"s"`,
}

// byFirst has the hints by their first byte.
var byFirst = func() (out [256][][]byte) {
	for _, hint := range hints {
		out[hint[0]] = append(out[hint[0]], []byte(hint))
	}
	return out
}()

// hinted says whether any hint is in the line, whatever case it has, or the beginning of a line of klog.
func hinted(line []byte) bool {
	if len(line) > 5 && (line[0] == 'E' || line[0] == 'F') && digit(line[1]) {
		return true
	}
	for i, b := range line {
		if b >= 'A' && b <= 'Z' {
			b += 'a' - 'A'
		}
		for _, hint := range byFirst[b] {
			if len(line)-i >= len(hint) && bytes.EqualFold(line[i:i+len(hint)], hint) {
				return true
			}
		}
	}
	return false
}

func digit(b byte) bool { return b >= '0' && b <= '9' }

var (
	// klog begins a line of Kubernetes' logger: the severity, month and day, time.
	klog = regexp.MustCompile(`^([EFIW])\d{4} \d\d:\d\d:\d\d\S*\s+\d+ `)
	// redis begins a warning of redis, which has no level for errors.
	redis = regexp.MustCompile(`^\d+:[XCSM] [^#*]{8,40} # `)
	// failure is how a warning of redis says that something went wrong.
	failure = regexp.MustCompile(`(?i)\b(error|fatal|failed|can't|cannot|crashed)\b`)
	// raised is how a program says at the beginning of a line, without a level, that something was raised.
	raised = regexp.MustCompile(`^(Uncaught |Unhandled )?([\w$]+[.:\\]+)*[\w$]*(Error|Exception|Throwable)\b(: ` +
		`|:$|$| \[| in )|` +
		`^Exception in thread |^(Uncaught|Unhandled) (exception|Exception|error|rejection)|^(fatal error|panic): |` +
		`^thread '[^']*' (\(\d+\) )?panicked at |^terminate called after throwing|^\*\*\* panic |` +
		`^(\[[^\]]*\] )?PHP (Fatal|Parse|Recoverable fatal) error`)
)

// errorOf says whether a line is an error's, and gives the part that says what happened.
func errorOf(line string) (message string, is bool) {
	line = strings.TrimSpace(line)
	if strings.HasPrefix(line, "{") {
		if message, level, ok := structured(line); ok {
			return message, level
		}
	}
	if level := logfmtValue(line, "level", "lvl", "severity", "levelname"); level != "" {
		message = strings.TrimSpace(logfmtValue(line, "msg", "message") + " " + logfmtValue(line, "err", "error"))
		if message == "" {
			message = line
		}
		return message, bad(level)
	}
	if m := klog.FindStringSubmatch(line); m != nil {
		return line[len(m[0]):], m[1] == "E" || m[1] == "F"
	}
	if head := redis.FindString(line); head != "" {
		return line[len(head):], failure.MatchString(line[len(head):])
	}
	if raised.MatchString(line) {
		return line, true
	}
	return byWord(line)
}

// badLevels are names of levels, in lower case, at which something went wrong; goodLevels all others.
var (
	badLevels = []string{
		"alert", "crit", "critical", "dpanic", "emerg", "emergency", "eror", "err", "error", "fatal", "ftl", "panic",
		"severe",
	}
	goodLevels = []string{
		"debug", "dbg", "finer", "fine", "info", "information", "inf", "log", "notice", "note", "trace", "trc",
		"verbose",
		"vrb", "warn", "warning", "wrn", "hint", "detail", "statement", "config",
	}
)

// bad says whether a level's name is that of an error.
func bad(level string) bool { return slices.Contains(badLevels, strings.ToLower(level)) }

const (
	// headWords is in how many words from its beginning a line's level stands.
	headWords = 12
	// plainWords is how many of the words before it may be plain ones: the names of a logger and of a thread.
	plainWords = 3
)

// byWord finds the level in the words at the beginning of a line: in upper case, in brackets, or with a colon behind.
func byWord(line string) (message string, is bool) {
	rest, plain := line, 0
	for range headWords {
		rest = strings.TrimLeft(rest, " \t")
		word := rest
		if i := strings.IndexAny(rest, " \t"); i >= 0 {
			word = rest[:i]
		}
		rest = rest[len(word):]
		for _, name := range levelsIn(word) {
			if isBad, known := levelOf(name, word, plain); known {
				_, message, _ = strings.Cut(word, name)
				return strings.TrimLeft(message+rest, " \t-|:])>,"), isBad
			}
		}
		if plainWord(word) {
			if plain++; plain > plainWords {
				return line, false
			}
		}
		if rest == "" {
			break
		}
	}
	return line, false
}

// levelsIn gives what may be a level's name in a word: [core:error] has two, ERROR:root:text three, ERROR/worker one.
func levelsIn(word string) []string {
	names := strings.FieldsFunc(word, func(r rune) bool { return strings.ContainsRune("[]()<>|:,;-", r) })
	for i := range names {
		names[i], _, _ = strings.Cut(names[i], "/")
	}
	return names
}

// levelOf says whether a name in a word is a level's, and of what kind; plain is how many plain words came before it.
func levelOf(name, word string, plain int) (isBad, known bool) {
	lower := strings.ToLower(name)
	isBad = slices.Contains(badLevels, lower)
	if !isBad && lower == "fail" { // of .NET
		isBad = plain == 0 && strings.HasPrefix(word, name+":")
		return isBad, isBad
	}
	if !isBad && !slices.Contains(goodLevels, lower) {
		return false, false
	}
	bracketed := strings.ContainsAny(word[:1], "[<(|") || strings.HasSuffix(word, "]")
	colon := strings.Contains(word, name+":") && plain == 0
	return isBad, bracketed || colon || name == strings.ToUpper(name)
}

// plainWord says whether a word is one of a text: no time, no number, nothing in brackets, nothing with a colon.
func plainWord(word string) bool {
	for _, r := range word {
		if r < 'A' || r > 'z' || r > 'Z' && r < 'a' {
			return false
		}
	}
	return word != ""
}
