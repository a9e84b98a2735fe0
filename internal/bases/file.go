package bases

import (
	"bytes"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"

	// The algorithms that a digest may name.
	_ "crypto/sha256"
	_ "crypto/sha512"

	"github.com/opencontainers/go-digest"

	"github.com/25eloquence/compose-mage/internal/fault"
	"github.com/25eloquence/compose-mage/internal/state"
)

// explanation heads a lock file that had no comment.
var explanation = []string{
	"# The digests of the base images, so that a build asks no registry for them and is the same everywhere.",
	"# `go tool mage lock` brings this file up to date and prints what changed; commit the result.",
	"# One base a line: the reference as a Dockerfile has it, and the digest of its multi-platform index.",
	"",
}

// Read reads the lock file at path, an empty Lock where there is none. A damaged line is an error of code Config that
// says file:line: a base must not silently be another than the one that was locked. The line itself, which may be of
// any file, is not shown.
func Read(path string) (Lock, error) {
	data, err := state.ReadFile(path)
	if errors.Is(err, fs.ErrNotExist) {
		return Lock{}, nil
	}
	if err != nil {
		return Lock{},
			fault.New(fault.Config, "mv "+fault.Quote(path, path+".damaged")+", then go tool mage lock",
				"reading the locked bases: %w", err)
	}
	return parse(path, string(data))
}

// ReadAll gives the project's lock with what setup locked on this machine over it.
func ReadAll(file, stateDir string) (Lock, error) {
	project, err := Read(file)
	if err != nil {
		return Lock{}, err
	}
	local, err := ReadMade(stateDir)
	if err != nil {
		return Lock{}, err
	}
	return project.Merge(local), nil
}

// ReadMade gives what setup locked on this machine. The next command of its error writes that file again, whatever is
// at its place.
func ReadMade(stateDir string) (Lock, error) {
	l, err := Read(StateFile(stateDir))
	var known *fault.Error
	if errors.As(err, &known) {
		known.Next = "go tool mage setup"
	}
	return l, err
}

func parse(path, text string) (Lock, error) {
	l := Lock{entries: map[string]entry{}}
	var comment []string
	text = strings.TrimPrefix(text, "\ufeff")
	number := 0
	for line := range strings.Lines(text) {
		number++
		line = strings.TrimSpace(line)
		if line == "" || strings.HasPrefix(line, "#") {
			comment = append(comment, line)
			if line == "" && len(l.entries) == 0 {
				// A blank line ends what is said about the whole file.
				l.header, comment = append(l.header, comment...), nil
			}
			continue
		}
		key, e, err := parseEntry(line)
		if old, twice := l.entries[key]; err == nil && twice {
			err = fmt.Errorf("%q is locked twice (before as %q)", e.ref, old.ref)
		}
		if err != nil {
			return Lock{}, fault.New(fault.Config, "delete that line, then go tool mage lock",
				"%s:%d: %w", path, number, err)
		}
		e.comment, comment = comment, nil
		l.entries[key] = e
	}
	if len(l.entries) == 0 {
		l.header, comment = append(l.header, comment...), nil
	}
	l.trailer = comment
	return l, nil
}

// parseEntry reads "golang:1.26-bookworm sha256:…".
func parseEntry(line string) (string, entry, error) {
	fields := strings.Fields(line)
	if len(fields) != 2 {
		return "", entry{}, errors.New("it is not a reference and a digest")
	}
	key, err := normalize(fields[0])
	if err != nil {
		return "", entry{}, fmt.Errorf("its first word is no reference of an image with a tag%s", reason(err))
	}
	d, err := digest.Parse(fields[1])
	if err != nil {
		return "", entry{}, fmt.Errorf("its second word is no digest%s", reason(err))
	}
	return key, entry{ref: fields[0], digest: d}, nil
}

// reason is why a word is refused, where that can be said without the word.
func reason(err error) string {
	for _, known := range []error{
		errPinned, digest.ErrDigestInvalidFormat, digest.ErrDigestInvalidLength,
		digest.ErrDigestUnsupported,
	} {
		if errors.Is(err, known) {
			return ": " + known.Error()
		}
	}
	return ""
}

// format gives the file's text: its comments as they were, its entries sorted by reference.
func (l Lock) format() []byte {
	var b bytes.Buffer
	lines := func(lines []string) {
		for _, line := range lines {
			b.WriteString(line + "\n")
		}
	}
	header := l.header
	if len(header) == 0 {
		header = explanation
	}
	lines(header)
	if len(l.entries) > 0 && header[len(header)-1] != "" {
		b.WriteString("\n") // else the header would be read as the first entry's comment
	}
	entries := make([]entry, 0, len(l.entries))
	for _, e := range l.entries {
		entries = append(entries, e)
	}
	slices.SortFunc(entries, func(a, b entry) int { return strings.Compare(a.ref, b.ref) })
	for _, e := range entries {
		lines(e.comment)
		b.WriteString(e.ref + " " + e.digest.String() + "\n")
	}
	lines(l.trailer)
	return b.Bytes()
}

// Write replaces the file at path in one step, unless it says the same already, and makes its folder where that is
// missing. A reader, and whoever comes after a kill, sees the old content or the new.
func (l Lock) Write(path string) error {
	data := l.format()
	if old, err := state.ReadFile(path); err == nil && bytes.Equal(old, data) {
		return nil
	}
	err := os.MkdirAll(filepath.Dir(path), 0o755)
	if err == nil {
		err = replace(path, data)
	}
	if err != nil {
		return fmt.Errorf("writing the locked bases: %w", err)
	}
	return nil
}

func replace(path string, data []byte) error {
	mode := fs.FileMode(0o644)
	if info, err := os.Lstat(path); err == nil && info.Mode().IsRegular() {
		mode = info.Mode().Perm()
	} else if err == nil {
		if _, err := state.SetAside(path); err != nil {
			return err
		}
	}
	return state.WriteFile(path, data, mode)
}
