package main

import (
	"errors"
	"fmt"
	"io/fs"
	"math/rand/v2"
	"os"
	"path/filepath"
)

// page is the unit in which data is made and changed, in bytes.
const page = 4096

// source makes data of which half can be compressed away: half of each page is random, the other half says the same.
// It gives the same data in each run.
type source struct {
	random *rand.ChaCha8
	data   [page]byte
}

func newSource(seed byte) *source {
	s := &source{random: rand.NewChaCha8([32]byte{seed})}
	for i := range s.data {
		s.data[i] = "the learner answers, and the coach listens; "[i%44]
	}
	return s
}

func (s *source) next() []byte {
	_, _ = s.random.Read(s.data[:page/2]) // it always fills all
	return s.data[:]
}

// fill writes files of the given size, in bytes, until there are so many bytes.
func fill(dir string, total, each int64) error {
	s := newSource(1)
	for i := int64(0); i*each < total; i++ {
		if err := write(filepath.Join(dir, fmt.Sprintf("%05d", i)), min(each, total-i*each), s); err != nil {
			return fmt.Errorf("filling the volume: %w", err)
		}
	}
	return nil
}

func write(path string, size int64, s *source) (err error) {
	file, err := os.Create(path)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, file.Close()) }()
	buffer := make([]byte, 0, 64*page)
	for size > 0 {
		buffer = buffer[:0]
		for len(buffer) < cap(buffer) && size > 0 {
			n := min(size, page)
			buffer, size = append(buffer, s.next()[:n]...), size-n
		}
		if _, err := file.Write(buffer); err != nil {
			return err
		}
	}
	return nil
}

// The shapes of a change.
const (
	shapeFiles = "files" // whole files are written anew
	shapePages = "pages" // pages at random places are, in whichever file
)

// change writes a part of what is in the directory anew; seed makes each change another one.
func change(dir, shape string, part float64, seed byte) error {
	files, err := listed(dir)
	if err != nil {
		return err
	}
	s, random := newSource(seed), rand.New(rand.NewPCG(uint64(seed), 1))
	var total int64
	for _, f := range files {
		total += f.Size()
	}
	if total < page {
		return errors.New("changing the volume: it is empty")
	}
	for left := int64(part * float64(total)); left > 0; {
		f := files[random.IntN(len(files))]
		path := filepath.Join(dir, f.Name())
		if shape == shapeFiles {
			err, left = write(path, f.Size(), s), left-f.Size()
		} else {
			err, left = overwrite(path, random.Int64N(max(f.Size()/page, 1))*page, s.next()), left-page
		}
		if err != nil {
			return fmt.Errorf("changing the volume: %w", err)
		}
	}
	return nil
}

func overwrite(path string, at int64, data []byte) (err error) {
	file, err := os.OpenFile(path, os.O_WRONLY, 0)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, file.Close()) }()
	_, err = file.WriteAt(data, at)
	return err
}

func listed(dir string) (out []fs.FileInfo, err error) {
	entries, err := os.ReadDir(dir)
	if err != nil {
		return nil, err
	}
	for _, e := range entries {
		info, err := e.Info()
		if err != nil {
			return nil, err
		}
		out = append(out, info)
	}
	return out, nil
}

// bytesBelow is the size of all files below a directory.
func bytesBelow(dir string) (total int64, err error) {
	err = filepath.WalkDir(dir, func(_ string, e fs.DirEntry, err error) error {
		if err != nil || !e.Type().IsRegular() {
			return err
		}
		info, err := e.Info()
		if err == nil {
			total += info.Size()
		}
		return err
	})
	return total, err
}
