//go:build integration

package integration

import (
	"context"
	"crypto/rand"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"testing"

	"github.com/moby/moby/client"

	"github.com/25eloquence/compose-mage/internal/image"
)

// noise writes a file of that many bytes that don't compress.
func (f *fixture) noise(name string, bytes int) {
	f.t.Helper()
	data := make([]byte, bytes)
	if _, err := rand.Read(data); err != nil {
		f.t.Fatal(err)
	}
	f.write(name, string(data))
}

// removeImage takes an image out of the engine.
func (f *fixture) removeImage(name string) {
	f.t.Helper()
	if _, err := f.engine.ImageRemove(context.Background(), name, client.ImageRemoveOptions{Force: true}); err != nil {
		f.t.Fatal(err)
	}
}

const twoLayers = "FROM scratch\nCOPY base /base\nCOPY top /top\n"

func TestIntegrationDeltaSendsOnlyTheChangedLayer(t *testing.T) {
	f := newFixture(t, "compose.yaml", "services:\n  a: {build: .}\n", "Dockerfile", twoLayers)
	f.noise("base", 8<<20)
	f.noise("top", 1<<20)
	if got := f.mustBuild()[0]; got.Loaded < 9<<20 {
		t.Fatalf("the first load sent %d bytes", got.Loaded)
	}
	f.noise("top", 1<<20)
	got := f.mustBuild()[0]
	if limit := int64(11 << 20 / 10); got.Loaded < 1<<20 || got.Loaded > limit {
		t.Errorf("a changed layer of 1 MiB: %d bytes sent, want at most %d", got.Loaded, limit)
	}
	f.sameAsTheEngine(got)
}

// sameAsTheEngine checks the image that the engine runs: its layers' files are those of the directory.
func (f *fixture) sameAsTheEngine(r image.Result) {
	f.t.Helper()
	if len(r.Warnings) > 0 {
		f.t.Errorf("warnings: %q", r.Warnings)
	}
	files := f.export(r.Target.Names[0])
	for _, name := range []string{"base", "top"} {
		want, err := os.ReadFile(filepath.Join(f.dir, name))
		if err != nil {
			f.t.Fatal(err)
		}
		if files[name] != string(want) {
			f.t.Errorf("/%s of the image is not the file that was built from", name)
		}
	}
}

func TestIntegrationFirstLoadOfABaseTheEngineHolds(t *testing.T) {
	f := newFixture(t, "compose.yaml", "services:\n  a: {build: .}\n", "Dockerfile", twoLayers)
	f.noise("base", 8<<20)
	f.noise("top", 1<<20)
	f.mustBuild()
	f.write("compose.yaml", "services:\n  another: {build: .}\n")
	f.noise("top", 1<<20)
	if got := f.mustBuild()[0]; got.Loaded > 11<<20/10 {
		t.Errorf("the first load of an image whose base is there sent %d bytes", got.Loaded)
	} else {
		f.sameAsTheEngine(got)
	}
}

// forgetful is an engine from which an image vanishes between the question what it holds and the load.
type forgetful struct {
	image.Engine
	drop func()
	n    int // loads
}

func (e *forgetful) ImageLoad(ctx context.Context, r io.Reader, o ...client.ImageLoadOption) (client.ImageLoadResult,
	error,
) {
	if e.n++; e.n == 1 {
		e.drop()
	}
	return e.Engine.ImageLoad(ctx, r, o...)
}

func TestIntegrationALayerPrunedInBetweenIsSentAfterAll(t *testing.T) {
	f := newFixture(t, "compose.yaml", "services:\n  a: {build: .}\n", "Dockerfile", twoLayers)
	f.noise("base", 2<<20)
	f.noise("top", 1<<20)
	f.mustBuild()
	var e *forgetful
	f.with = func(o *image.Options) {
		e = &forgetful{Engine: o.Engine, drop: func() { f.removeImage(f.name + "-a") }}
		o.Engine = e
	}
	var got image.Result
	for round := range 10 {
		// A load that is opened before the engine has said what it holds sends all of the image at once: then it is
		// tried again, with a build that takes longer.
		f.noise("top", (1+4*round)<<20)
		if got = f.mustBuild()[0]; e.n > 1 {
			break
		}
	}
	if e.n != 2 || len(got.Warnings) != 1 || !strings.Contains(got.Warnings[0], "the whole image was sent") {
		t.Errorf("%d loads of %d bytes in all, warnings %q\n%s", e.n, got.Loaded, got.Warnings, f.out.String())
	}
	got.Warnings = nil
	f.sameAsTheEngine(got)
}

