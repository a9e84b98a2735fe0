package logerrors

import (
	"bytes"
	"regexp"
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

// levelIn gives the level that a line names, and the part of the line that says what happened.
func levelIn(line string) (message string, level Level) {
	line = strings.TrimSpace(line)
	if strings.HasPrefix(line, "{") {
		if message, level, ok := structured(line); ok {
			return message, level
		}
	}
	if name := logfmtValue(line, "level", "lvl", "severity", "levelname"); name != "" {
		message = strings.TrimSpace(logfmtValue(line, "msg", "message") + " " + logfmtValue(line, "err", "error"))
		if message == "" {
			message = line
		}
		return message, LevelOf(name)
	}
	if m := klog.FindStringSubmatch(line); m != nil {
		return line[len(m[0]):], letters[m[1]]
	}
	if head := redis.FindString(line); head != "" {
		if failure.MatchString(line[len(head):]) {
			return line[len(head):], Error
		}
		return line[len(head):], Warn
	}
	if raised.MatchString(line) {
		return line, Error
	}
	return byWord(line)
}

// letters are the levels of klog and of MongoDB.
var letters = map[string]Level{"D": Debug, "I": Info, "W": Warn, "E": Error, "F": Error}

const (
	// headWords is in how many words from its beginning a line's level stands.
	headWords = 12
	// plainWords is how many of the words before it may be plain ones: the names of a logger and of a thread.
	plainWords = 3
)

// byWord finds the level in the words at the beginning of a line: in upper case, in brackets, or with a colon behind.
func byWord(line string) (message string, level Level) {
	rest, plain := line, 0
	for range headWords {
		rest = strings.TrimLeft(rest, " \t")
		word := rest
		if i := strings.IndexAny(rest, " \t"); i >= 0 {
			word = rest[:i]
		}
		rest = rest[len(word):]
		for _, name := range levelsIn(word) {
			if level := levelOfWord(name, word, plain); level != None {
				_, message, _ = strings.Cut(word, name)
				return strings.TrimLeft(message+rest, " \t-|:])>,"), level
			}
		}
		if plainWord(word) {
			if plain++; plain > plainWords {
				return line, None
			}
		}
		if rest == "" {
			break
		}
	}
	return line, None
}

// levelsIn gives what may be a level's name in a word: [core:error] has two, ERROR:root:text three, ERROR/worker one.
func levelsIn(word string) []string {
	names := strings.FieldsFunc(word, func(r rune) bool { return strings.ContainsRune("[]()<>|:,;-", r) })
	for i := range names {
		names[i], _, _ = strings.Cut(names[i], "/")
	}
	return names
}

// levelOfWord gives the level of a name in a word, where the name is a level's; plain is how many plain words came
// before it.
func levelOfWord(name, word string, plain int) Level {
	level := LevelOf(name)
	if level == None {
		if strings.EqualFold(name, "fail") && plain == 0 && strings.HasPrefix(word, name+":") { // of .NET
			return Error
		}
		return None
	}
	bracketed := strings.ContainsAny(word[:1], "[<(|") || strings.HasSuffix(word, "]")
	colon := strings.Contains(word, name+":") && plain == 0
	if bracketed || colon || name == strings.ToUpper(name) {
		return level
	}
	return None
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
