package buildcontext

import (
	"context"
	"crypto/sha256"
	"encoding/binary"
	"fmt"
	"io/fs"
	"path/filepath"
	"runtime"
	"strconv"
	"strings"
	"time"

	"github.com/docker/go-units"
)

// Survey says how much a build context holds after its ignore file.
type Survey struct {
	Dir     string
	Files   int // links included, directories not
	Bytes   int64
	Largest []Entry // the paths that explain most of the bytes, largest first; at most five
	Walked  []File  // all that would be sent, in the order of the walk
	// changes with the path, size, mode, modification time or link target of anything that would be sent
	Stamp string

	taken time.Time
	// there is more than directories, symbolic links, and files of one name, which a File does not describe in full
	special bool
}

// Entry is a path of a context with all that is below it.
type Entry struct {
	Path  string // relative to the context, with slashes
	Bytes int64
	Files int
}

// Take walks what a build would send of dir, without reading contents.
func Take(ctx context.Context, dir string, patterns []string) (Survey, error) {
	s := Survey{Dir: dir, taken: time.Now(), special: runtime.GOOS == "windows"} // where BuildKit makes up the modes
	t := newTree()
	stamp := sha256.New()
	var line []byte
	err := Walk(ctx, dir, patterns, func(f File) error {
		modified := f.ModTime
		if f.Mode.IsDir() {
			modified = 0 // it changes with every temporary file that the ignore file leaves out
		} else {
			s.Files++
			s.Bytes += f.Size
			t.add(f.Path, f.Size)
		}
		s.Walked = append(s.Walked, f)
		s.special = s.special || f.hardLink || !f.Mode.IsRegular() && !f.Mode.IsDir() && f.Mode&fs.ModeSymlink == 0
		line = append(append(append(append(line[:0], f.Path...), 0), f.Link...), 0)
		line = binary.LittleEndian.AppendUint64(line, uint64(f.Size))
		line = binary.LittleEndian.AppendUint64(line, uint64(modified))
		line = binary.LittleEndian.AppendUint32(line, uint32(f.Mode))
		stamp.Write(line)
		return nil
	})
	if err != nil {
		return Survey{}, err
	}
	s.Largest = t.largest()
	s.Stamp = fmt.Sprintf("%x", stamp.Sum(nil))
	return s, nil
}

// Warning says that a context is over limit (bytes), what makes it large, and the lines of the ignore file that would
// keep that out; "" where it is not. ignoreFile is the ignore file that counts, "" for none.
func (s Survey) Warning(limit int64, ignoreFile string) string {
	if s.Bytes <= limit {
		return ""
	}
	if ignoreFile == "" {
		ignoreFile = DefaultIgnoreFile
	} else if rel, err := filepath.Rel(s.Dir, ignoreFile); err == nil && filepath.IsLocal(rel) {
		ignoreFile = rel
	}
	var parts, lines []string
	for _, e := range s.Largest {
		parts = append(parts, fmt.Sprintf("%s (%s)", e.Path, size(e.Bytes)))
		lines = append(lines, Pattern(e.Path))
	}
	return fmt.Sprintf("build context %q is %s in %s files: %s; add to %s: %s",
		s.Dir, size(s.Bytes), thousands(s.Files), strings.Join(parts, ", "), ignoreFile, strings.Join(lines, ", "))
}

// thousands prints a number with a comma between each three digits.
func thousands(n int) string {
	text := strconv.Itoa(n)
	for i := len(text) - 3; i > 0; i -= 3 {
		text = text[:i] + "," + text[i:]
	}
	return text
}

func size(bytes int64) string {
	return units.CustomSize("%.3g %s", float64(bytes), 1000, []string{"B", "kB", "MB", "GB", "TB", "PB"})
}

// Pattern is the line of an ignore file that leaves out exactly this path, and what is below it.
func Pattern(path string) string {
	var b strings.Builder
	for i, c := range path {
		if strings.ContainsRune(`*?[]^\`, c) || i == 0 && strings.ContainsRune("!#", c) {
			b.WriteByte('\\')
		}
		b.WriteRune(c)
	}
	return b.String()
}
