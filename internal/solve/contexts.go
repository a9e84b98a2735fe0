package solve

import (
	"context"
	"crypto/sha256"
	"fmt"
	"os"
	"sync"
	"time"

	"github.com/tonistiigi/fsutil"

	"github.com/25eloquence/compose-mage/internal/bounded"
	"github.com/25eloquence/compose-mage/internal/buildcontext"
)

const (
	// surveyWithin bounds the wait for a context's size; a context that takes longer to walk is a large one.
	surveyWithin = time.Second
	// LargeContext is the size in bytes from which a context is probably a mistake.
	LargeContext = 1 << 30
)

// LocalContext is a directory that builds read, less what its ignore file names.
type LocalContext struct {
	dir        string
	ignoreFile string // "" for none
	patterns   []string
	stamp      string // changes with the path, size, mode or time of any file; "" where it was not walked to its end
	survey     buildcontext.Survey
	surveyed   chan struct{} // closed when survey is known; it may be after the build has begun
	surveyErr  error         // why survey is not known, once surveyed is closed
	err        error
}

// Files waits for the end of the walk and gives the files that it found.
func (lc *LocalContext) Files() ([]buildcontext.File, error) {
	<-lc.surveyed
	return lc.survey.Walked, lc.surveyErr
}

// fs is the directory as the builder is given it: the whole directory, since the frontend applies the ignore file.
func (lc *LocalContext) fs() (fsutil.FS, error) {
	return buildcontext.Surveyed(lc.dir, func() *buildcontext.Survey {
		select {
		case <-lc.surveyed:
			if lc.surveyErr == nil {
				return &lc.survey
			}
		default:
		}
		return nil
	})
}

// Contexts knows the local contexts of one run, each read once.
type Contexts struct {
	mu    sync.Mutex
	reads map[string]func() *LocalContext
}

// get reads the context at dir. dockerfile is the path of the Dockerfile, which may have an ignore file of its own; ""
// for none.
func (c *Contexts) get(ctx context.Context, dir, dockerfile string) (*LocalContext, error) {
	patterns, ignoreFile, err := buildcontext.Ignore(dir, dockerfile)
	if err != nil {
		return nil, err
	}
	key := dir + "\x00" + ignoreFile
	c.mu.Lock()
	if c.reads == nil {
		c.reads = map[string]func() *LocalContext{}
	}
	read := c.reads[key]
	if read == nil {
		read = sync.OnceValue(func() *LocalContext {
			lc := &LocalContext{dir: dir, ignoreFile: ignoreFile, patterns: patterns, surveyed: make(chan struct{})}
			lc.read(ctx)
			return lc
		})
		c.reads[key] = read
	}
	c.mu.Unlock()
	lc := read()
	return lc, lc.err
}

// read waits a moment for the context's size and stamp.
func (lc *LocalContext) read(ctx context.Context) {
	go func() {
		defer close(lc.surveyed)
		lc.survey, lc.surveyErr = buildcontext.Take(ctx, lc.dir, lc.patterns)
	}()
	select {
	case <-lc.surveyed:
		lc.err = lc.surveyErr
		lc.stamp = lc.survey.Stamp
	case <-time.After(surveyWithin):
	case <-ctx.Done():
		lc.err = ctx.Err()
	}
}

// Warnings gives a text for each context that lies outside of the project of the Compose files in dir, or whose size
// is known by now and is probably a mistake.
func (c *Contexts) Warnings(dir string) []string {
	c.mu.Lock()
	defer c.mu.Unlock()
	var out []string
	for _, read := range c.reads {
		lc := read()
		if buildcontext.Outside(dir, lc.dir) {
			out = append(out,
				fmt.Sprintf("build context %q is outside the project: other checkouts do not have it", lc.dir))
		}
		select {
		case <-lc.surveyed:
			if text := lc.survey.Warning(LargeContext, lc.ignoreFile); text != "" {
				out = append(out, text)
			}
		default:
		}
	}
	return out
}

// machineID tells this machine's directories from others' of the same path on a shared builder.
func machineID() string {
	host, _ := os.Hostname()
	id, _ := bounded.ReadFile("/etc/machine-id")
	return fmt.Sprintf("%x", sha256.Sum256(append([]byte(host+"\x00"), id...)))[:16]
}
