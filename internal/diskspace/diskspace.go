// Package diskspace asks how full disks are: the operating system about the file system behind a path, and the engine
// about what it stores there.
package diskspace

import (
	"errors"
	"os"
	"path/filepath"
)

// Space is the state of one file system, in bytes.
type Space struct {
	Free  int64 `json:"free_bytes"`  // what an ordinary user may still write
	Total int64 `json:"total_bytes"` // the file system's size
}

// FreePercent is the free share of the whole, 0 to 100; 100 where the size is unknown.
func (s Space) FreePercent() float64 {
	if s.Total <= 0 {
		return 100
	}
	return 100 * float64(s.Free) / float64(s.Total)
}

// Of gives the space of the file system that holds path, or would hold it: where path does not exist yet, its nearest
// existing parent is asked.
func Of(path string) (Space, error) {
	path, err := filepath.Abs(path)
	if err != nil {
		return Space{}, err
	}
	for {
		if _, err := os.Stat(path); err == nil || !errors.Is(err, os.ErrNotExist) || filepath.Dir(path) == path {
			return statfs(path)
		}
		path = filepath.Dir(path)
	}
}
