// Package synthesis turns text into speech, by Azure's voices over its REST API or by the local
// ones, flite and espeak-ng. It owns no cache and no HTTP server.
package synthesis

import (
	"context"
	"fmt"
	"strings"

	"github.com/25eloquence/compose-mage/services/internal/speech"
)

// Request is one text to be spoken, as Normalize returns it.
type Request struct {
	Text     string // not empty, no control characters
	Language string // "en" or "fr"
	Voice    string // "" for the language's default, else a voice's name with or without its engine
}

// Engine speaks.
type Engine interface {
	// Voice resolves the request's voice to its full name, such as "flite:slt". The error for a
	// voice the engine has not is an *UnsupportedError.
	Voice(request Request) (string, error)
	// Speak returns 16 kHz mono sound of text in a voice that Voice returned.
	Speak(ctx context.Context, text, voice string) (speech.PCM, error)
	// Identity names everything but text and voice that shapes the sound: program versions or
	// the API's address. It is part of the cache's keys.
	Identity() string
	// Voices gives the default voice of each language.
	Voices() map[string]string
}

// UnsupportedError says that a request asks for what the service doesn't do; its text is meant
// for the client. Code is "unsupported_language", "unsupported_voice" or "invalid_text".
type UnsupportedError struct {
	Code, Message string
}

func (e *UnsupportedError) Error() string { return e.Message }

// MaxText is the longest text accepted, in characters; Azure's limit is ten minutes of sound,
// which 5,000 characters stay below in both languages.
const MaxText = 5000

// Normalize checks a request and brings it to one form: the language without its region, white
// space and control characters as single spaces, so that equal speech has one cache key.
func Normalize(request Request) (Request, error) {
	language, _, _ := strings.Cut(strings.ToLower(request.Language), "-")
	switch strings.ToLower(request.Language) {
	case "en", "en-us", "fr", "fr-fr":
	default:
		return Request{}, &UnsupportedError{
			"unsupported_language",
			fmt.Sprintf("language %q is not supported: use en, en-US, fr or fr-FR", request.Language),
		}
	}
	text := strings.Join(strings.FieldsFunc(request.Text, func(r rune) bool {
		// U+FFFE and U+FFFF are no characters in XML, and U+2028, U+2029, U+00A0 are white space.
		return r <= ' ' || (r >= 0x7f && r <= 0xa0) || r == 0x2028 || r == 0x2029 || r == 0xfffe || r == 0xffff
	}), " ")
	if text == "" {
		return Request{}, &UnsupportedError{"invalid_text", "the text is empty"}
	}
	if length := len([]rune(text)); length > MaxText {
		return Request{}, &UnsupportedError{
			"invalid_text",
			fmt.Sprintf("the text has %d characters: at most %d are spoken in one request", length, MaxText),
		}
	}
	return Request{Text: text, Language: language, Voice: strings.TrimSpace(request.Voice)}, nil
}
