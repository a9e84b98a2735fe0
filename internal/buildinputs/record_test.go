package buildinputs

import (
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/compose-spec/compose-go/v2/types"

	"github.com/25eloquence/compose-mage/internal/buildplan"
)

// write makes files below dir, each of a time of its own.
func write(t *testing.T, dir string, files map[string]string) {
	t.Helper()
	for name, text := range files {
		path := filepath.Join(dir, filepath.FromSlash(name))
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
	}
}

func mustTake(t *testing.T, in Inputs, before *Record, d *disk) Record {
	t.Helper()
	r, err := take(t.Context(), in, before, d)
	if err != nil {
		t.Fatal(err)
	}
	return r
}

// A warm record reads no file.
func TestWarmRecordReadsNothing(t *testing.T) {
	dir := t.TempDir()
	write(t, dir, map[string]string{"a/one": "1", "a/two": "2", "b": "3"})
	in := Inputs{
		Project: "p", Service: "s", Dockerfile: "Dockerfile", Text: "FROM scratch\nCOPY a /a\n",
		Context: Tree{Dir: dir},
	}
	before := mustTake(t, in, nil, &disk{})
	for i, f := range before.Trees[""].Files {
		if f.SHA256 != "" {
			before.Trees[""].Files[i].SHA256 = "known"
		}
	}
	d := &disk{}
	after := mustTake(t, in, &before, d)
	if len(d.hashes) != 0 {
		t.Fatal(len(d.hashes))
	}
	for _, f := range after.Trees[""].Files {
		if f.Mode.IsRegular() && f.SHA256 != "known" {
			t.Errorf("%s was read", f.Path)
		}
	}
	changed := filepath.Join(dir, "a", "one")
	if err := os.WriteFile(changed, []byte("new"), 0o644); err != nil {
		t.Fatal(err)
	}
	if err := os.Chtimes(changed, time.Now(), time.Now().Add(time.Hour)); err != nil {
		t.Fatal(err)
	}
	if mustTake(t, in, &before, d); len(d.hashes) != 0 {
		t.Fatal("the same walk serves one run", len(d.hashes))
	}
	d = &disk{}
	if mustTake(t, in, &before, d); len(d.hashes) != 1 {
		t.Fatal("one file changed, but read were", len(d.hashes))
	}
}

// Whether an image would be built from the same hangs on each thing that a build reads, and on nothing else.
func TestSame(t *testing.T) {
	one := func() Record {
		return Record{
			Text: "FROM a", Target: "t", Platform: "linux/amd64", Args: map[string]string{"A": "1"},
			Options: map[string]string{"network": "none"},
			Secrets: []string{"s"},
			Trees:   map[string]Files{"": {Files: []File{{Path: "f", Mode: 0o644, Size: 1, ModTime: 1, SHA256: "x"}}}},
		}
	}
	file := func(change func(*File)) func(*Record) { return func(r *Record) { change(&r.Trees[""].Files[0]) } }
	for name, c := range map[string]struct {
		change func(*Record)
		want   bool
	}{
		"nothing":          {func(*Record) {}, true},
		"the stamp":        {func(r *Record) { r.Stamp = "another" }, true},
		"the text":         {func(r *Record) { r.Text = "FROM b" }, false},
		"the target":       {func(r *Record) { r.Target = "" }, false},
		"the platform":     {func(r *Record) { r.Platform = "" }, false},
		"no cache":         {func(r *Record) { r.NoCache = true }, false},
		"an argument":      {func(r *Record) { r.Args["A"] = "2" }, false},
		"an option":        {func(r *Record) { r.Options["network"] = "host" }, false},
		"a secret":         {func(r *Record) { r.Secrets = nil }, false},
		"an address":       {func(r *Record) { r.Trees[""] = Files{Address: "x", Files: r.Trees[""].Files} }, false},
		"another context":  {func(r *Record) { r.Trees["more"] = Files{} }, false},
		"a file less":      {func(r *Record) { r.Trees[""] = Files{} }, false},
		"a path":           {file(func(f *File) { f.Path = "g" }), false},
		"a mode":           {file(func(f *File) { f.Mode = 0o755 }), false},
		"a link":           {file(func(f *File) { f.Link = "g" }), false},
		"a size":           {file(func(f *File) { f.Size = 2 }), false},
		"content":          {file(func(f *File) { f.SHA256 = "y" }), false},
		"the time alone":   {file(func(f *File) { f.ModTime = 2 }), true},
		"a large one":      {file(func(f *File) { f.SHA256, f.ModTime = "", 2 }), false},
		"large and as was": {file(func(f *File) { f.SHA256 = "" }), true},
		"a directory":      {file(func(f *File) { f.Mode |= os.ModeDir; f.Size = 9 }), false},
	} {
		a, b := one(), one()
		c.change(&b)
		if got := a.same(&b); got != c.want {
			t.Errorf("%s: %v", name, got)
		}
		if got := b.same(&a); got != c.want {
			t.Errorf("%s, the other way round: %v", name, got)
		}
	}
	dir := func(size int64) Record {
		return Record{Trees: map[string]Files{"": {Files: []File{{Path: "d", Mode: os.ModeDir | 0o755, Size: size}}}}}
	}
	if a, b := dir(1), dir(2); !a.same(&b) {
		t.Error("a directory's size is something")
	}
}

