//go:build integration

package integration

import (
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/moby/buildkit/client"

	"github.com/25eloquence/compose-mage/internal/builder"
	"github.com/25eloquence/compose-mage/internal/enginetest"
	"github.com/25eloquence/compose-mage/internal/fault"
	"github.com/25eloquence/compose-mage/internal/image"
	"github.com/25eloquence/compose-mage/internal/verify"
)

// on makes the fixture build on these builders.
func (f *fixture) on(builders ...*enginetest.Buildkitd) *fixture {
	f.t.Helper()
	f.with = func(o *image.Options) {
		o.Builders = nil
		for _, b := range builders {
			c, err := builder.Connect(context.Background(), b.Address)
			if err != nil {
				f.t.Fatal(err)
			}
			f.t.Cleanup(func() { _ = c.Close() })
			o.Builders = append(o.Builders, c)
		}
	}
	return f
}

func registry(t *testing.T) string {
	t.Helper()
	r := os.Getenv(verify.RegistryVariable)
	if r == "" {
		t.Fatalf("integration tests need a registry in %s", verify.RegistryVariable)
	}
	return r
}

// layered is a stack of one image on a real base, whose last layer depends on a file.
func layered(t *testing.T) *fixture {
	return newFixture(t, "compose.yaml", "services:\n  a: {build: .}\n", "Dockerfile",
		"FROM debian:bookworm-slim\nRUN echo heavy > /heavy\nCOPY top /top\nRUN cat /top > /copy\n", "top",
		time.Now().String())
}

func TestIntegrationFreshBuilderTakesAllFromTheRegistry(t *testing.T) {
	cache := registry(t)
	f := layered(t).on(enginetest.Builder(t))
	first, err := f.build(t.Context(), cache)
	if err != nil || first[0].Built != 3 || len(first[0].Warnings) > 0 {
		t.Fatalf("first build: %d steps ran, warnings %q, %v", first[0].Built, first[0].Warnings, err)
	}
	f.on(enginetest.Builder(t))
	again, err := f.build(t.Context(), cache)
	if err != nil || again[0].Built != 0 || again[0].State != image.Unchanged || again[0].ID != first[0].ID {
		t.Fatalf("fresh builder, nothing changed: %+v, %v", again[0], err)
	}
	// On a fresh engine too: every layer comes from the registry, packed with zstd, which engine 20.10 can't read.
	f.removeImage(f.name + "-a")
	third, err := f.on(enginetest.Builder(t)).build(t.Context(), cache)
	if err != nil || third[0].Built != 0 || third[0].State != image.Loaded || third[0].ID != first[0].ID ||
		len(third[0].Warnings) > 0 {
		t.Fatalf("fresh builder and engine: %+v, %v", third[0], err)
	}
	if files := f.export(f.name + "-a"); files["heavy"] != "heavy\n" || files["copy"] != files["top"] ||
		files["top"] == "" {
		t.Error("the image is not what was built")
	}
	f.write("top", "changed")
	changed, err := f.on(enginetest.Builder(t)).build(t.Context(), cache)
	if err != nil || changed[0].Cached != 1 || changed[0].Built != 2 || changed[0].State != image.Loaded {
		t.Fatalf("fresh builder, the last layers changed: %+v, %v", changed[0], err)
	}
}

func TestIntegrationBranchFallsBackToMain(t *testing.T) {
	cache := registry(t)
	branch := "main"
	f := layered(t)
	on := func(b *enginetest.Buildkitd) image.Result {
		f.on(b)
		with := f.with
		f.with = func(o *image.Options) { with(o); o.Cache.Branch = branch }
		got, err := f.build(t.Context(), cache)
		if err != nil {
			t.Fatal(err)
		}
		return got[0]
	}
	on(enginetest.Builder(t))
	branch = "feature/other"
	if got := on(enginetest.Builder(t)); got.Built != 0 {
		t.Errorf("a new branch ran %d steps that main has", got.Built)
	}
	f.write("top", "of the branch")
	on(enginetest.Builder(t))
	if got := on(enginetest.Builder(t)); got.Built != 0 {
		t.Errorf("the branch's own cache: %d steps ran", got.Built)
	}
	branch = "main"
	if got := on(enginetest.Builder(t)); got.Built != 2 {
		t.Errorf("main ran %d steps, want the two that only the branch has", got.Built)
	}
}

