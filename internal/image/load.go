package image

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"strings"

	"github.com/moby/buildkit/client"

	"github.com/25eloquence/compose-mage/internal/fault"
)

// load exports the solved image as a tarball straight into the engine, and its cache where opt says. It returns the
// bytes that were streamed.
func load(ctx context.Context, o Options, opt client.SolveOpt, t Target, rec *recorder) (int64, error) {
	reader, writer := io.Pipe()
	counted := &countingWriter{WriteCloser: writer}
	opt.Exports = []client.ExportEntry{{
		Type:   client.ExporterDocker,
		Attrs:  map[string]string{"name": strings.Join(t.Names, ","), "compression": "uncompressed"},
		Output: func(map[string]string) (io.WriteCloser, error) { return counted, nil },
	}}
	loaded := make(chan error, 1)
	go func() {
		err := engineLoad(ctx, o.Engine, reader)
		_ = reader.CloseWithError(err) // ends the export where the engine gave up
		loaded <- err
	}()
	_, err := solve(ctx, o.Builder, opt, rec.update)
	_ = writer.CloseWithError(err)
	if loadErr := <-loaded; loadErr != nil && (err == nil || errors.Is(err, loadErr) || strings.Contains(err.Error(), loadErr.Error())) {
		code, next := classify(loadErr.Error())
		return counted.n, fault.New(code, next, "building %q: loading the image into the engine: %w", t.Service, loadErr)
	}
	return counted.n, err
}

// engineLoad streams a tarball to the engine and reads its answer, in which an error may come after the status.
func engineLoad(ctx context.Context, engine Engine, tarball io.Reader) error {
	answer, err := engine.ImageLoad(ctx, tarball)
	if err != nil {
		return err
	}
	defer answer.Close()
	decoder := json.NewDecoder(answer)
	for {
		var message struct {
			Error string `json:"error"`
		}
		if err := decoder.Decode(&message); errors.Is(err, io.EOF) {
			return nil
		} else if err != nil {
			return fmt.Errorf("reading the engine's answer: %w", err)
		}
		if message.Error != "" {
			return errors.New(message.Error)
		}
	}
}

type countingWriter struct {
	io.WriteCloser
	n int64 // bytes
}

func (w *countingWriter) Write(p []byte) (int, error) {
	n, err := w.WriteCloser.Write(p)
	w.n += int64(n)
	return n, err
}
