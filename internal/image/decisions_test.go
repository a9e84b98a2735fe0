package image

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/compose-spec/compose-go/v2/types"
	"github.com/containerd/platforms"
	"github.com/moby/buildkit/client"
	ocispecs "github.com/opencontainers/image-spec/specs-go/v1"

	"github.com/25eloquence/compose-mage/internal/buildcache"
	"github.com/25eloquence/compose-mage/internal/builder"
	"github.com/25eloquence/compose-mage/internal/buildplan"
	"github.com/25eloquence/compose-mage/internal/explain"
	"github.com/25eloquence/compose-mage/internal/fault"
	"github.com/25eloquence/compose-mage/internal/registry"
	"github.com/25eloquence/compose-mage/internal/solve"
)

func TestWhenTheBuilderHasTheResults(t *testing.T) {
	m := memory{Builder: "b", Inputs: "i"}
	for name, c := range map[string]struct {
		m               memory
		inputs, builder string
		want            bool
	}{
		"as it was":       {m, "i", "b", true},
		"another input":   {m, "j", "b", false},
		"another builder": {m, "i", "c", false},
		"unknown inputs":  {memory{Builder: "b"}, "", "b", false},
		"the first build": {memory{}, "i", "b", false},
	} {
		if got := c.m.builtFrom(c.inputs, c.builder); got != c.want {
			t.Errorf("%s: %v", name, got)
		}
	}
}

func TestWhenAnImageNeedsOnlyBeConfirmed(t *testing.T) {
	m := memory{ID: "made", EngineID: "loaded", Bases: "bases"}
	without := func(change func(*memory)) memory { n := m; change(&n); return n }
	for name, c := range map[string]struct {
		m      memory
		target types.BuildConfig
		engine string
		want   bool
	}{
		"the engine has it":    {m, types.BuildConfig{}, "loaded", true},
		"the engine's is lost": {m, types.BuildConfig{}, "", false},
		"another's":            {m, types.BuildConfig{}, "other", false},
		"never loaded":         {without(func(m *memory) { m.EngineID = "" }), types.BuildConfig{}, "", false},
		"no ID":                {without(func(m *memory) { m.ID = "" }), types.BuildConfig{}, "loaded", false},
		"unknown bases":        {without(func(m *memory) { m.Bases = "" }), types.BuildConfig{}, "loaded", false},
		"cache not written": {
			without(func(m *memory) { m.Unexported = true }),
			types.BuildConfig{},
			"loaded",
			false,
		},
		"no cache":        {m, types.BuildConfig{NoCache: true}, "loaded", false},
		"a stage without": {m, types.BuildConfig{NoCacheFilter: []string{"x"}}, "loaded", false},
		"newer bases":     {m, types.BuildConfig{Pull: true}, "loaded", false},
	} {
		if got := confirmOnly(buildplan.Target{Build: c.target}, c.m, c.engine); got != c.want {
			t.Errorf("%s: %v", name, got)
		}
	}
}

func TestWhetherTheEngineHasWhatWasMade(t *testing.T) {
	m := memory{ID: "made", EngineID: "given"}
	for name, c := range map[string]struct {
		m            memory
		engine, made string
		want         bool
	}{
		"by the builder's ID":     {memory{}, "made", "made", true},
		"by the engine's own":     {m, "given", "made", true},
		"another was made":        {m, "given", "new", false},
		"another has the name":    {m, "other", "made", false},
		"nothing has the name":    {m, "", "made", false},
		"it was never given it":   {memory{ID: "made"}, "", "made", false},
		"the last one is unknown": {memory{EngineID: "given"}, "given", "made", false},
	} {
		if got := c.m.engineHas(c.engine, c.made); got != c.want {
			t.Errorf("%s: %v", name, got)
		}
	}
}

func TestOneIDOfAllNames(t *testing.T) {
	for ids, want := range map[string]string{
		"a": "a", "a,a": "a", "a,b": "", "a,": "", ",a": "", "": "", "a,a,b": "",
		"a,,a": "",
	} {
		if got := sameID(strings.Split(ids, ",")); got != want {
			t.Errorf("%q: %q", ids, got)
		}
	}
	if sameID(nil) != "" {
		t.Error("no name has an ID")
	}
}

