package buildinputs

import (
	"cmp"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"

	"github.com/25eloquence/compose-mage/internal/buildcontext"
	"github.com/25eloquence/compose-mage/internal/dockerfile"
)

// disk reads contexts, each directory and each file once: the images of a stack share most of them.
type disk struct {
	mu     sync.Mutex
	walks  map[string]func() ([]buildcontext.File, error)
	hashes map[string]func() string
}

// files lists what the sources take of a context, sorted by path, and the links that lead there.
func (d *disk) files(
	ctx context.Context, tree Tree, sources []dockerfile.Source, before map[string]File,
) ([]File, error) {
	if len(sources) == 0 {
		return nil, nil
	}
	all, err := d.walk(ctx, tree)
	if err != nil {
		return nil, err
	}
	links := map[string]string{}
	for _, f := range all {
		if f.Link != "" {
			links[f.Path] = f.Link
		}
	}
	sources = dockerfile.Followed(sources, links)
	var out []File
	for _, f := range all {
		if !slices.ContainsFunc(sources, func(s dockerfile.Source) bool { return s.Matches(f.Path) }) {
			continue
		}
		file := File{Path: f.Path, Size: f.Size, Mode: f.Mode, ModTime: f.ModTime, Link: f.Link}
		switch old, known := before[f.Path]; {
		case !f.Mode.IsRegular():
			file.ModTime = 0
		case f.Size > hashBytes:
		case known && old.SHA256 != "" && old.Size == f.Size && old.ModTime == f.ModTime:
			file.SHA256 = old.SHA256
		default:
			file.SHA256 = d.hash(ctx, filepath.Join(tree.Dir, filepath.FromSlash(f.Path)), f)
		}
		out = append(out, file)
	}
	slices.SortFunc(out, func(a, b File) int { return cmp.Compare(a.Path, b.Path) })
	return out, ctx.Err()
}

func (d *disk) walk(ctx context.Context, tree Tree) ([]buildcontext.File, error) {
	if tree.Files != nil {
		return tree.Files()
	}
	key := tree.Dir + "\x00" + strings.Join(tree.Patterns, "\x00")
	d.mu.Lock()
	if d.walks == nil {
		d.walks = map[string]func() ([]buildcontext.File, error){}
	}
	once := d.walks[key]
	if once == nil {
		once = sync.OnceValues(func() (all []buildcontext.File, err error) {
			err = buildcontext.Walk(ctx, tree.Dir, tree.Patterns, func(f buildcontext.File) error {
				all = append(all, f)
				return nil
			})
			return all, err
		})
		d.walks[key] = once
	}
	d.mu.Unlock()
	return once()
}

// hash is the content's SHA-256; "" for a file that can't be read any more.
func (d *disk) hash(ctx context.Context, name string, f buildcontext.File) string {
	key := fmt.Sprint(name, "\x00", f.Size, "\x00", f.ModTime)
	d.mu.Lock()
	if d.hashes == nil {
		d.hashes = map[string]func() string{}
	}
	once := d.hashes[key]
	if once == nil {
		once = sync.OnceValue(func() string {
			file, err := os.Open(name)
			if err != nil || ctx.Err() != nil {
				return ""
			}
			defer file.Close()
			h := sha256.New()
			if _, err := io.Copy(h, file); err != nil {
				return ""
			}
			return hex.EncodeToString(h.Sum(nil))
		})
		d.hashes[key] = once
	}
	d.mu.Unlock()
	return once()
}
