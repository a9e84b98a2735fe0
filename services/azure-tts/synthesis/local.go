package synthesis

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/25eloquence/compose-mage/services/internal/speech"
)

// localTimeout bounds one run of a local voice; the longest text takes flite about 8 s on a slow core.
const localTimeout = 60 * time.Second

// longestSpeech bounds what a text may become, as Azure does: a voice spells out digits and signs.
const longestSpeech = 10 * time.Minute

// maxVoiceRate is the highest rate of a local voice's file, espeak-ng's, in samples a second.
const maxVoiceRate = 22050

// Local speaks with the programs installed beside the service: flite for English, espeak-ng for
// French. It needs no network and no key.
type Local struct {
	identity string
}

// NewLocal asks the programs for their versions and fails where one is missing.
func NewLocal(ctx context.Context) (*Local, error) {
	var versions []string
	for _, program := range []string{"flite", "espeak-ng"} {
		said, err := exec.CommandContext(ctx, program, "--version").CombinedOutput() // #nosec G204 -- a constant
		// flite prints its version and exits with 1.
		if exit := (*exec.ExitError)(nil); err != nil && !errors.As(err, &exit) {
			return nil, fmt.Errorf("looking for local voices: %w", err)
		}
		versions = append(versions, strings.Join(strings.Fields(string(said)), " "))
	}
	return &Local{identity: strings.Join(versions, "; ")}, nil
}

// localVoices lists each language's voices, the default first.
var localVoices = map[string][]string{
	"en": {"flite:slt", "flite:rms", "flite:awb"},
	"fr": {"espeak-ng:fr-fr"},
}

// Voice implements Engine.
func (*Local) Voice(request Request) (string, error) {
	voices := localVoices[request.Language]
	if request.Voice == "" {
		return voices[0], nil
	}
	for _, voice := range voices {
		if _, name, _ := strings.Cut(voice, ":"); request.Voice == voice || request.Voice == name {
			return voice, nil
		}
	}
	return "", &UnsupportedError{"unsupported_voice", fmt.Sprintf("voice %q is not a local voice for %q: use one of %s",
		request.Voice, request.Language, strings.Join(voices, ", "))}
}

// Identity implements Engine.
func (l *Local) Identity() string { return l.identity }

// Voices implements Engine.
func (*Local) Voices() map[string]string {
	defaults := map[string]string{}
	for language, voices := range localVoices {
		defaults[language] = voices[0]
	}
	return defaults
}

// flite reads ASCII and spells other bytes out.
var ascii = strings.NewReplacer("’", "'", "‘", "'", "“", `"`, "”", `"`, "«", `"`, "»", `"`,
	"–", ", ", "—", ", ", "…", "...")

// Speak implements Engine. Text reaches the programs in a file: it can't be taken for an option
// and doesn't show in the process list.
func (l *Local) Speak(ctx context.Context, text, voice string) (speech.PCM, error) {
	engine, name, _ := strings.Cut(voice, ":")
	if !slices.Contains(localVoices["en"], voice) && !slices.Contains(localVoices["fr"], voice) {
		return speech.PCM{}, fmt.Errorf("speaking: %q is no local voice", voice)
	}
	folder, err := os.MkdirTemp("", "speech-")
	if err != nil {
		return speech.PCM{}, fmt.Errorf("speaking with %s: %w", voice, err)
	}
	defer func() { _ = os.RemoveAll(folder) }()
	input, output := filepath.Join(folder, "text"), filepath.Join(folder, "speech.wav")
	arguments := []string{"-voice", name, "-f", input, "-o", output}
	if engine == "espeak-ng" {
		arguments = []string{"-v", name, "-b", "1", "-f", input, "-w", output} // -b 1: the text is UTF-8
	} else {
		text = ascii.Replace(text)
	}
	if err := os.WriteFile(input, []byte(text+"\n"), 0o600); err != nil {
		return speech.PCM{}, fmt.Errorf("speaking with %s: %w", voice, err)
	}
	ctx, cancel := context.WithTimeout(ctx, localTimeout)
	defer cancel()
	command := exec.CommandContext(ctx, engine, arguments...) // #nosec G204 -- a voice of the list above
	command.WaitDelay = time.Second
	if said, err := command.CombinedOutput(); err != nil {
		return speech.PCM{}, fmt.Errorf("speaking with %s: %w: %s", voice, errors.Join(ctx.Err(), err), bytes.TrimSpace(said))
	}
	return readSpeech(output, voice)
}

func readSpeech(path, voice string) (speech.PCM, error) {
	tooLong := &UnsupportedError{"invalid_text", fmt.Sprintf("the text takes more than %s to say", longestSpeech)}
	info, err := os.Stat(path)
	if err != nil {
		return speech.PCM{}, fmt.Errorf("speaking with %s: %w", voice, err)
	}
	if info.Size() > int64(longestSpeech/time.Second)*2*maxVoiceRate {
		return speech.PCM{}, tooLong
	}
	file, err := os.ReadFile(path) // #nosec G304 -- our own temporary folder
	if err != nil {
		return speech.PCM{}, fmt.Errorf("speaking with %s: %w", voice, err)
	}
	sound, err := speech.DecodeWAV(file)
	if err != nil {
		return speech.PCM{}, fmt.Errorf("speaking with %s: %w", voice, err)
	}
	if sound.Duration() > longestSpeech {
		return speech.PCM{}, tooLong
	}
	if len(sound.Samples) == 0 {
		return speech.PCM{}, &UnsupportedError{"invalid_text", "the text holds nothing that can be spoken"}
	}
	return speech.Resample(sound, speech.Rate), nil
}