func TestWhatASolveExports(t *testing.T) {
	for _, c := range []struct {
		native, unchanged, known bool
		want                     string
	}{
		{false, false, false, "image compression=uncompressed"},
		{false, true, false, "image compression=uncompressed"},
		{false, true, true, ""},
		{true, false, false, "moby compression=zstd name=a,b"},
		{true, true, false, "image compression=zstd"},
		{true, true, true, ""},
	} {
		var got []string
		for _, e := range imageExports([]string{"a", "b"}, c.native, c.unchanged, c.known) {
			got = append(got, e.Type)
			for k, v := range e.Attrs {
				got = append(got, k+"="+v)
			}
			slices.Sort(got[1:])
		}
		if strings.Join(got, " ") != c.want {
			t.Errorf("%+v: %v", c, got)
		}
	}
}

func TestTheIDOfWhatWasMade(t *testing.T) {
	answer := map[string]string{"containerimage.digest": "manifest", "containerimage.config.digest": "config"}
	if imageID(answer, true) != "manifest" || imageID(answer, false) != "config" {
		t.Error("an engine's own BuildKit names the manifest, another the configuration")
	}
	s := &imageSolve{past: memory{ID: "past"}, response: answer, member: &member{Builder: &builder.Builder{}}}
	if s.id() != "config" {
		t.Errorf("made: %s", s.id())
	}
	if s.onlyConfirm = true; s.id() != "past" {
		t.Errorf("confirmed: %s", s.id())
	}
}

func TestWhatIsWorthSendingWhole(t *testing.T) {
	for name, c := range map[string]struct {
		err, ended error
		want       bool
	}{
		"it went well":       {nil, nil, false},
		"a layer is gone":    {errors.New("no such layer"), nil, true},
		"nobody waits":       {errors.New("no such layer"), context.Canceled, false},
		"the disk is full":   {fault.New(fault.Resources, "", "full"), nil, false},
		"another fault":      {fault.New(fault.Failed, "", "bad"), nil, true},
		"the engine is away": {fault.EngineStream(io.ErrUnexpectedEOF), nil, false},
	} {
		if got := worthWhole(c.err, c.ended); got != c.want {
			t.Errorf("%s: %v", name, got)
		}
	}
}

func TestWhoIsToBlameForALostBuilder(t *testing.T) {
	for native, want := range map[bool]fault.Code{false: fault.Builder, true: fault.Engine} {
		err := noBuilderLeft(buildplan.Target{Service: "app"}, &builder.Builder{Native: native, Where: "here"}, "EOF")
		var f *fault.Error
		if !errors.As(err, &f) || f.Code != want ||
			!strings.Contains(err.Error(), `building "app": the builder here went away in mid-build: EOF`) {
			t.Errorf("native %v: %v", native, err)
		}
	}
}

func TestPlatformsThatABuilderHas(t *testing.T) {
	have := []ocispecs.Platform{platforms.MustParse("linux/amd64"), platforms.MustParse("linux/arm64")}
	has, lacks := split("linux/amd64, linux/riscv64,linux/arm64,no/such/platform/at/all", have)
	if strings.Join(has, " ") != "linux/amd64 linux/arm64" ||
		strings.Join(lacks, " ") != "linux/riscv64 no/such/platform/at/all" {
		t.Errorf("has %q, lacks %q", has, lacks)
	}
}

