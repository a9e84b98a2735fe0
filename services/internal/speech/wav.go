// Package speech holds the audio both speech services handle: 16-bit PCM in WAV files, and its
// conversion to the 16 kHz mono that recognisers, voices and the agent exchange. It owns no other
// codec.
package speech

import (
	"encoding/binary"
	"errors"
	"fmt"
	"time"
)

// Rate is the sample rate, in Hz, of all speech inside the stack.
const Rate = 16000

// The rates DecodeWAV accepts, in Hz: telephony up to studio recordings.
const (
	minRate = 8000
	maxRate = 96000
)

const (
	formatPCM        = 1
	formatExtensible = 0xFFFE
	// streamed is the smallest data size that means "unknown": writers to a pipe leave
	// 0x7FFFF000 (espeak-ng) or 0xFFFFFFFF (ffmpeg) in the header.
	streamed = 0x7FFFF000
)

// PCM is mono sound: signed 16-bit samples at Rate per second.
type PCM struct {
	Samples []int16
	Rate    int // Hz
}

// Duration is the length of the sound.
func (p PCM) Duration() time.Duration {
	if p.Rate == 0 {
		return 0
	}
	return time.Duration(len(p.Samples)) * time.Second / time.Duration(p.Rate)
}

// DecodeWAV reads a RIFF WAVE file of 16-bit PCM, mono or stereo (which is mixed down), at 8 to
// 96 kHz. Its errors are meant for whoever sent the file.
func DecodeWAV(file []byte) (PCM, error) {
	if len(file) < 12 || string(file[:4]) != "RIFF" || string(file[8:12]) != "WAVE" {
		return PCM{}, errors.New("reading wav: not a RIFF WAVE file")
	}
	var form format
	for rest := file[12:]; len(rest) >= 8; {
		name, size := string(rest[:4]), int64(binary.LittleEndian.Uint32(rest[4:8]))
		body := rest[8:]
		if name == "data" {
			return decodeData(form, body, size)
		}
		if size > int64(len(body)) {
			return PCM{}, fmt.Errorf("reading wav: chunk %q is cut off", name)
		}
		if name == "fmt " {
			var err error
			if form, err = decodeFormat(body[:size]); err != nil {
				return PCM{}, err
			}
		}
		rest = body[min(size+size%2, int64(len(body))):] // chunks are padded to even sizes
	}
	return PCM{}, errors.New("reading wav: no data chunk")
}

type format struct {
	channels, rate int
}

func decodeFormat(chunk []byte) (format, error) {
	if len(chunk) < 16 {
		return format{}, errors.New("reading wav: the fmt chunk is too short")
	}
	tag := binary.LittleEndian.Uint16(chunk)
	if tag == formatExtensible && len(chunk) >= 26 {
		tag = binary.LittleEndian.Uint16(chunk[24:]) // the subformat's first two bytes
	}
	channels, bits := int(binary.LittleEndian.Uint16(chunk[2:])), binary.LittleEndian.Uint16(chunk[14:])
	rate := binary.LittleEndian.Uint32(chunk[4:])
	switch {
	case tag != formatPCM || bits != 16:
		return format{}, fmt.Errorf("reading wav: want 16-bit PCM, got format %d with %d bits", tag, bits)
	case channels != 1 && channels != 2:
		return format{}, fmt.Errorf("reading wav: want mono or stereo, got %d channels", channels)
	case rate < minRate || rate > maxRate:
		return format{}, fmt.Errorf("reading wav: want %d to %d Hz, got %d", minRate, maxRate, rate)
	}
	return format{channels: channels, rate: int(rate)}, nil
}

func decodeData(form format, body []byte, size int64) (PCM, error) {
	if form.channels == 0 {
		return PCM{}, errors.New("reading wav: no fmt chunk before the data")
	}
	if size >= streamed {
		size = int64(len(body))
	}
	if size > int64(len(body)) {
		return PCM{}, fmt.Errorf("reading wav: the data is cut off: %d of %d bytes", len(body), size)
	}
	samples := make([]int16, int(size)/(2*form.channels))
	for i := range samples {
		if form.channels == 1 {
			samples[i] = sample(body, i)
			continue
		}
		samples[i] = int16((int(sample(body, 2*i)) + int(sample(body, 2*i+1))) / 2) // #nosec G115 -- a mean fits
	}
	return PCM{Samples: samples, Rate: form.rate}, nil
}

func sample(body []byte, i int) int16 {
	return int16(binary.LittleEndian.Uint16(body[2*i:])) // #nosec G115 -- two's complement on purpose
}

// EncodeWAV writes a mono 16-bit PCM WAV file with a 44-byte header.
func EncodeWAV(sound PCM) []byte {
	size, rate := uint32(2*len(sound.Samples)), uint32(sound.Rate) // #nosec G115 -- bounded by memory and maxRate
	file := make([]byte, 0, 44+int(size))
	file = append(file, "RIFF"...)
	file = binary.LittleEndian.AppendUint32(file, 36+size)
	file = append(file, "WAVEfmt "...)
	file = binary.LittleEndian.AppendUint32(file, 16)
	file = binary.LittleEndian.AppendUint16(file, formatPCM)
	file = binary.LittleEndian.AppendUint16(file, 1) // channels
	file = binary.LittleEndian.AppendUint32(file, rate)
	file = binary.LittleEndian.AppendUint32(file, 2*rate) // bytes a second
	file = binary.LittleEndian.AppendUint16(file, 2)      // bytes a frame
	file = binary.LittleEndian.AppendUint16(file, 16)     // bits a sample
	file = append(file, "data"...)
	file = binary.LittleEndian.AppendUint32(file, size)
	for _, s := range sound.Samples {
		file = binary.LittleEndian.AppendUint16(file, uint16(s)) // #nosec G115 -- two's complement on purpose
	}
	return file
}
