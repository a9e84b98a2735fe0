// Package pocketsphinx recognises English with Debian's pocketsphinx, one child process a
// request: an utterance it can't bear aborts the child, never the service.
package pocketsphinx

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"time"

	"github.com/25eloquence/compose-mage/services/internal/speech"
	"github.com/25eloquence/compose-mage/services/whisper-stt/transcript"
)

const (
	program   = "pocketsphinx_batch"
	modelName = "en-us"
	maxWait   = 30 * time.Second
)

// fillers are added to the model's noise dictionary: sounds heard between words that the language
// model doesn't expect. They need -bestpath no: the lattice's third pass drops or aborts on them.
const fillers = "++UH++ AH\n++UM++ M\n"

// Recogniser implements transcript.Engine. One child takes one CPU and about 51 MiB that are its own; what it reads
// of the language model is the page cache's, one copy for all children (source/less-memory.patch).
type Recogniser struct {
	models string // the folder of the model, language model and dictionary
	noise  []byte // the noise dictionary
	turns  speech.Turns
}

// ModelFolder is where Debian's pocketsphinx-en-us puts its files.
const ModelFolder = "/usr/share/pocketsphinx/model/en-us"

// New checks that program and model are there. At most concurrency children run at once.
func New(models string, concurrency int) (*Recogniser, error) {
	if _, err := exec.LookPath(program); err != nil {
		return nil, fmt.Errorf("looking for pocketsphinx: %w", err)
	}
	noise, err := os.ReadFile(filepath.Join(models, "en-us", "noisedict")) // #nosec G304 -- a constant in the service
	if err != nil {
		return nil, fmt.Errorf("looking for pocketsphinx's model: %w", err)
	}
	noise = append(append(bytes.TrimRight(noise, "\n"), '\n'), fillers...)
	return &Recogniser{models: models, noise: noise, turns: make(speech.Turns, max(1, concurrency))}, nil
}

// Name implements transcript.Engine.
func (*Recogniser) Name() string { return "pocketsphinx" }

// Model implements transcript.Engine.
func (*Recogniser) Model() string { return modelName }

// Languages implements transcript.Engine.
func (*Recogniser) Languages() []string { return []string{"en"} }

// timeout is ten times what a busy core was seen to need (0.4 s for a second of speech, 1 s to load).
func timeout(length time.Duration) time.Duration { return 30*time.Second + 4*length }

// Transcribe implements transcript.Engine.
func (r *Recogniser) Transcribe(ctx context.Context, sound speech.PCM, _ string) (transcript.Transcript, error) {
	release, err := r.turns.Take(ctx, maxWait)
	if err != nil {
		return transcript.Transcript{}, err
	}
	defer release()
	ctx, cancel := context.WithTimeout(ctx, timeout(sound.Duration()))
	defer cancel()
	folder, err := os.MkdirTemp("", "listen-")
	if err != nil {
		return transcript.Transcript{}, fmt.Errorf("listening: %w", err)
	}
	defer func() { _ = os.RemoveAll(folder) }()
	segments, err := r.run(ctx, folder, sound)
	if err != nil {
		return transcript.Transcript{}, fmt.Errorf("listening with pocketsphinx: %w", err)
	}
	words, err := parseSegments(segments)
	if err != nil {
		return transcript.Transcript{}, fmt.Errorf("listening with pocketsphinx: %w", err)
	}
	return transcript.Transcript{Text: join(words), Language: "en", Words: words}, nil
}

// run returns the segmentation file of one utterance.
func (r *Recogniser) run(ctx context.Context, folder string, sound speech.PCM) ([]byte, error) {
	for name, content := range map[string][]byte{
		"list": []byte("speech\n"), "noise": r.noise, "speech.wav": speech.EncodeWAV(sound),
	} {
		if err := os.WriteFile(filepath.Join(folder, name), content, 0o600); err != nil {
			return nil, err
		}
	}
	in := func(name string) string { return filepath.Join(folder, name) }
	command := exec.CommandContext(ctx, program, // #nosec G204 -- constants and our own temporary files
		"-hmm", filepath.Join(r.models, "en-us"),
		"-lm", filepath.Join(r.models, "en-us.lm.bin"),
		"-dict", filepath.Join(r.models, "cmudict-en-us.dict"),
		"-fdict", in("noise"), "-bestpath", "no",
		"-adcin", "yes", "-adchdr", "44", "-cepdir", folder, "-cepext", ".wav",
		"-ctl", in("list"), "-hypseg", in("segments"), "-logfn", in("log"))
	command.WaitDelay = time.Second
	if said, err := command.CombinedOutput(); err != nil {
		log, _ := os.ReadFile(in("log")) // without it there is one hint less
		return nil, fmt.Errorf("%w%s", errors.Join(ctx.Err(), err), hint(said, log))
	}
	return os.ReadFile(in("segments"))
}

// hint is the last complaint among a child's output, or "".
func hint(outputs ...[]byte) string {
	last := ""
	for _, output := range outputs {
		for line := range bytes.Lines(output) {
			for _, mark := range []string{"ERROR", "FATAL", "Assertion"} {
				if bytes.Contains(line, []byte(mark)) {
					last = ": " + string(bytes.TrimSpace(line[:min(len(line), 200)]))
				}
			}
		}
	}
	return last
}
