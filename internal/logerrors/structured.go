package logerrors

import (
	"encoding/json"
	"fmt"
	"strconv"
	"strings"
)

// The keys under which programs put a level, what happened, and the error, in JSON.
var (
	levelKeys = []string{
		"level", "lvl", "severity", "log.level", "loglevel", "levelname", "level_name", "log_level", "@l", "s",
		"priority",
	}
	messageKeys = []string{"msg", "message", "@m", "@mt", "event", "text", "body", "short_message"}
	errorKeys   = []string{"error", "err", "exception", "exc_info", "@x", "cause"}
)

// structured reads a line of JSON; ok is false where it is none, or says nothing of how bad it is.
func structured(line string) (message string, is Level, ok bool) {
	var keys map[string]json.RawMessage
	if json.Unmarshal([]byte(line), &keys) != nil {
		return "", None, false
	}
	lower := make(map[string]json.RawMessage, len(keys))
	for key, value := range keys {
		lower[strings.ToLower(key)] = value
	}
	if nested, has := lower["log"]; has { // ECS: {"log": {"level": "error"}}
		var below struct {
			Level json.RawMessage `json:"level"`
		}
		if json.Unmarshal(nested, &below) == nil && below.Level != nil {
			lower["log.level"] = below.Level
		}
	}
	message = first(lower, messageKeys)
	cause := first(lower, errorKeys)
	if message = strings.TrimSpace(message + " " + cause); message == "" {
		message = line
	}
	for _, key := range levelKeys {
		if level, has := lower[key]; has {
			if is := levelInJSON(key, level); is != None {
				return message, is, true
			}
		}
	}
	if cause != "" {
		return message, Error, true
	}
	return message, None, true
}

// first gives the text of the first of the keys that has one.
func first(keys map[string]json.RawMessage, names []string) string {
	for _, name := range names {
		var text string
		switch value := keys[name]; {
		case value == nil:
		case json.Unmarshal(value, &text) == nil:
			if text != "" && text != "<nil>" && text != "nil" {
				return text
			}
		case value[0] == '{':
			var below map[string]json.RawMessage
			if json.Unmarshal(value, &below) == nil {
				if text := first(below, []string{"message", "msg", "type"}); text != "" {
					return text
				}
			}
		}
	}
	return ""
}

// levelInJSON gives the level that is the value of a key: a name, a number of pino's and bunyan's (50 is an error), of
// syslog's (3 is one), or MongoDB's letter.
func levelInJSON(key string, value json.RawMessage) Level {
	var name string
	if json.Unmarshal(value, &name) != nil {
		name = string(value)
	}
	if n, err := strconv.ParseFloat(strings.TrimSpace(name), 64); err == nil {
		switch {
		case key == "priority" || n > 0 && n < 8 && (key == "severity" || key == "level"):
			return ofSyslog(n)
		case key == "level" || key == "severity":
			return ofPino(n)
		}
		return None
	}
	if key == "s" {
		if len(name) != 1 && !strings.HasPrefix(name, "D") { // D1 to D5
			return None
		}
		return letters[name[:1]]
	}
	return LevelOf(name)
}

func ofSyslog(n float64) Level {
	switch {
	case n <= 3:
		return Error
	case n <= 4:
		return Warn
	case n <= 6:
		return Info
	}
	return Debug
}

func ofPino(n float64) Level {
	switch {
	case n >= 50:
		return Error
	case n >= 40:
		return Warn
	case n >= 30:
		return Info
	case n >= 20:
		return Debug
	}
	return Trace
}

// logfmtValue gives the value of the first of the keys that a line of key=value has; "" for none, and for one of nil.
func logfmtValue(line string, keys ...string) string {
	for _, key := range keys {
		for from := 0; ; {
			at := strings.Index(line[from:], key+"=")
			if at < 0 {
				break
			}
			at += from
			from = at + len(key) + 1
			if at > 0 && line[at-1] != ' ' && line[at-1] != '\t' {
				continue
			}
			if value := unquoted(line[from:]); value != "nil" && value != "<nil>" && value != "null" {
				return value
			}
		}
	}
	return ""
}

// unquoted gives the value at the beginning of a text: up to its closing quote, or to the next space.
func unquoted(text string) string {
	if !strings.HasPrefix(text, `"`) {
		value, _, _ := strings.Cut(text, " ")
		return strings.TrimRight(value, "\t,;")
	}
	quoted, err := strconv.QuotedPrefix(text)
	if err != nil {
		return text[1:]
	}
	value, err := strconv.Unquote(quoted)
	if err != nil {
		return fmt.Sprint(quoted)
	}
	return value
}
