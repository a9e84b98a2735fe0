package imageload

import (
	"archive/tar"
	"bytes"
	"context"
	"encoding/json"
	"io"
	"strings"
	"testing"

	moby "github.com/moby/moby/client"
	"github.com/opencontainers/go-digest"
	ocispecs "github.com/opencontainers/image-spec/specs-go/v1"
)

// savingEngine gives a tarball for any image.
type savingEngine []byte

// ImageSave implements Saver.
func (e savingEngine) ImageSave(
	context.Context, []string, ...moby.ImageSaveOption,
) (moby.ImageSaveResult, error) {
	return io.NopCloser(bytes.NewReader(e)), nil
}

// saved is an image of three layers, the lowest twice, and the files of its tarball.
func saved(t *testing.T, names func(d digest.Digest) string) (
	id string, diffs []digest.Digest, layers map[digest.Digest]string, files []tar.Header, data []string,
) {
	t.Helper()
	layers = map[digest.Digest]string{}
	for _, text := range []string{"lowest", strings.Repeat("middle", 1000), "lowest", "top"} {
		d := digest.FromString(text)
		if _, has := layers[d]; !has {
			files = append(files, tar.Header{Name: names(d), Typeflag: tar.TypeReg})
			data = append(data, text)
		}
		layers[d], diffs = text, append(diffs, d)
	}
	var config ocispecs.Image
	config.RootFS.DiffIDs = diffs
	text, err := json.Marshal(config)
	if err != nil {
		t.Fatal(err)
	}
	files = append(files, tar.Header{Name: "0/VERSION", Typeflag: tar.TypeReg}, tar.Header{
		Name: "0/layer.tar", Typeflag: tar.TypeSymlink, Linkname: "../1/layer.tar",
	}, tar.Header{Name: names(digest.FromBytes(text)), Typeflag: tar.TypeReg})
	data = append(data, "1.0", "", string(text))
	return digest.FromBytes(text).String(), diffs, layers, files, data
}

func tarball(t *testing.T, files []tar.Header, data []string) savingEngine {
	t.Helper()
	var out bytes.Buffer
	w := tar.NewWriter(&out)
	for i, f := range files {
		f.Mode, f.Size = 0o644, int64(len(data[i]))
		if err := w.WriteHeader(&f); err != nil {
			t.Fatal(err)
		}
		if _, err := io.WriteString(w, data[i]); err != nil {
			t.Fatal(err)
		}
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	return out.Bytes()
}

// TestSavedImageIsReadByContent holds that it does not matter how an engine names the files of its tarball.
func TestSavedImageIsReadByContent(t *testing.T) {
	for engine, names := range map[string]func(digest.Digest) string{
		"20.10": func(d digest.Digest) string { return digest.FromString("v1"+d.String()).Encoded() + "/layer.tar" },
		"later": func(d digest.Digest) string { return "blobs/sha256/" + d.Encoded() },
	} {
		id, diffs, layers, files, data := saved(t, names)
		image, err := ReadSaved(t.Context(), tarball(t, files, data), id, diffs, []int{1, 2})
		if err != nil {
			t.Fatalf("%s: %v", engine, err)
		}
		defer image.Close()
		for i, layer := range image.layers {
			reader, err := image.ReaderAt(t.Context(), layer)
			wanted := i != 3 // the lowest is wanted as the third
			if (err == nil) != wanted {
				t.Errorf("%s: layer %d: %v", engine, i, err)
			}
			if err != nil {
				continue
			}
			got := make([]byte, reader.Size())
			if _, err := reader.ReadAt(got, 0); err != nil || string(got) != layers[layer.Digest] {
				t.Errorf("%s: layer %d is %q, %v", engine, i, got, err)
			}
		}
		var out bytes.Buffer
		if err := image.WriteTarball(t.Context(), &out, image, []string{"shop/web:1"}, []int{1}); err != nil {
			t.Fatalf("%s: %v", engine, err)
		}
		if text := out.String(); !strings.Contains(text, "middlemiddle") || !strings.Contains(text, `"shop/web:1"`) ||
			strings.Contains(text, "top") || strings.Contains(text, "lowest") {
			t.Errorf("%s: the tarball has other layers than the middle one", engine)
		}
	}
}

// TestSavedImageIsAnother holds that no image passes for another, and none for whole.
func TestSavedImageIsAnother(t *testing.T) {
	names := func(d digest.Digest) string { return d.Encoded() }
	id, diffs, _, files, data := saved(t, names)
	for name, c := range map[string]struct {
		id    string
		diffs []digest.Digest
		data  func([]string)
		want  string
	}{
		"another ID":     {digest.FromString("x").String(), diffs, nil, "no configuration"},
		"other layers":   {id, diffs[:2], nil, "has other layers"},
		"a layer broken": {id, diffs, func(d []string) { d[1] = strings.Repeat("muddle", 1000) }, "no layer"},
	} {
		changed := append([]string(nil), data...)
		if c.data != nil {
			c.data(changed)
		}
		_, err := ReadSaved(t.Context(), tarball(t, files, changed), c.id, c.diffs, []int{1})
		if err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s: %v", name, err)
		}
	}
	cutShort := tarball(t, files, data)
	if _, err := ReadSaved(t.Context(), cutShort[:3000], id, diffs, []int{1}); err == nil {
		t.Error("a tarball that ends early passes")
	}
}
