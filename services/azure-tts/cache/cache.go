// Package cache keeps answers in files under one folder, bounded in bytes: the least recently
// used go first. Entries carry a checksum, and what is damaged counts as absent. It knows nothing
// of speech.
package cache

import (
	"bytes"
	"cmp"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"time"
)

const (
	suffix  = ".entry"
	partial = ".partial-"
)

// Cache is safe for use by several goroutines, not by several processes on one folder.
type Cache struct {
	folder string
	limit  int64 // bytes

	mutex sync.Mutex
	size  int64 // bytes, of all entries
	count int
}

// Open takes stock of the folder, drops what an interrupted write left, and brings the size below
// limit bytes. A folder that can't be written is an error.
func Open(folder string, limit int64) (*Cache, error) {
	c := &Cache{folder: folder, limit: limit}
	leftovers, err := filepath.Glob(filepath.Join(folder, partial+"*"))
	if err != nil {
		return nil, fmt.Errorf("opening cache: %w", err)
	}
	for _, leftover := range leftovers {
		_ = os.Remove(leftover) // at worst it stays
	}
	probe, err := os.CreateTemp(folder, partial)
	if err != nil {
		return nil, fmt.Errorf("opening cache: %w", err)
	}
	if err := errors.Join(probe.Close(), os.Remove(probe.Name())); err != nil {
		return nil, fmt.Errorf("opening cache: %w", err)
	}
	return c, c.evict(limit)
}

// Key is the name of the answer to what parts describe: everything that shapes it, in order.
func Key(parts ...string) string {
	encoded, _ := json.Marshal(parts) // strings always encode; JSON keeps their borders
	sum := sha256.Sum256(encoded)
	return hex.EncodeToString(sum[:])
}

func (c *Cache) path(key string) string { return filepath.Join(c.folder, key+suffix) }

// Get returns the answer kept under key, or nil. A damaged entry is removed.
func (c *Cache) Get(key string) []byte {
	path := c.path(key)
	file, err := os.ReadFile(path)
	if err != nil {
		return nil
	}
	if content, ok := unseal(file); ok {
		now := time.Now()
		_ = os.Chtimes(path, now, now) // the age only orders evictions
		return content
	}
	c.mutex.Lock()
	defer c.mutex.Unlock()
	if os.Remove(path) == nil {
		c.size, c.count = c.size-int64(len(file)), c.count-1
	}
	return nil
}

// Put keeps content under key, whole or not at all, and evicts old entries above the limit. An
// answer larger than a quarter of the limit is not kept.
func (c *Cache) Put(key string, content []byte) error {
	entry := seal(content)
	if int64(len(entry)) > c.limit/4 {
		return nil
	}
	file, err := os.CreateTemp(c.folder, partial)
	if err != nil {
		return fmt.Errorf("caching: %w", err)
	}
	_, err = file.Write(entry)
	// No fsync: after a crash the checksum tells, and the answer can be made again.
	if err = errors.Join(err, file.Close()); err != nil {
		_ = os.Remove(file.Name())
		return fmt.Errorf("caching: %w", err)
	}
	c.mutex.Lock()
	defer c.mutex.Unlock()
	if old, err := os.Stat(c.path(key)); err == nil {
		c.size, c.count = c.size-old.Size(), c.count-1
	}
	if err := os.Rename(file.Name(), c.path(key)); err != nil {
		_ = os.Remove(file.Name())
		return fmt.Errorf("caching: %w", err)
	}
	c.size, c.count = c.size+int64(len(entry)), c.count+1
	if c.size > c.limit {
		return c.evict(c.limit * 9 / 10) // some room, so that the next Put needn't look again
	}
	return nil
}

// Stock is the number of entries and their size in bytes.
func (c *Cache) Stock() (count int, size int64) {
	c.mutex.Lock()
	defer c.mutex.Unlock()
	return c.count, c.size
}

// evict counts anew and removes the oldest entries until at most target bytes are left. The caller
// holds the mutex or is alone.
func (c *Cache) evict(target int64) error {
	listed, err := os.ReadDir(c.folder)
	if err != nil {
		return fmt.Errorf("evicting from cache: %w", err)
	}
	var entries []fs.FileInfo
	c.size, c.count = 0, 0
	for _, file := range listed {
		info, err := file.Info()
		if err != nil || !info.Mode().IsRegular() || !strings.HasSuffix(info.Name(), suffix) {
			continue // gone meanwhile, or not ours
		}
		entries = append(entries, info)
		c.size, c.count = c.size+info.Size(), c.count+1
	}
	slices.SortFunc(entries, func(a, b fs.FileInfo) int {
		return cmp.Or(a.ModTime().Compare(b.ModTime()), strings.Compare(a.Name(), b.Name()))
	})
	for _, entry := range entries {
		if c.size <= target {
			break
		}
		if err := os.Remove(filepath.Join(c.folder, entry.Name())); err != nil {
			return fmt.Errorf("evicting from cache: %w", err)
		}
		c.size, c.count = c.size-entry.Size(), c.count-1
	}
	return nil
}

// seal puts the content's SHA-256 before it.
func seal(content []byte) []byte {
	sum := sha256.Sum256(content)
	return append(sum[:], content...)
}

func unseal(entry []byte) ([]byte, bool) {
	if len(entry) < sha256.Size {
		return nil, false
	}
	content := entry[sha256.Size:]
	sum := sha256.Sum256(content)
	return content, bytes.Equal(sum[:], entry[:sha256.Size])
}
