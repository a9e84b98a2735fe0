// Package buildcontext owns what a build context holds after its ignore file: which patterns apply, the files that a
// build would send, how many bytes they are and which paths make it large. It neither sends them nor reads their
// contents.
package buildcontext

import (
	"bufio"
	"bytes"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"

	"github.com/moby/patternmatcher"
	"github.com/moby/patternmatcher/ignorefile"
)

// DefaultIgnoreFile is the ignore file of a context whose Dockerfile has none of its own.
const DefaultIgnoreFile = ".dockerignore"

// maxIgnoreBytes is BuildKit's limit for a file that its frontend loads (frontend/dockerui/readfile.go: one gRPC
// message).
const maxIgnoreBytes = 16 << 20

// Ignore gives the patterns of what the build context dir leaves out, and the path of the file that holds them: the
// one named after the Dockerfile, else the context's, else "". As in BuildKit's frontend/dockerui the first counts
// even where it is empty, and both are parsed the same way. dockerfile is its path; "" for an inline one, which has no
// ignore file of its own.
//
// Where BuildKit goes on without a list (one that it can't read, one in UTF-16), or fails on a file that happens to be
// compared with a damaged pattern, this is an error that names file and line: else the secrets that the list keeps out
// would be sent.
func Ignore(dir, dockerfile string) (patterns []string, file string, err error) {
	if dockerfile != "" {
		file = dockerfile + DefaultIgnoreFile
		patterns, err = readIgnore(file, os.Open)
		if !errors.Is(err, fs.ErrNotExist) {
			return patterns, file, err
		}
	}
	file = filepath.Join(dir, DefaultIgnoreFile)
	patterns, err = readIgnore(file, func(string) (*os.File, error) { return os.OpenInRoot(dir, DefaultIgnoreFile) })
	if errors.Is(err, fs.ErrNotExist) {
		return nil, "", nil
	}
	return patterns, file, err
}

func readIgnore(file string, open func(string) (*os.File, error)) ([]string, error) {
	data, err := readLimited(file, open)
	if err != nil {
		return nil, err
	}
	if at := bytes.IndexByte(data, 0); at >= 0 {
		return nil, fmt.Errorf("parsing %s:%d: there is a zero byte: the file is damaged, or UTF-16; save it as UTF-8",
			file, 1+bytes.Count(data[:at], []byte("\n")))
	}
	patterns, err := ignorefile.ReadAll(bytes.NewReader(data))
	if err == nil {
		err = check(patterns)
	}
	if err != nil {
		return nil, locate(file, data, err)
	}
	return patterns, nil
}

func readLimited(file string, open func(string) (*os.File, error)) ([]byte, error) {
	if info, err := os.Stat(file); err == nil && !info.Mode().IsRegular() && !info.IsDir() {
		return nil, fmt.Errorf("reading the ignore file %q: it is no regular file", file) // a pipe would be waited for
	}
	f, err := open(file)
	if err != nil {
		if errors.Is(err, fs.ErrNotExist) {
			return nil, err
		}
		// A link that leaves the context ends here too: BuildKit would not follow it, and send everything.
		return nil, fmt.Errorf("reading the ignore file %q: %w", file, err)
	}
	defer f.Close()
	data, err := io.ReadAll(io.LimitReader(f, maxIgnoreBytes+1))
	if err != nil {
		return nil, fmt.Errorf("reading the ignore file %q: %w", file, err)
	}
	if len(data) > maxIgnoreBytes {
		return nil, fmt.Errorf("reading the ignore file %q: it is larger than %d bytes", file, maxIgnoreBytes)
	}
	return data, nil
}

// check compiles every pattern: patternmatcher does so only when a path is compared with it.
func check(patterns []string) error {
	for _, p := range patterns {
		if err := checkOne(p); err != nil {
			return err
		}
	}
	return nil
}

func checkOne(pattern string) error {
	alone, err := patternmatcher.New([]string{pattern})
	if err == nil && alone.Exclusions() {
		// An exception is not compared with anything unless something before it matches.
		alone, err = patternmatcher.New([]string{"**", pattern})
	}
	if err == nil {
		_, err = alone.MatchesOrParentMatches("x")
	}
	if err != nil {
		return fmt.Errorf("bad pattern %q: %w", pattern, err)
	}
	return nil
}

// locate names the line of an error in an ignore file.
func locate(file string, data []byte, err error) error {
	for i, line := range bytes.Split(data, []byte("\n")) {
		if len(line) >= bufio.MaxScanTokenSize {
			return fmt.Errorf("parsing %s:%d: the line is longer than %d bytes", file, i+1, bufio.MaxScanTokenSize-1)
		}
		patterns, _ := ignorefile.ReadAll(bytes.NewReader(line))
		if bad := check(patterns); bad != nil {
			return fmt.Errorf("parsing %s:%d: %w", file, i+1, bad)
		}
	}
	return fmt.Errorf("parsing %s: %w", file, err)
}