func TestCachesThatAreAskedFor(t *testing.T) {
	imports := []client.CacheOptionsEntry{
		{Type: "registry", Attrs: map[string]string{"ref": "127.0.0.1:5000/p/a:cache-main"}},
		{Type: "gha", Attrs: map[string]string{"ref": "x"}},
		{Type: "registry", Attrs: map[string]string{"ref": "ghcr.io/o/a"}},
	}
	if got := strings.Join(unknownCaches(imports, buildcache.Cache{Prefix: "127.0.0.1:5000"}),
		" "); got != "127.0.0.1:5000/p/a:cache-main ghcr.io/o/a" {
		t.Errorf("of any registry: %s", got)
	}
	ours := buildcache.Cache{Prefix: "127.0.0.1:5000", Local: registry.Open(t.TempDir(), "127.0.0.1:5000")}
	if got := strings.Join(unknownCaches(imports, ours), " "); got != "ghcr.io/o/a" {
		t.Errorf("of setup's own: %s", got)
	}
	r := &run{probe: registry.NewProbe(time.Second, func(string) {})}
	if r.registrySilent(client.CacheOptionsEntry{Type: "gha"}) || r.registrySilent(imports[2]) {
		t.Error("who was not asked is not silent")
	}
}

func TestWhereACacheWasNotWritten(t *testing.T) {
	s := &imageSolve{run: &run{}, target: buildplan.Target{CacheImage: "p/app"}}
	if got := s.cacheNotWritten("failed to solve: denied"); got != "the build cache was not written to (cache_to): "+
		"denied" {
		t.Error(got)
	}
	s.Cache = buildcache.Cache{Type: "registry", Prefix: "reg", Branch: "main", Write: true}
	if got := s.cacheNotWritten("denied"); got != "the build cache was not written to reg/p/app:cache-main: denied" {
		t.Error(got)
	}
	s.dropUpload() // there is no upload to end
}

func TestMemoryOfABuild(t *testing.T) {
	dir := t.TempDir()
	m := recall(dir, "p", "app")
	if m.ID != "" || m.path == "" {
		t.Errorf("of no build: %+v", m)
	}
	m.ID, m.Unexported = "one", true
	m.keep()
	if again := recall(dir, "p", "app"); again.ID != "one" || !again.Unexported {
		t.Errorf("after a build: %+v", again)
	}
	m.ID = "two"
	m.keep()
	if again := recall(dir, "p", "app"); again.ID != "two" {
		t.Errorf("after another: %+v", again)
	}
	if other := recall(dir, "p", "web"); other.ID != "" {
		t.Errorf("of another image: %+v", other)
	}
	none := recall("", "p", "app")
	none.keep()
	if none.ID != "" || none.path != "" {
		t.Errorf("without a directory: %+v", none)
	}
}

func TestWhatIsReadOfATarget(t *testing.T) {
	dir, lib := t.TempDir(), t.TempDir()
	target := buildplan.Target{
		Key: "app", Context: dir, Inline: "FROM a\nCOPY --from=lib x /\n",
		Build: types.BuildConfig{
			AdditionalContexts: types.Mapping{"lib": lib, "img": "docker-image://debian:12"},
		},
	}
	r := &run{project: "p"}
	if _, ok := r.readInputs(target, "stamp", nil); ok {
		t.Error("nobody explains, and something is read")
	}
	r.Explain = explain.NewStore(t.TempDir())
	_, local, err := solve.NewRequest(t.Context(), target, "p",
		solve.Environment{Lookup: func(string) (string, bool) { return "", false }}, &solve.Contexts{})
	if err != nil {
		t.Fatal(err)
	}
	in, ok := r.readInputs(target, "stamp", local)
	if !ok || in.Stamp != "stamp" || in.Context.Files == nil || in.Contexts["lib"].Files == nil ||
		in.Contexts["img"].Files != nil {
		t.Errorf("%v: %+v", ok, in)
	}
	in, ok = r.readInputs(target, "stamp", nil)
	if !ok || in.Context.Files != nil || in.Contexts["lib"].Files != nil {
		t.Errorf("not walked: %v %+v", ok, in)
	}
	target.Inline, target.Dockerfile = "", dir+"/gone"
	if in, ok = r.readInputs(target, "", nil); ok {
		t.Errorf("a Dockerfile that is gone: %+v", in)
	}
}

