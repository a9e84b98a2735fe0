package snapshots

import (
	"bytes"
	"crypto/sha256"
	"fmt"
	"io/fs"
	"strconv"
)

// Tally counts files, as they are written to it: of each its path, size, time of change, mode, user and group, each of
// them ended by a zero byte, in whichever order the files come.
type Tally struct {
	size  Size
	tree  [sha256.Size]byte
	rest  []byte
	field int // of the file that rest begins with
	from  int // where the next field of it begins in rest
	bytes int64
}

// NewTally counts from nothing.
func NewTally() *Tally { return &Tally{} }

// tallyFields are those of a file.
const tallyFields = 6

// Write implements io.Writer.
func (t *Tally) Write(p []byte) (int, error) {
	t.rest = append(t.rest, p...)
	for {
		end := bytes.IndexByte(t.rest[t.from:], 0)
		if end < 0 {
			return len(p), nil
		}
		if t.field == 1 {
			n, err := strconv.ParseInt(string(t.rest[t.from:t.from+end]), 10, 64)
			if err != nil {
				return 0, fmt.Errorf("counting files: %w", err)
			}
			t.bytes = n
		}
		t.from += end + 1
		if t.field++; t.field == tallyFields {
			t.add(t.rest[:t.from])
			t.rest, t.from, t.field = t.rest[t.from:], 0, 0
		}
	}
}

// add counts a file.
func (t *Tally) add(file []byte) {
	t.size.Files++
	t.size.Bytes += t.bytes
	for i, b := range sha256.Sum256(file) {
		t.tree[i] ^= b
	}
}

// File counts a file of this machine, by its path below what is counted.
func (t *Tally) File(path string, info fs.FileInfo, uid, gid int) {
	mode := uint32(info.Mode().Perm())
	for i, bit := range []fs.FileMode{fs.ModeSticky, fs.ModeSetgid, fs.ModeSetuid} {
		if info.Mode()&bit != 0 {
			mode |= 0o1000 << i
		}
	}
	at := info.ModTime()
	// As find(1) prints it.
	_, _ = t.Write(fmt.Appendf(nil, "%s\x00%d\x00%d.%09d0\x00%o\x00%d\x00%d\x00", path, info.Size(), at.Unix(),
		at.Nanosecond(), mode, uid, gid))
}

// Size is what was counted.
func (t *Tally) Size() Size {
	t.size.Tree = fmt.Sprintf("%x", t.tree[:16])
	return t.size
}
