package imageload

import (
	"bytes"
	"errors"
	"io"
	"strings"
	"testing"

	"github.com/klauspost/compress/zstd"
	"github.com/opencontainers/go-digest"
	ocispecs "github.com/opencontainers/image-spec/specs-go/v1"

	"github.com/25eloquence/compose-mage/internal/bounded"
	"github.com/25eloquence/compose-mage/internal/fault"
)

// zeros packs that many bytes.
func zeros(t *testing.T, size int64, o ...zstd.EOption) []byte {
	t.Helper()
	var b bytes.Buffer
	w, err := zstd.NewWriter(&b, o...)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := io.CopyN(w, zero{}, size); err != nil {
		t.Fatal(err)
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

type zero struct{}

func (zero) Read(p []byte) (int, error) {
	clear(p)
	return len(p), nil
}

// TestLayerThatFillsTheDisk guards against a layer of a cache that unpacks to far more than any layer has.
func TestLayerThatFillsTheDisk(t *testing.T) {
	packed := zeros(t, 16<<20)
	limit := unpackLimit(ocispecs.Descriptor{Digest: digest.FromBytes(packed)}, int64(len(packed)))
	if limit.Bytes > unpackedAlways || limit.Bytes < 16<<20 {
		t.Errorf("a layer of %d bytes may have %d", len(packed), limit.Bytes)
	}
	file, err := unpackZstd(bytes.NewReader(packed), limit)
	if err != nil {
		t.Fatal(err)
	}
	_ = file.Close()
	limit.Bytes = 16<<20 - 1
	_, err = unpackZstd(bytes.NewReader(packed), limit)
	var f *fault.Error
	if !errors.Is(err, bounded.ErrTooLarge) || !errors.As(err, &f) || f.Next == "" ||
		!strings.Contains(err.Error(), "the layer sha256:") {
		t.Errorf("got %v", err)
	}
	if huge := unpackLimit(ocispecs.Descriptor{}, 1<<50); huge.Code != fault.Resources || huge.Next == "" {
		t.Errorf("the disk does not limit it: %+v", huge)
	}
}

// TestLayerThatAsksForMemory guards against a window of half a gigabyte for each of the layers that are unpacked at a
// time.
func TestLayerThatAsksForMemory(t *testing.T) {
	packed := zeros(t, 300<<20, zstd.WithWindowSize(256<<20), zstd.WithSingleSegment(false))
	if _,
		err := unpackZstd(bytes.NewReader(packed), bounded.Limit{Bytes: 1 << 30}); !errors.Is(err,
		zstd.ErrWindowSizeExceeded) {
		t.Errorf("got %v", err)
	}
}

// TestEngineThatTalksWithoutEnd guards against an answer to a load that never ends.
func TestEngineThatTalksWithoutEnd(t *testing.T) {
	_, err := io.Copy(io.Discard, loadAnswer.Reader(zero{}))
	if !errors.Is(err, bounded.ErrTooLarge) {
		t.Errorf("got %v", err)
	}
}