func TestCacheOnlySolvesEndTogether(t *testing.T) {
	c := newCacheOnlySolves()
	done, ok := c.begin()
	if !ok || done == nil {
		t.Fatal("the first may not begin")
	}
	if c.over.Err() != nil {
		t.Fatal("they are over before any step runs")
	}
	c.endAll()
	if c.over.Err() == nil || !errors.Is(context.Cause(c.over), errStepRuns) {
		t.Errorf("the others go on: %v", context.Cause(c.over))
	}
	if _, ok := c.begin(); ok {
		t.Error("another begins all the same")
	}
	done()
	c.running.Wait() // returns
}

func TestImagesGoWhereWhatTheyNeedIs(t *testing.T) {
	base := buildplan.Target{Key: "base"}
	mid := buildplan.Target{Key: "mid", Needs: map[string]buildplan.Target{"x": base}}
	app := buildplan.Target{Key: "app", Needs: map[string]buildplan.Target{"z": {Key: "other"}, "a": mid}}
	one, two, three := &member{}, &member{}, &member{}
	members := map[string]*member{"base": one, "mid": two, "app": three, "other": two}
	placeWithNeeds([]buildplan.Target{app, {Key: "other"}}, members)
	if members["app"] != one || members["mid"] != one || members["base"] != one || members["other"] != two {
		t.Errorf("got %v", members)
	}
}

func TestAnOutcomeIsToldOnce(t *testing.T) {
	all := outcomes([]buildplan.Target{{Service: "a"}, {Service: "b"}})
	first := errors.New("first")
	all["a"].set(first)
	all["a"].set(nil)
	<-all["a"].done
	if all["a"].err != first || len(all) != 2 { //nolint:errorlint // the very error
		t.Errorf("got %v", all["a"].err)
	}
	select {
	case <-all["b"].done:
		t.Error("the other's is told")
	default:
	}
}

func TestBuildersThatImagesPrefer(t *testing.T) {
	p := newBuilderPool([]*builder.Builder{{ID: "a"}, {ID: "b"}, {ID: "c"}})
	order := func(service string) string {
		var out []string
		for _, m := range p.preference(service) {
			out = append(out, m.ID)
		}
		return strings.Join(out, "")
	}
	for i := range 60 {
		if first, again := order(fmt.Sprint("s", i)), order(fmt.Sprint("s", i)); again != first || len(first) != 3 {
			t.Fatalf("%s, then %s", first, again)
		}
	}
	// The heaviest comes first: a builder that comes or goes moves only its own images.
	two := newBuilderPool([]*builder.Builder{{ID: "c"}, {ID: "b"}})
	for i := range 60 {
		service := fmt.Sprint("s", i)
		if without := strings.ReplaceAll(order(service), "a", ""); two.preference(service)[0].ID != without[:1] {
			t.Fatalf("%s: %s without a, but %s goes first", service, order(service), two.preference(service)[0].ID)
		}
	}
	if got := newBuilderPool([]*builder.Builder{{ID: "a"}}).share([]string{"x", "y"}); len(got) != 2 {
		t.Errorf("one builder for two: %v", got)
	}
	// With another order every image would move to another builder's cache.
	if got := order("s0") + " " + order("s1") + " " + order("web"); got != "cab cab cba" {
		t.Errorf("the order of the builders is another: %s", got)
	}
}

// An equal memory is not written again: each write waits for the disk.
func TestAnEqualMemoryIsLeftAlone(t *testing.T) {
	m := recall(t.TempDir(), "p", "app")
	m.ID = "one"
	m.keep()
	then := time.Unix(1_700_000_000, 0)
	if err := os.Chtimes(m.path, then, then); err != nil {
		t.Fatal(err)
	}
	m.keep()
	if info, err := os.Stat(m.path); err != nil || !info.ModTime().Equal(then) {
		t.Errorf("it was written again: %v, %v", info.ModTime(), err)
	}
	m.ID = "two"
	m.keep()
	if info, err := os.Stat(m.path); err != nil || info.ModTime().Equal(then) {
		t.Errorf("another one was not written: %v", err)
	}
}
