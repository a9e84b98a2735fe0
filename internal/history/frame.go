package history

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"hash/crc32"
	"regexp"
	"sync"

	"github.com/klauspost/compress/zstd"
)

// A file is a header and frames, one after the other. A frame is
//
//	4 bytes  the mark, by which a reader finds the next frame after a damaged one
//	4 bytes  the length of the rest, little endian
//	4 bytes  CRC-32C of the length and the rest
//	         the service that the frame is of ("" where it is of more than one): its length as a varint, its name
//	         the first and the last time in the block: milliseconds since 1970, varints
//	         the block, compressed by zstd
const (
	header     = "cmhist1\n"
	mark       = "\xf5CM\x8a"
	frameBytes = len(mark) + 8
	mostFrame  = mostPayload + 1<<10
)

// foreign is how the files of other versions begin.
var foreign = regexp.MustCompile(`^cmhist[0-9]\n`)

var castagnoli = crc32.MakeTable(crc32.Castagnoli)

// frame is one block of a file, not yet decompressed.
type frame struct {
	service     string
	first, last int64
	compressed  []byte
	raw         []byte // with all that stands before it
}

// newFrame makes the bytes of a frame of a block that is not empty.
func newFrame(service string, b block) ([]byte, error) {
	data := b.encode()
	if len(b.times) > mostTimes || len(b.columns) > mostSeries || len(data) > mostPayload {
		return nil, fmt.Errorf("%d times of %d series are too many for a part of the history", len(b.times),
			len(b.columns))
	}
	encoder, err := encoder()
	if err != nil {
		return nil, err
	}
	rest := append(binary.AppendUvarint(nil, uint64(len(service))), service...)
	rest = binary.AppendVarint(rest, b.times[0])
	rest = binary.AppendVarint(rest, b.times[len(b.times)-1])
	rest = encoder.EncodeAll(data, rest)
	length := binary.LittleEndian.AppendUint32(nil, uint32(len(rest)))
	sum := crc32.Update(crc32.Checksum(length, castagnoli), castagnoli, rest)
	out := binary.LittleEndian.AppendUint32(append([]byte(mark), length...), sum)
	return append(out, rest...), nil
}

// parseFrame reads the frame at the front of data, and says how many bytes it takes; 0 where none is there.
func parseFrame(data []byte) (frame, int) {
	if len(data) < frameBytes || string(data[:len(mark)]) != mark {
		return frame{}, 0
	}
	length := binary.LittleEndian.Uint32(data[len(mark):])
	if length > uint32(mostFrame) || int(length) > len(data)-frameBytes {
		return frame{}, 0
	}
	rest := data[frameBytes : frameBytes+int(length)]
	sum := crc32.Update(crc32.Checksum(data[len(mark):len(mark)+4], castagnoli), castagnoli, rest)
	if sum != binary.LittleEndian.Uint32(data[len(mark)+4:]) {
		return frame{}, 0
	}
	r := reader{data: rest}
	f := frame{service: string(r.bytes(r.length(mostName)))}
	f.first, f.last = r.varint(), r.varint()
	if f.compressed = r.data; r.failed || f.first > f.last {
		return frame{}, 0
	}
	n := frameBytes + int(length)
	f.raw = data[:n]
	return f, n
}

// contents is what a file holds.
type contents struct {
	frames  []frame
	foreign bool // of another version: nothing is said of it
	whole   int  // how many bytes from the front are the header and frames
	damaged bool // what comes after those is more than a frame that was not written to its end
}

// parse reads a file. After a damaged frame it goes on with the next that is whole.
func parse(data []byte) contents {
	var c contents
	rest := data
	switch {
	case bytes.HasPrefix(data, []byte(header)):
		c.whole = len(header)
		rest = data[len(header):]
	case foreign.Match(data):
		return contents{foreign: true, whole: len(data)}
	}
	for at := len(data) - len(rest); at < len(data); {
		f, n := parseFrame(data[at:])
		if n > 0 {
			c.frames = append(c.frames, f)
			if c.damaged = c.damaged || c.whole != at; !c.damaged {
				c.whole = at + n
			}
			at += n
			continue
		}
		next := bytes.Index(data[at+1:], []byte(mark))
		if next < 0 {
			break
		}
		at += 1 + next
	}
	return c
}

// The encoder and the decoder are shared: their EncodeAll and DecodeAll may be called at the same time. Their options
// are constant.
var encoder = sync.OnceValues(func() (*zstd.Encoder, error) {
	return zstd.NewWriter(nil, zstd.WithEncoderLevel(zstd.SpeedDefault), zstd.WithEncoderConcurrency(1),
		zstd.WithWindowSize(1<<17), zstd.WithEncoderCRC(false))
})

var decoder = sync.OnceValues(func() (*zstd.Decoder, error) {
	return zstd.NewReader(nil, zstd.WithDecoderConcurrency(1), zstd.WithDecoderMaxMemory(mostPayload))
})

func (f frame) block() (block, error) {
	shared, err := decoder()
	if err != nil {
		return block{}, err
	}
	data, err := shared.DecodeAll(f.compressed, nil)
	if err != nil {
		return block{}, errBlock
	}
	return decodeBlock(data)
}
