package logerrors

import "bytes"

// splitter makes lines of pieces, each at most maxLine bytes long: what is beyond that is dropped.
type splitter struct{ begun []byte }

// write gives each line that a piece ends to line, without its end.
func (s *splitter) write(piece []byte, line func([]byte)) {
	for {
		end := bytes.IndexByte(piece, '\n')
		if end < 0 {
			s.keep(piece)
			return
		}
		if len(s.begun) == 0 {
			line(piece[:end])
		} else {
			s.keep(piece[:end])
			line(s.begun)
			s.begun = s.begun[:0]
		}
		piece = piece[end+1:]
	}
}

func (s *splitter) keep(piece []byte) {
	s.begun = append(s.begun, piece[:min(len(piece), maxRecord-len(s.begun))]...)
}

// maxRecord is how much is kept of a line, and of a record of the json-file driver, which has at most 16 KiB of a line
// and may need six bytes for each.
const maxRecord = 128 << 10
