// Package whisper recognises with whisper.cpp: it finds and checks a weights file, keeps
// whisper-server running on loopback as a child, and asks it over HTTP. It doesn't download weights.
package whisper

import (
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
)

// ErrNoModel says that the model folder holds no weights; the recogniser then is PocketSphinx.
var ErrNoModel = errors.New("no ggml-*.bin in the model folder")

const (
	magic = 0x67676d6c // "ggml", little-endian
	// firstMultilingual is the smallest vocabulary of a multilingual model.
	firstMultilingual = 51865
)

// Model is a weights file whose header is sound.
type Model struct {
	Path, Name   string // Name is the file's
	Multilingual bool
	languages    int
}

// FindModel returns the folder's model of that name or, for "", the first ggml-*.bin in
// alphabetical order. Without any it fails with ErrNoModel; a file that can't be a Whisper model
// is another error.
func FindModel(folder, name string) (Model, error) {
	if name != "" {
		if name != filepath.Base(name) || !filepath.IsLocal(name) {
			return Model{}, fmt.Errorf("finding model: STT_MODEL %q is not a file name", name)
		}
		return inspect(filepath.Join(folder, name))
	}
	found, err := filepath.Glob(filepath.Join(folder, "ggml-*.bin"))
	if err != nil || len(found) == 0 {
		return Model{}, fmt.Errorf("finding model in %q: %w", folder, errors.Join(ErrNoModel, err))
	}
	return inspect(found[0])
}

// header is the start of a ggml Whisper file, in file order.
type header struct {
	Magic                                               uint32
	Vocab                                               int32
	AudioContext, AudioState, AudioHeads, AudioLayers   int32
	TextContext, TextState, TextHeads, TextLayers, Mels int32
	Type                                                int32
}

func inspect(path string) (Model, error) {
	file, err := os.Open(path) // #nosec G304 -- a file of the model volume
	if err != nil {
		return Model{}, fmt.Errorf("checking model: %w", err)
	}
	defer func() { _ = file.Close() }()
	var h header
	if err := binary.Read(file, binary.LittleEndian, &h); err != nil && !errors.Is(err, io.ErrUnexpectedEOF) && !errors.Is(err, io.EOF) {
		return Model{}, fmt.Errorf("checking model: %w", err)
	}
	name := filepath.Base(path)
	if h.Magic != magic {
		return Model{}, fmt.Errorf("checking model %q: it is not a ggml file (magic %#x, want %#x)", name, h.Magic, uint32(magic))
	}
	if !h.plausible() {
		return Model{}, fmt.Errorf("checking model %q: its header is damaged or not Whisper's", name)
	}
	info, err := file.Stat()
	if err != nil {
		return Model{}, fmt.Errorf("checking model: %w", err)
	}
	if least := h.leastSize(); info.Size() < least {
		return Model{}, fmt.Errorf("checking model %q: it has %d bytes and needs at least %d: an unfinished download?", name, info.Size(), least)
	}
	model := Model{Path: path, Name: name, Multilingual: h.Vocab >= firstMultilingual, languages: 1}
	if model.Multilingual {
		model.languages = min(int(h.Vocab)-51766, len(spoken)) // as whisper_vocab::num_languages
	}
	return model, nil
}

func (h header) plausible() bool {
	in := func(value, low, high int32) bool { return value >= low && value <= high }
	return in(h.Vocab, 51000, 60000) && in(h.AudioContext, 1, 10000) && in(h.AudioState, 1, 10000) &&
		in(h.AudioLayers, 1, 200) && in(h.TextContext, 1, 10000) && h.TextState == h.AudioState &&
		in(h.TextLayers, 1, 200) && in(h.Mels, 1, 1000) && in(h.Type, 0, 9999)
}

// weightBits is the storage of one weight in bits, by the type number of ggml files.
var weightBits = map[int32]float64{0: 32, 1: 16, 2: 4.5, 3: 5, 7: 8.5, 8: 5.5, 9: 6}

// leastSize is a lower bound of the file's size, in bytes: the weight matrices alone. The type's
// thousands are the quantisation's version.
func (h header) leastSize() int64 {
	state := int64(h.AudioState)
	weights := 12*state*state*int64(h.AudioLayers) + // attention 4, feed-forward 8
		16*state*state*int64(h.TextLayers) + // and cross attention 4
		state*int64(h.Vocab)
	bits, known := weightBits[h.Type%1000]
	if !known {
		bits = 2 // no type is smaller
	}
	return int64(float64(weights) * bits / 8)
}

// Languages lists the codes of the languages the model was trained for.
func (m Model) Languages() []string {
	if !m.Multilingual {
		return []string{"en"}
	}
	codes := make([]string, m.languages)
	for i := range codes {
		codes[i] = spoken[i].code
	}
	return codes
}
