package imageload

import (
	"archive/tar"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"

	"github.com/25eloquence/compose-mage/internal/bounded"
	"github.com/25eloquence/compose-mage/internal/fault"
)

// layersDir is where a tarball for docker load has its layers.
const layersDir = "layers/"

// Upload is a docker load that the engine is ready for. The engine starts a process to unpack a tarball when its first
// bytes arrive; it does so while the builder is still exporting the image, where the first bytes are sent that early.
type Upload struct {
	body   *io.PipeWriter
	sent   int64 // bytes
	opened chan error
	loaded chan error
}

// OpenUpload makes the engine ready for a tarball.
func OpenUpload(ctx context.Context, engine Engine) *Upload {
	reader, writer := io.Pipe()
	u := &Upload{body: writer, opened: make(chan error, 1), loaded: make(chan error, 1)}
	go func() {
		err := LoadArchive(ctx, engine, reader)
		_ = reader.CloseWithError(errors.Join(err, io.ErrClosedPipe)) // ends write where the engine gave up
		u.loaded <- err
	}()
	go func() {
		first := tar.NewWriter(u)
		err := first.WriteHeader(&tar.Header{Name: layersDir, Typeflag: tar.TypeDir, Mode: 0o755})
		u.opened <- errors.Join(err, first.Flush())
	}()
	return u
}

// Write sends a piece of the tarball.
func (u *Upload) Write(p []byte) (int, error) {
	n, err := u.body.Write(p)
	u.sent += int64(n)
	return n, err
}

// Finish sends what write writes, and waits for the engine's answer. It returns the bytes that went to the engine.
func (u *Upload) Finish(write func(io.Writer) error) (int64, error) {
	err := <-u.opened
	if err == nil {
		err = write(u)
	}
	_ = u.body.CloseWithError(err)
	return u.sent, uploadError(err, <-u.loaded)
}

// uploadError is why an upload failed: of sending it, or, where the engine ended that, of the engine's load.
func uploadError(sending, loading error) error {
	if loading != nil && (sending == nil || errors.Is(sending, io.ErrClosedPipe) || errors.Is(sending, loading)) {
		return loadFault(loading)
	}
	return sending
}

// loadFault gives what the engine said, or that it went away, its exit code.
func loadFault(err error) error {
	const text = "loading the image into the engine: %w"
	switch {
	case fault.EngineLost(err):
		return fault.New(fault.Engine, fault.Again, text, err)
	case fault.DiskFull(err):
		return fault.New(fault.Resources, "go tool mage cleanup", text, err)
	}
	return fault.New(fault.Failed, "go tool mage check", text, err)
}

// Drop ends an upload that is not needed after all; the engine keeps nothing of it.
func (u *Upload) Drop() {
	_ = u.body.CloseWithError(context.Canceled)
	_, _ = <-u.opened, <-u.loaded
}

// loadAnswer bounds what an engine says of an image that it loads: some lines for each layer.
var loadAnswer = bounded.Limit{What: "the engine's answer to an image", Bytes: 64 << 20, Code: fault.Engine}

// LoadArchive streams a tarball (docker load) to the engine and reads its answer, in which an error may come after the
// status.
func LoadArchive(ctx context.Context, engine Engine, tarball io.Reader) error {
	answer, err := engine.ImageLoad(ctx, tarball)
	if err != nil {
		return err
	}
	defer answer.Close()
	decoder := json.NewDecoder(loadAnswer.Reader(answer))
	for {
		var message struct {
			Error string `json:"error"`
		}
		if err := decoder.Decode(&message); errors.Is(err, io.EOF) {
			return nil
		} else if err != nil {
			return fmt.Errorf("reading the engine's answer: %w", fault.EngineStream(err))
		}
		if message.Error != "" {
			return errors.New(message.Error)
		}
	}
}