func TestIntegrationImagesThatShareALayerSendItOnce(t *testing.T) {
	f := newFixture(t, "compose.yaml",
		"services:\n  a: {build: {context: ., args: {X: a}}}\n  b: {build: {context: ., args: {X: b}}}\n  c: "+
			"{build: {context: ., args: {X: c}}}\n",
		"Dockerfile", "FROM scratch\nCOPY base /base\nARG X\nLABEL x=$X\nCOPY top /top\n")
	f.noise("base", 4<<20)
	f.noise("top", 10)
	sum := int64(0)
	for _, r := range f.mustBuild() {
		sum += r.Loaded
		f.sameAsTheEngine(r)
	}
	if sum > 5<<20 {
		t.Errorf("three images over one layer of 4 MiB: %d bytes sent", sum)
	}
}

// transferred adds up the context bytes that BuildKit says it was sent.
func (f *fixture) transferred() (bytes float64) {
	units := map[string]float64{"B": 1, "kB": 1e3, "MB": 1e6, "GB": 1e9}
	most := map[string]float64{} // a step reports several times
	transfers := regexp.MustCompile(`(?m)^#(\d+) transferring \S+: ([\d.]+)(B|kB|MB|GB)`)
	for _, m := range transfers.FindAllStringSubmatch(f.out.String(), -1) {
		n, _ := strconv.ParseFloat(m[2], 64)
		most[m[1]] = max(most[m[1]], n*units[m[3]])
	}
	for _, n := range most {
		bytes += n
	}
	return bytes
}

func TestIntegrationOnlyChangedFilesAreSentToTheBuilder(t *testing.T) {
	var services strings.Builder
	for i := range 5 {
		fmt.Fprintf(&services, "  s%d: {build: {context: ., dockerfile: %d.Dockerfile}}\n", i, i)
	}
	f := newFixture(t, "compose.yaml", "services:\n"+services.String())
	for i := range 5 {
		f.write(fmt.Sprintf("%d.Dockerfile", i), fmt.Sprintf("FROM scratch\nCOPY common /common\nCOPY own%d /own\n", i))
		f.noise(fmt.Sprintf("own%d", i), 1<<20)
	}
	f.noise("common", 4<<20)
	f.noise("not-copied", 4<<20)
	f.with = func(o *image.Options) { o.Progress = "plain" }
	f.mustBuild()
	if got := f.transferred(); got < 24<<20 || got > 26.5*(1<<20) {
		t.Errorf("five services that copy 5 MiB each: %.0f bytes sent", got)
	}
	f.out.Reset()
	f.noise("own3", 1<<20)
	f.mustBuild()
	if got := f.transferred(); got > 1.2*(1<<20) {
		t.Errorf("one file of 1 MiB changed: %.0f bytes sent", got)
	}
	f.out.Reset()
	f.mustBuild()
	if got := f.transferred(); got > 1e5 {
		t.Errorf("nothing changed: %.0f bytes sent", got)
	}
}

func TestIntegrationALargeContextSendsWhatIsCopied(t *testing.T) {
	f := newFixture(t, "compose.yaml", "services:\n  a: {build: .}\n", "Dockerfile", "FROM scratch\nCOPY small dir /\n",
		"small", "x", "dir/y", "y",
		"ignored/z", "z", ".dockerignore", "ignored\n")
	if err := os.WriteFile(filepath.Join(f.dir, "huge.bin"), nil, 0o644); err != nil {
		t.Fatal(err)
	}
	if err := os.Truncate(filepath.Join(f.dir, "huge.bin"), 1100<<20); err != nil { // sparse: it takes no disk
		t.Fatal(err)
	}
	f.with = func(o *image.Options) { o.Progress = "plain" }
	f.mustBuild()
	if got := f.transferred(); got > 1e5 {
		t.Errorf("two small files of a large context: %.0f bytes sent", got)
	}
	contains(t, f.out.String(), "build context", "1.15 GB", "huge.bin", "add to .dockerignore")
	files := f.export(f.name + "-a")
	if files["small"] != "x" || files["y"] != "y" || len(files) != 2 {
		t.Errorf("the image holds %d files", len(files))
	}
}
