// Package models owns the weights of the speech recogniser: which whisper.cpp models there are, fetching one
// (resumable, checked against its published sum) and placing it in the project's volume. It starts no service.
package models

import (
	"cmp"
	"context"
	"crypto/sha1" // the sums that whisper.cpp publishes are SHA-1
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"hash"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"regexp"
	"strings"

	"github.com/compose-spec/compose-go/v2/types"

	"github.com/25eloquence/compose-mage/internal/fault"
	"github.com/25eloquence/compose-mage/internal/ui"
)

// Hub is where whisper.cpp's own download script fetches its models from; URLVariable names a mirror of it.
const (
	Hub         = "https://huggingface.co/ggerganov/whisper.cpp/resolve/main"
	URLVariable = "WHISPER_MODEL_URL"
)

// Defaults of Options.
const (
	DefaultVolume = "whisper-models"
	DefaultTarget = "/models"
	DefaultUID    = 10001
)

// magic is how every ggml file starts: 0x67676d6c, little-endian.
const magic = "lmgg"

// published holds the SHA-1 sums of whisper.cpp's models/README.md (as of commit 41e789e of ggml-org/whisper.cpp).
var published = map[string]string{
	"tiny":                "bd577a113a864445d4c299885e0cb97d4ba92b5f",
	"tiny.en":             "c78c86eb1a8faa21b369bcd33207cc90d64ae9df",
	"base":                "465707469ff3a37a2b9b8d8f89f2f99de7299dac",
	"base.en":             "137c40403d78fd54d454da0f9bd998f78703390c",
	"small":               "55356645c2b361a969dfd0ef2c5a50d530afd8d5",
	"small.en":            "db8a495a91d927739e50b3fc1cc4c6b8f6c2d022",
	"medium":              "fd9727b6e1217c2f614f9b698455c4ffd82463b4",
	"medium.en":           "8c30f0e44ce9560643ebd10bbe50cd20eafd3723",
	"large-v1":            "b1caaf735c4cc1429223d5a74f0f4d0b9b59a299",
	"large-v2":            "0f4c8e34f21cf1a914c59d8b3ce882345ad349d6",
	"large-v2-q5_0":       "00e39f2196344e901b3a2bd5814807a769bd1630",
	"large-v3":            "ad82bf6a9043ceed055076d0fd39f5f186ff8062",
	"large-v3-q5_0":       "e6e2ed78495d403bef4b7cff42ef4aaadcfea8de",
	"large-v3-turbo":      "4af2b29d7ec73d781377bfd1758ca957a807e941",
	"large-v3-turbo-q5_0": "e050f7970618a659205450ad97eb95a18d69c9ee",
}

// Options say which model goes where.
type Options struct {
	API     API
	Project *types.Project
	Name    string // of the model: tiny, base.en, large-v3 …
	Volume  string // the volume's key in the Compose file; empty: DefaultVolume
	Image   string // any image the engine has, best that of the service which reads the volume; nothing of it runs
	Target  string // where that image mounts the volume; empty: DefaultTarget
	UID     int    // owner of the placed file; 0: DefaultUID

	BaseURL string       // empty: $WHISPER_MODEL_URL, else Hub
	Sum     string       // SHA-256 or SHA-1 in hexadecimal; empty: the published one
	Dir     string       // where the download waits until it is whole; a further run resumes there
	Out     *ui.Out      // nil: silent
	HTTP    *http.Client // nil: http.DefaultClient
}

// Download fetches the model, checks it, and places it in the volume as ggml-NAME.bin. A model that is there already,
// with the size that the hub gives, is left alone. Errors are *fault.Error: Usage for an unknown name, Config for a
// volume that the project does not have, Resources for a full disk, Failed for the rest.
func Download(ctx context.Context, o Options) error {
	o, err := o.complete()
	if err != nil {
		return err
	}
	file := "ggml-" + o.Name + ".bin"
	d := download{
		client: o.HTTP, url: strings.TrimSuffix(o.BaseURL, "/") + "/" + file, dir: o.Dir, file: file, most: maxModel,
	}
	placed, err := o.placedSize(ctx, file)
	if err != nil {
		return err
	}
	if placed > 0 {
		if size, err := d.size(ctx); err != nil || size == placed {
			o.Out.Done("%s is in volume %s already (%s)", file, o.Volume, ui.Bytes(placed))
			return nil
		}
	}
	err = o.Out.Step(ctx, "fetching "+file, d.fetch)
	if err != nil {
		return err
	}
	if err := o.Out.Step(ctx, "checking "+file,
		func(context.Context, func(string)) error { return d.verify(o.Sum) }); err != nil {
		return err
	}
	err = o.Out.Step(ctx, "placing "+file+" in volume "+o.Volume, func(ctx context.Context, report func(string)) error {
		return o.place(ctx, d.path(), file, report)
	})
	if err != nil {
		return err
	}
	return os.Remove(d.path()) // gigabytes, and whole in the volume now
}

