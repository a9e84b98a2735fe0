package rig

import (
	"archive/tar"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"

	"github.com/moby/moby/client"
)

// Importer is an engine that can be given an image.
type Importer interface {
	ImageImport(ctx context.Context, source client.ImageImportSource, name string, o client.ImageImportOptions,
	) (client.ImageImportResult, error)
}

// ServiceImage gives the engine the image of the generated stacks' services under that name: one static program, which
// is built in the folder work from the package source, ./start/service. root is the repository's.
func ServiceImage(ctx context.Context, engine Importer, root, work, image, source string) error {
	program := filepath.Join(work, "service")
	cmd := exec.CommandContext(ctx, "go", "build", "-trimpath", "-ldflags=-s -w", "-o", program, source)
	cmd.Dir = filepath.Join(root, Module)
	cmd.Env = append(os.Environ(), "CGO_ENABLED=0", "GOOS=linux", "GOFLAGS=")
	if out, err := cmd.CombinedOutput(); err != nil {
		return fmt.Errorf("building the service: %w: %s", err, out)
	}
	data, err := os.ReadFile(program)
	if err != nil {
		return err
	}
	var files bytes.Buffer
	w := tar.NewWriter(&files)
	err = w.WriteHeader(&tar.Header{Name: "service", Mode: 0o755, Size: int64(len(data))})
	if err == nil {
		_, err = w.Write(data)
	}
	if err := errors.Join(err, w.Close()); err != nil {
		return fmt.Errorf("packing the service: %w", err)
	}
	answer, err := engine.ImageImport(ctx, client.ImageImportSource{Source: &files, SourceName: "-"}, image,
		client.ImageImportOptions{Changes: []string{`ENTRYPOINT ["/service"]`, "USER 10001"}})
	if err == nil {
		_, err = io.Copy(io.Discard, answer)
		err = errors.Join(err, answer.Close())
	}
	if err != nil {
		return fmt.Errorf("making the service's image: %w", err)
	}
	return nil
}
