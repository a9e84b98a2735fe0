// Package ggmltest writes a tiny Whisper model with random weights: structurally valid, so that
// whisper.cpp loads it and answers, in nonsense. It is for tests of the path, not of recognition.
package ggmltest

import (
	"bufio"
	"encoding/binary"
	"fmt"
	"io"
	"math/rand/v2"
)

// The dimensions of a multilingual "tiny" with a sixth of its width: about 9 MB.
const (
	vocab        = 51865
	vocabInFile  = 50257 // whisper.cpp adds the special tokens itself
	audioContext = 1500
	textContext  = 448
	state        = 64
	heads        = 1
	layers       = 4
	mels         = 80
	spectrum     = 201
	typeFloat32  = 0
	typeFloat16  = 1
)

// Write writes the model; the same seed gives the same bytes.
func Write(w io.Writer, seed uint64) error {
	m := &writer{out: bufio.NewWriterSize(w, 1<<16), random: rand.New(rand.NewPCG(seed, seed))} // #nosec G404 -- test data
	m.numbers(0x67676d6c, vocab, audioContext, state, heads, layers, textContext, state, heads, layers, mels, typeFloat16)
	m.filters()
	m.words()
	m.encoder()
	m.decoder()
	if m.err == nil {
		m.err = m.out.Flush()
	}
	if m.err != nil {
		return fmt.Errorf("writing test model: %w", m.err)
	}
	return nil
}

type writer struct {
	out    *bufio.Writer
	random *rand.Rand
	err    error
}

func (m *writer) put(value any) {
	if m.err == nil {
		m.err = binary.Write(m.out, binary.LittleEndian, value)
	}
}

func (m *writer) numbers(values ...int32) { m.put(values) }

// filters writes overlapping boxes in place of mel triangles.
func (m *writer) filters() {
	m.numbers(mels, spectrum)
	values := make([]float32, mels*spectrum)
	for mel := range mels {
		first := mel * spectrum / mels
		for bin := first; bin < min(first+4, spectrum); bin++ {
			values[mel*spectrum+bin] = 0.02
		}
	}
	m.put(values)
}

// words writes the vocabulary: syllables, some of which begin a word. whisper.cpp looks " " up at
// each decoding and throws where it is missing.
func (m *writer) words() {
	m.numbers(vocabInFile)
	const consonants, vowels = "bdfgklmnprst", "aeiou"
	for i := range vocabInFile {
		word := ""
		for n := i; ; n /= 60 {
			word += string(consonants[n%12]) + string(vowels[n/12%5])
			if n < 60 {
				break
			}
		}
		if i%2 == 0 {
			word = " " + word
		}
		if i == 220 {
			word = " "
		}
		m.put(uint32(len(word))) // #nosec G115 -- a few bytes
		m.put([]byte(word))
	}
}

// tensor writes random weights; dimensions come fastest first.
func (m *writer) tensor(kind int32, name string, dimensions ...int32) {
	m.numbers(int32(len(dimensions)), int32(len(name)), kind) // #nosec G115 -- a few
	m.put(dimensions)
	m.put([]byte(name))
	count := 1
	for _, d := range dimensions {
		count *= int(d)
	}
	if kind == typeFloat32 {
		values := make([]float32, count)
		for i := range values {
			values[i] = float32(m.random.NormFloat64() * 0.05)
		}
		m.put(values)
		return
	}
	values := make([]uint16, count)
	for i := range values {
		// Half floats of random sign and mantissa between 2^-7 and 2^-5.
		values[i] = uint16(m.random.UintN(2)<<15 | (8+m.random.UintN(2))<<10 | m.random.UintN(1<<10)) // #nosec G115 -- 16 bits
	}
	m.put(values)
}

func (m *writer) pair(name string, dimensions ...int32) {
	m.tensor(typeFloat16, name+".weight", dimensions...)
	m.tensor(typeFloat32, name+".bias", dimensions[len(dimensions)-1])
}

func (m *writer) norm(name string) {
	m.tensor(typeFloat32, name+".weight", state)
	m.tensor(typeFloat32, name+".bias", state)
}

func (m *writer) attention(name string) {
	m.norm(name + "_ln")
	m.pair(name+".query", state, state)
	m.tensor(typeFloat16, name+".key.weight", state, state)
	m.pair(name+".value", state, state)
	m.pair(name+".out", state, state)
}

func (m *writer) feedForward(block string) {
	m.norm(block + ".mlp_ln")
	m.pair(block+".mlp.0", state, 4*state)
	m.pair(block+".mlp.2", 4*state, state)
}

func (m *writer) encoder() {
	m.tensor(typeFloat32, "encoder.positional_embedding", state, audioContext)
	for conv, width := range []int32{mels, state} {
		name := fmt.Sprintf("encoder.conv%d", conv+1)
		m.tensor(typeFloat16, name+".weight", 3, width, state)
		m.tensor(typeFloat32, name+".bias", 1, state)
	}
	m.norm("encoder.ln_post")
	for layer := range layers {
		block := fmt.Sprintf("encoder.blocks.%d", layer)
		m.feedForward(block)
		m.attention(block + ".attn")
	}
}

func (m *writer) decoder() {
	m.tensor(typeFloat32, "decoder.positional_embedding", state, textContext)
	m.tensor(typeFloat16, "decoder.token_embedding.weight", state, vocab)
	m.norm("decoder.ln")
	for layer := range layers {
		block := fmt.Sprintf("decoder.blocks.%d", layer)
		m.feedForward(block)
		m.attention(block + ".attn")
		m.attention(block + ".cross_attn")
	}
}