// name matches a model name that may stand in a file's name and a URL.
var name = regexp.MustCompile(`^[A-Za-z0-9][A-Za-z0-9._-]*$`)

// complete fills in the defaults and refuses what can't work before anything is fetched.
func (o Options) complete() (Options, error) {
	names := make([]string, 0, len(published))
	for n := range published {
		names = append(names, n)
	}
	if !name.MatchString(o.Name) || (o.Sum == "" && published[o.Name] == "") {
		return o, fault.New(fault.Usage, "go tool mage models base",
			"unknown model %q%s; one that whisper.cpp does not list needs its checksum",
			o.Name, fault.DidYouMean(o.Name, names))
	}
	o.Sum = strings.ToLower(cmp.Or(o.Sum, published[o.Name]))
	if _, err := hex.DecodeString(o.Sum); err != nil || newHash(o.Sum) == nil {
		return o, fault.New(fault.Usage, "", "checksum %q is neither SHA-1 (40 digits) nor SHA-256 (64)", o.Sum)
	}
	o.Volume, o.Target = cmp.Or(o.Volume, DefaultVolume), cmp.Or(o.Target, DefaultTarget)
	o.UID = cmp.Or(o.UID, DefaultUID)
	o.BaseURL = cmp.Or(o.BaseURL, os.Getenv(URLVariable), Hub)
	if o.HTTP == nil {
		o.HTTP = http.DefaultClient
	}
	if o.Out == nil {
		o.Out = ui.New(io.Discard)
	}
	if o.Dir == "" {
		return o, errors.New("downloading a model: no folder to keep the download in")
	}
	if _, ok := o.Project.Volumes[o.Volume]; !ok {
		return o, fault.New(fault.Config, fault.Correct, "project %q has no volume %q%s", o.Project.Name, o.Volume,
			fault.DidYouMean(o.Volume, o.Project.VolumeNames()))
	}
	return o, nil
}

// newHash tells the two kinds of sums apart by their length; nil is neither.
func newHash(sum string) hash.Hash {
	switch len(sum) {
	case 2 * sha1.Size:
		return sha1.New()
	case 2 * sha256.Size:
		return sha256.New()
	}
	return nil
}

// verify checks magic and sum of what was fetched. A wrong file is removed: resuming it would not make it right.
func (d download) verify(sum string) error {
	f, err := os.Open(d.path())
	if err != nil {
		return err
	}
	defer f.Close()
	start := make([]byte, len(magic))
	if _, err := io.ReadFull(f, start); err != nil || string(start) != magic {
		return d.reject("it is no ggml model: it starts with %q", start)
	}
	h := newHash(sum)
	_, _ = h.Write(start)
	if _, err := io.Copy(h, f); err != nil {
		return fmt.Errorf("reading %q: %w", d.path(), err)
	}
	if got := hex.EncodeToString(h.Sum(nil)); got != sum {
		return d.reject("its checksum is %s, and should be %s", got, sum)
	}
	return nil
}

func (d download) reject(format string, args ...any) error {
	if err := os.Remove(d.path()); err != nil {
		return err
	}
	return fault.New(fault.Failed, "check the address, then go tool mage models again", "fetching %q: %s", d.url,
		fmt.Sprintf(format, args...))
}

func (d download) path() string { return filepath.Join(d.dir, d.file+".whole") }
func (d download) part() string { return filepath.Join(d.dir, d.file+".part") }
func (d download) etag() string { return filepath.Join(d.dir, d.file+".etag") }
