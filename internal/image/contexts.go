package image

import (
	"context"
	"crypto/sha256"
	"fmt"
	"os"
	"sync"
	"time"

	"github.com/moby/buildkit/client"
	"github.com/moby/buildkit/client/llb"
	"github.com/moby/buildkit/session"
	"github.com/moby/buildkit/session/filesync"
	"github.com/tonistiigi/fsutil"

	"github.com/25eloquence/compose-mage/internal/buildcontext"
)

// A context up to this size is sent as one, whichever of its files a Dockerfile copies: that lets services share it.
// Of a larger one each service's solve asks for what its Dockerfile copies.
const (
	wholeBytes = 256 << 20
	wholeFiles = 50_000
	// surveyWithin bounds the wait for a context's size; one that takes longer to walk is a large one.
	surveyWithin = time.Second
	// LargeContext is the size in bytes from which a context is probably a mistake.
	LargeContext = 1 << 30
)

// localContext is a directory that builds read, less what its ignore file names.
type localContext struct {
	dir        string
	ignoreFile string // "" for none
	patterns   []string
	name       string // of the local source in BuildKit
	fs         fsutil.FS
	whole      bool   // sent as one
	stamp      string // changes with the path, size, mode or time of any file; "" where it was not walked to its end
	survey     buildcontext.Survey
	late       chan struct{} // closed when survey is known; it may be after the build has begun
	err        error
}

// contexts knows the local contexts of one run, each read once.
type contexts struct {
	mu   sync.Mutex
	once map[string]func() *localContext
}

// get reads the context at dir. dockerfile is the path of the Dockerfile, which may have an ignore file of its own; "" for
// none.
func (c *contexts) get(ctx context.Context, dir, dockerfile string) (*localContext, error) {
	patterns, ignoreFile, err := buildcontext.Ignore(dir, dockerfile)
	if err != nil {
		return nil, err
	}
	key := dir + "\x00" + ignoreFile
	c.mu.Lock()
	if c.once == nil {
		c.once = map[string]func() *localContext{}
	}
	read := c.once[key]
	if read == nil {
		read = sync.OnceValue(func() *localContext {
			lc := &localContext{
				dir: dir, ignoreFile: ignoreFile, patterns: patterns, late: make(chan struct{}),
				name: fmt.Sprintf("context-%x", sha256.Sum256([]byte(key)))[:len("context-")+12],
			}
			lc.read(ctx)
			return lc
		})
		c.once[key] = read
	}
	c.mu.Unlock()
	lc := read()
	return lc, lc.err
}

// read opens the context and waits a moment for its size.
func (lc *localContext) read(ctx context.Context) {
	if lc.fs, lc.err = buildcontext.FS(lc.dir, lc.patterns); lc.err != nil {
		close(lc.late)
		return
	}
	var failed error
	go func() {
		defer close(lc.late)
		lc.survey, failed = buildcontext.Take(ctx, lc.dir, lc.patterns)
	}()
	select {
	case <-lc.late:
		lc.err = failed
		lc.whole = lc.survey.Bytes <= wholeBytes && lc.survey.Files <= wholeFiles
		lc.stamp = lc.survey.Stamp
	case <-time.After(surveyWithin):
	case <-ctx.Done():
		lc.err = ctx.Err()
	}
}

// join makes the context part of a solve under name: as part of the run's shared session where it is sent as one, else on
// the solve's own session.
func (lc *localContext) join(opt *client.SolveOpt, o *offer, name string) error {
	if lc.whole {
		opt.FrontendInputs[name] = o.state(lc)
		return nil
	}
	fs, err := fsutil.NewFS(lc.dir) // the frontend applies the ignore file
	if err != nil {
		return fmt.Errorf("opening build context %q: %w", lc.dir, err)
	}
	opt.LocalMounts[name] = fs
	return nil
}

// warnings gives a text for each context that is too large to be meant, of those whose size is known by now.
func (c *contexts) warnings() []string {
	c.mu.Lock()
	defer c.mu.Unlock()
	var out []string
	for _, read := range c.once {
		lc := read()
		select {
		case <-lc.late:
			if text := lc.survey.Warning(LargeContext, lc.ignoreFile); text != "" {
				out = append(out, text)
			}
		default:
		}
	}
	return out
}

// offer is one session on one builder, over which it reads every context that is sent as one: services that share a
// directory send it once, and what the builder has of it from the last run is not sent again.
type offer struct {
	session *session.Session
	machine string
	mu      sync.Mutex
	dirs    map[string]fsutil.FS
}

// newOffer opens the session; it lives until ctx ends. machine tells this machine's directories from others' of the same
// path on a shared builder.
func newOffer(ctx context.Context, b *Builder, machine string) (*offer, error) {
	s, err := session.NewSession(ctx, machine)
	if err != nil {
		return nil, fmt.Errorf("opening a session with the builder: %w", err)
	}
	o := &offer{session: s, machine: machine, dirs: map[string]fsutil.FS{}}
	s.Allow(filesync.NewFSSyncProvider(o, nil))
	go func() { _ = s.Run(ctx, b.dial) }() // a session that breaks shows in the solves that use it
	return o, nil
}

// LookupDir gives BuildKit the context of that name.
func (o *offer) LookupDir(name string) (fsutil.FS, bool) {
	o.mu.Lock()
	defer o.mu.Unlock()
	fs, ok := o.dirs[name]
	return fs, ok
}

// state is the context as a source of the build graph.
func (o *offer) state(lc *localContext) llb.State {
	o.mu.Lock()
	o.dirs[lc.name] = lc.fs
	o.mu.Unlock()
	return llb.Local(lc.name, llb.SessionID(o.session.ID()), llb.SharedKeyHint(lc.dir),
		llb.WithCustomName("[internal] load build context"))
}

// machineID tells machines apart that use one builder. A host name is enough where it is not the same by design.
func machineID() string {
	host, _ := os.Hostname()
	id, _ := os.ReadFile("/etc/machine-id")
	return fmt.Sprintf("%x", sha256.Sum256(append([]byte(host+"\x00"), id...)))[:16]
}