func TestWhatATargetReads(t *testing.T) {
	dir, other := t.TempDir(), t.TempDir()
	write(t, dir, map[string]string{"Dockerfile": "FROM scratch\n", ".dockerignore": "x\n"})
	one, size := "1", types.UnitBytes(64)
	target := buildplan.Target{
		Key: "app", Service: "other", Context: dir, Dockerfile: filepath.Join(dir, "Dockerfile"),
		Platform: "linux/arm64",
		Build: types.BuildConfig{
			Target: "t", NoCache: true, Network: "none", ShmSize: size,
			Args:               types.MappingWithEquals{"A": &one, "B": nil},
			Secrets:            []types.ServiceSecretConfig{{Source: "s"}},
			ExtraHosts:         types.HostsList{"b": {"2.2.2.2"}, "a": {"1.1.1.1"}},
			Ulimits:            map[string]*types.UlimitsConfig{"nofile": {Single: 5}},
			AdditionalContexts: types.Mapping{"lib": other, "img": "docker-image://debian:12"},
		},
	}
	in, err := Of("p", target)
	if err != nil {
		t.Fatal(err)
	}
	got := fmt.Sprintf("%s/%s %s %q %s %s %v args %v secrets %v\noptions %v\n%s %v %s\nlib %v img %v", in.Project,
		in.Service, in.Dockerfile, in.Text,
		in.Target, in.Platform, in.NoCache, in.Args, in.Secrets, in.Options, in.Context.Dir, in.Context.Patterns,
		filepath.Base(in.Context.IgnoreFile),
		in.Contexts["lib"], in.Contexts["img"])
	got = strings.NewReplacer(dir, "DIR", other, "OTHER").Replace(got)
	want := `p/app Dockerfile "FROM scratch\n" t linux/arm64 true args map[A:1] secrets [s]
options map[extra_hosts:a=1.1.1.1,b=2.2.2.2 network:none shm_size:64 ulimits:{"nofile":5}]
DIR [x] .dockerignore
lib {OTHER <nil> []  } img { <nil> []  docker-image://debian:12}`
	if got != want {
		t.Errorf("got\n%s\nwant\n%s", got, want)
	}
	target.Inline = "FROM inline\n"
	if in, err = Of("p", target); err != nil || in.Text != "FROM inline\n" {
		t.Errorf("inline: %q, %v", in.Text, err)
	}
	target.Inline, target.Dockerfile = "", filepath.Join(dir, "gone")
	if _, err = Of("p", target); err == nil {
		t.Error("a Dockerfile that is gone is no error")
	}
	target.Dockerfile = ""
	if in, err = Of("p", target); err != nil || in.Text != "" {
		t.Errorf("inside of a remote context: %q, %v", in.Text, err)
	}
	bare, err := Of("p", buildplan.Target{Key: "app", Context: "https://example.com/x.git", Inline: "FROM a"})
	if err != nil || len(bare.Options) > 0 || bare.Context.Address != "https://example.com/x.git" ||
		bare.Context.Dir != "" {
		t.Errorf("of nothing: %+v, %v", bare, err)
	}
}