// slow is a stack of n images that take some seconds each to build.
func slow(t *testing.T, n int) *fixture {
	var services strings.Builder
	for i := range n {
		services.WriteString("  s" + string(rune('a'+i)) + ": {build: {context: ., args: {N: \"" + string(rune('a'+i)) +
			time.Now().String() + "\"}}}\n")
	}
	return newFixture(t, "compose.yaml", "services:\n"+services.String(), "Dockerfile",
		"FROM debian:bookworm-slim\nARG N\nRUN sleep 4; echo $N > /n\n")
}

// soon does it in mid-build; the channel closes when it is done.
func soon(do func()) <-chan struct{} {
	done := make(chan struct{})
	time.AfterFunc(2*time.Second, func() { do(); close(done) })
	return done
}

func TestIntegrationOneOfTwoBuildersDies(t *testing.T) {
	one, two := enginetest.Builder(t), enginetest.Builder(t)
	f := slow(t, 4).on(one, two)
	killed := soon(one.Kill)
	for _, r := range f.mustBuild() {
		if files := f.export(r.Target.Names[0]); files["n"] == "" {
			t.Errorf("%s: not the image that was asked for", r.Target.Service)
		}
	}
	<-killed
	contains(t, f.out.String(), "went away; going on with the one at ")
}

func TestIntegrationTheOnlyBuilderDies(t *testing.T) {
	b := enginetest.Builder(t)
	f := slow(t, 2).on(b)
	killed := soon(b.Kill)
	_, err := f.build(t.Context(), "")
	<-killed
	var typed *fault.Error
	if !errors.As(err, &typed) || typed.Code != fault.Builder {
		t.Fatalf("got %v", err)
	}
	contains(t, err.Error(), `building "sa": the builder at "unix://`, "went away in mid-build",
		"next: go tool mage setup")
	b.Start()
	f.mustBuild()
}

// listen serves each connection with do, until the test ends.
func listen(t *testing.T, do func(net.Conn)) (address string) {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = l.Close() })
	go func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			defer c.Close() // open until the listener is closed
			do(c)
		}
	}()
	return l.Addr().String()
}

func TestIntegrationABadCacheRegistryOnlyWarns(t *testing.T) {
	for name, address := range map[string]string{
		"silent": listen(t, func(net.Conn) {}),
		"garbage": listen(t, func(c net.Conn) {
			_, _ = c.Write([]byte("\x00\xffthis is no registry\r\n\r\n"))
			_ = c.Close()
		}),
	} {
		t.Run(name, func(t *testing.T) {
			f := layered(t)
			began := time.Now()
			got, err := f.build(t.Context(), address)
			if err != nil {
				t.Fatalf("the cache failed the build: %v", err)
			}
			if took := time.Since(began); got[0].State != image.Loaded || took > 30*time.Second {
				t.Errorf("%s: %+v", took, got[0])
			}
			contains(t, f.out.String(), "the build cache at "+address+" is neither read nor written: ")
		})
	}
}

func TestIntegrationPrunedBuilderReadsTheCacheAgain(t *testing.T) {
	cache := registry(t)
	b := enginetest.Builder(t)
	var services strings.Builder
	for i := range 5 {
		fmt.Fprintf(&services, "  s%d: {build: {context: ., args: {N: \"%d\"}}}\n", i, i)
	}
	// The first steps are the same: the builder runs them once for all five.
	f := newFixture(t, "compose.yaml", "services:\n"+services.String(), "Dockerfile",
		"FROM debian:bookworm-slim\nCOPY top /top\nRUN sleep 1; cat /top > /copy\nARG N\nRUN echo $N > /n\n", "top",
		time.Now().String()).on(b)
	first, err := f.build(t.Context(), cache)
	if err != nil {
		t.Fatal(err)
	}
	for _, r := range first {
		if len(r.Warnings) > 0 {
			t.Errorf("%s: warnings %q", r.Target.Service, r.Warnings)
		}
	}
	if err := b.Client().Prune(t.Context(), nil, client.PruneAll); err != nil {
		t.Fatal(err)
	}
	got, err := f.build(t.Context(), cache)
	if err != nil {
		t.Fatal(err)
	}
	for _, r := range got {
		if r.Built != 0 || r.State != image.Unchanged {
			t.Errorf("%s: %s, %d steps ran", r.Target.Service, r.State, r.Built)
		}
	}
}
