// Package transcript says what the recognisers have in common: what they are asked, what they
// answer, and how they refuse. It recognises nothing itself.
package transcript

import (
	"context"
	"fmt"
	"slices"
	"strings"

	"github.com/25eloquence/compose-mage/services/internal/speech"
)

// Word is one word heard, a filler such as "um" included; times are seconds from the start.
type Word struct {
	Word  string  `json:"word"`
	Start float64 `json:"start"`
	End   float64 `json:"end"`
}

// Transcript is what a recogniser heard.
type Transcript struct {
	Text     string
	Language string // ISO 639 code, such as "en"
	Words    []Word // never nil
}

// Engine is a recogniser that is ready to listen.
type Engine interface {
	// Name is "whisper" or "pocketsphinx".
	Name() string
	// Model names the weights or the acoustic model.
	Model() string
	// Languages lists the codes of the languages understood.
	Languages() []string
	// Transcribe takes 16 kHz mono sound. Language is one of Languages, or "" for the engine's
	// choice. It fails with speech.ErrBusy where too much is under way.
	Transcribe(ctx context.Context, sound speech.PCM, language string) (Transcript, error)
}

// LanguageError says that an engine doesn't understand a language; its text is for the client.
type LanguageError struct {
	Language, Engine, Model string
	Languages               []string
}

func (e *LanguageError) Error() string {
	if len(e.Languages) == 1 {
		return fmt.Sprintf("language %q is not supported: %s with model %q understands %q only", e.Language, e.Engine, e.Model, e.Languages[0])
	}
	return fmt.Sprintf("language %q is not supported by %s with model %q", e.Language, e.Engine, e.Model)
}

// Language brings a client's language ("en", "en-US", "EN_us", "") to the code that the engine
// takes, or fails with a *LanguageError.
func Language(engine Engine, asked string) (string, error) {
	if asked == "" || asked == "auto" {
		return "", nil
	}
	code, _, _ := strings.Cut(strings.ReplaceAll(strings.ToLower(asked), "_", "-"), "-")
	if !slices.Contains(engine.Languages(), code) {
		return "", &LanguageError{Language: asked, Engine: engine.Name(), Model: engine.Model(), Languages: engine.Languages()}
	}
	return code, nil
}
