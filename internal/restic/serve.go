package restic

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net"
	"net/http"
	"os"
	"path"
	"regexp"
	"strings"
	"sync"
	"time"
)

// serveDirectory serves a repository in a directory of this machine to restic elsewhere, as rclone does: by restic's
// REST protocol, version 2, over HTTP/2 (https://restic.readthedocs.io/en/stable/100_references.html).
func serveDirectory(dir string) Backend {
	return func(ctx context.Context, in io.Reader, out io.Writer) error {
		root, err := os.OpenRoot(dir)
		if err != nil {
			return fmt.Errorf("opening the repository: %w", err)
		}
		defer root.Close()
		conn := newStdio(in, out)
		h := &directory{root: root}
		server := &http.Server{Handler: h, Protocols: &http.Protocols{}, ReadHeaderTimeout: time.Minute}
		server.Protocols.SetUnencryptedHTTP2(true)
		defer server.Close()
		stop := context.AfterFunc(ctx, func() { _ = server.Close() })
		defer stop()
		if err := server.Serve(conn); !errors.Is(err, http.ErrServerClosed) && !errors.Is(err, io.EOF) {
			return fmt.Errorf("serving the repository: %w", err)
		}
		return h.last()
	}
}

// stdio is a listener of the one connection that is a pair of pipes.
type stdio struct {
	io.Reader
	io.Writer
	taken bool
	once  sync.Once
	ended chan struct{}
}

func newStdio(in io.Reader, out io.Writer) *stdio {
	return &stdio{Reader: in, Writer: out, ended: make(chan struct{})}
}

// Accept implements net.Listener.
func (s *stdio) Accept() (net.Conn, error) {
	if !s.taken {
		s.taken = true
		return s, nil
	}
	<-s.ended
	return nil, io.EOF
}

// Close implements net.Listener and net.Conn.
func (s *stdio) Close() error {
	s.once.Do(func() { close(s.ended) })
	return nil
}

// Read implements net.Conn. The end of what is read is the connection's.
func (s *stdio) Read(p []byte) (int, error) {
	n, err := s.Reader.Read(p)
	if err != nil {
		_ = s.Close()
	}
	return n, err
}

// Addr implements net.Listener.
func (s *stdio) Addr() net.Addr { return &net.UnixAddr{Name: "stdio"} }

// LocalAddr implements net.Conn.
func (s *stdio) LocalAddr() net.Addr { return s.Addr() }

// RemoteAddr implements net.Conn.
func (s *stdio) RemoteAddr() net.Addr { return s.Addr() }

// SetDeadline implements net.Conn: there are none.
func (s *stdio) SetDeadline(time.Time) error { return nil }

// SetReadDeadline implements net.Conn: there are none.
func (s *stdio) SetReadDeadline(time.Time) error { return nil }

// SetWriteDeadline implements net.Conn: there are none.
func (s *stdio) SetWriteDeadline(time.Time) error { return nil }

// directory answers restic's requests.
type directory struct {
	root *os.Root
	mu   sync.Mutex
	err  error // the last that is the directory's fault
}

func (d *directory) last() error {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.err
}

// fail answers that a request failed, and why.
func (d *directory) fail(w http.ResponseWriter, err error) {
	switch {
	case errors.Is(err, fs.ErrNotExist):
		http.Error(w, "not found", http.StatusNotFound)
		return
	case errors.Is(err, fs.ErrExist):
		http.Error(w, "it is there already", http.StatusForbidden)
		return
	}
	d.mu.Lock()
	d.err = err
	d.mu.Unlock()
	http.Error(w, err.Error(), http.StatusInternalServerError)
}

// blobName is the name of all but the repository's configuration.
var blobName = regexp.MustCompile(`^/(data|keys|locks|snapshots|index)/([0-9a-f]{64})$`)

// kindName asks for all of a kind.
var kindName = regexp.MustCompile(`^/(data|keys|locks|snapshots|index)/$`)

// ServeHTTP implements http.Handler.
func (d *directory) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	if m := kindName.FindStringSubmatch(r.URL.Path); m != nil && r.Method == http.MethodGet {
		d.list(w, m[1])
		return
	}
	name := ""
	if m := blobName.FindStringSubmatch(r.URL.Path); m != nil {
		name = path.Join(m[1], m[2])
		if m[1] == "data" {
			name = path.Join("data", m[2][:2], m[2])
		}
	} else if r.URL.Path == "/config" {
		name = "config"
	}
	switch {
	case name == "":
		http.NotFound(w, r)
	case r.Method == http.MethodGet, r.Method == http.MethodHead:
		d.read(w, r, name)
	case r.Method == http.MethodPost:
		if err := d.write(name, r.Body); err != nil {
			d.fail(w, err)
		}
	case r.Method == http.MethodDelete:
		if err := d.root.Remove(name); err != nil {
			d.fail(w, err)
		}
	default:
		http.Error(w, "unknown method", http.StatusMethodNotAllowed)
	}
}

func (d *directory) read(w http.ResponseWriter, r *http.Request, name string) {
	file, err := d.root.Open(name)
	if err != nil {
		d.fail(w, err)
		return
	}
	defer file.Close()
	w.Header().Set("Content-Type", "application/octet-stream")
	http.ServeContent(w, r, "", time.Time{}, file)
}

// list names what there is of a kind.
func (d *directory) list(w http.ResponseWriter, kind string) {
	type entry struct {
		Name string `json:"name"`
		Size int64  `json:"size"`
	}
	all := []entry{}
	err := fs.WalkDir(d.root.FS(), kind, func(at string, e fs.DirEntry, err error) error {
		if err != nil || e.IsDir() || !blobName.MatchString("/"+kind+"/"+e.Name()) {
			return err
		}
		info, err := e.Info()
		if errors.Is(err, fs.ErrNotExist) {
			return nil // removed meanwhile
		}
		if err == nil {
			all = append(all, entry{e.Name(), info.Size()})
		}
		return err
	})
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		d.fail(w, err)
		return
	}
	w.Header().Set("Content-Type", "application/vnd.x.restic.rest.v2")
	_ = json.NewEncoder(w).Encode(all)
}

// write makes a file, which is whole and on the disk, or not there.
func (d *directory) write(name string, from io.Reader) (err error) {
	if _, err := d.root.Stat(name); err == nil {
		return fs.ErrExist
	}
	if err := d.root.MkdirAll(path.Dir(name), 0o700); err != nil {
		return err
	}
	part := name + ".part"
	file, err := d.root.OpenFile(part, os.O_CREATE|os.O_TRUNC|os.O_WRONLY, 0o600)
	if err != nil {
		return err
	}
	_, err = io.Copy(file, from)
	err = errors.Join(err, file.Sync(), file.Close())
	if err == nil {
		err = errors.Join(d.root.Chmod(part, 0o400), d.root.Rename(part, name))
	}
	if err != nil {
		return errors.Join(err, d.root.Remove(part))
	}
	return syncDir(d.root, strings.TrimSuffix(path.Dir(name), "/"))
}

// syncDir has the names of a directory on the disk, where the system can do that.
func syncDir(root *os.Root, name string) error {
	dir, err := root.Open(name)
	if err != nil {
		return err
	}
	_ = dir.Sync()
	return dir.Close()
}