func TestRecordKeepsNoSecret(t *testing.T) {
	for _, name := range []string{"TOKEN", "my_secret", "PASSWORD", "apiKey", "CREDENTIALS"} {
		if !IsSecret(name) {
			t.Errorf("%s is none", name)
		}
	}
	if IsSecret("VERSION") {
		t.Error("VERSION is one")
	}
	got := disguised(map[string]string{"TOKEN": "t", "VERSION": "1", "URL": "https://u:p@example.com/"})
	if got["VERSION"] != "1" || !strings.HasPrefix(got["TOKEN"], "sha256:") || strings.Contains(got["URL"], "u:p") ||
		!strings.HasSuffix(got["URL"], "@example.com/") {
		t.Errorf("got %v", got)
	}
	if again := disguisedURL(got["URL"]); again != got["URL"] {
		t.Errorf("twice: %s", again)
	}
	if disguised(map[string]string{"TOKEN": "t"})["TOKEN"] == disguised(map[string]string{"TOKEN": "u"})["TOKEN"] {
		t.Error("two secrets are one")
	}
}

func TestRecordOfBasesAndSteps(t *testing.T) {
	var r Record
	r.AddBase("golang", "")
	if r.Bases != nil {
		t.Error("an unknown digest is kept")
	}
	r.AddBase("golang", "sha256:1")
	if r.Bases["docker.io/library/golang:latest"] != "sha256:1" {
		t.Errorf("got %v", r.Bases)
	}
	r.Steps = []StepState{{Line: 2, State: Ran}, {Line: 3, State: Failed}}
	if r.StateAt(3) != Failed || r.StateAt(2) != Ran || r.StateAt(4) != NotReached {
		t.Error("the steps' states are others")
	}
	r.Trees = map[string]Files{"": {Dir: "/a", Files: []File{{Path: "f"}}}}
	var none *Record
	if len(r.ContextFiles("", "/a")) != 1 || len(r.ContextFiles("", "/b")) != 0 ||
		len(none.ContextFiles("", "/a")) != 0 {
		t.Error("the files of a context are others")
	}
}

func TestFilesOfATree(t *testing.T) {
	dir := t.TempDir()
	write(t, dir, map[string]string{"a/one": "1", "b": "2", "c": "3"})
	if err := os.Symlink("b", filepath.Join(dir, "link")); err != nil {
		t.Fatal(err)
	}
	in := Inputs{Text: "FROM scratch\nCOPY link a /x/\n", Dockerfile: "Dockerfile", Context: Tree{Dir: dir}}
	var got []string
	r := mustTake(t, in, nil, &disk{})
	for _, f := range r.Trees[""].Files {
		got = append(got, fmt.Sprintf("%s %d %v %v %s", f.Path, f.Size, f.SHA256 != "", f.ModTime != 0, f.Link))
	}
	if !slices.IsSorted(got) {
		t.Errorf("not in order: %q", got)
	}
	want := "a 0 false false \na/one 1 true true \nb 1 true true \nlink 0 false false b"
	for i, line := range got {
		if strings.HasPrefix(line, "a ") { // a directory's size is the file system's
			got[i] = "a 0 false false "
		}
	}
	if text := strings.Join(got, "\n"); text != want {
		t.Errorf("got\n%s\nwant\n%s", text, want)
	}
}
