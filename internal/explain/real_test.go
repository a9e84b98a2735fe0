package explain

import (
	"context"
	"io/fs"
	"math/rand/v2"
	"os"
	"path"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/moby/patternmatcher"

	"github.com/25eloquence/compose-mage/internal/buildinputs"
	"github.com/25eloquence/compose-mage/internal/buildplan"
)

// real is one of this repository's Dockerfiles on a copy of what its steps read.
type real struct {
	*workspace
	dockerfile string
}

// realDockerfiles copies the services and gives their Dockerfiles.
func realDockerfiles(t testing.TB) []real {
	t.Helper()
	root, dir := filepath.Join("..", ".."), t.TempDir()
	if err := os.CopyFS(filepath.Join(dir, "services"), os.DirFS(filepath.Join(root, "services"))); err != nil {
		t.Fatal(err)
	}
	if err := os.CopyFS(filepath.Join(dir, "docker"), os.DirFS(filepath.Join(root, "docker"))); err != nil {
		t.Fatal(err)
	}
	ignore, err := os.ReadFile(filepath.Join(root, ".dockerignore"))
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(dir, ".dockerignore"), ignore, 0o644); err != nil {
		t.Fatal(err)
	}
	files, err := filepath.Glob(filepath.Join(dir, "docker", "*.Dockerfile"))
	if err != nil || len(files) < 6 {
		t.Fatal(files, err)
	}
	var out []real
	for _, file := range files {
		w := newWorkspace(t, "", nil)
		in, err := buildinputs.Of("p", buildplan.Target{
			Key: strings.TrimSuffix(filepath.Base(file), ".Dockerfile"), Context: dir, Dockerfile: file,
		})
		if err != nil {
			t.Fatal(err)
		}
		w.in = in
		w.in.Args = map[string]string{"GOPROXY": "https://a"}
		out = append(out, real{w, file})
	}
	return out
}

var copyLine = regexp.MustCompile(`(?m)^COPY (?:--ch\S+ )*([^-].*)$`)

// copied says, from the Dockerfile's text alone, which files of the context its steps copy.
func (r *real) copied() (in, out, ignored []string) {
	var sources []string
	for _, m := range copyLine.FindAllStringSubmatch(r.in.Text, -1) {
		words := strings.Fields(m[1])
		sources = append(sources, words[:len(words)-1]...)
	}
	left, err := patternmatcher.New(r.in.Context.Patterns)
	r.do(err)
	r.do(filepath.WalkDir(r.in.Context.Dir, func(p string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		rel, _ := filepath.Rel(r.in.Context.Dir, p)
		rel = filepath.ToSlash(rel)
		skip, err := left.MatchesOrParentMatches(rel)
		taken := slices.ContainsFunc(sources, func(s string) bool {
			m, _ := path.Match(s, rel)
			return m || strings.HasPrefix(rel, strings.TrimSuffix(s, "/")+"/")
		})
		switch {
		case skip && taken:
			ignored = append(ignored, rel)
		case taken:
			in = append(in, rel)
		default:
			out = append(out, rel)
		}
		return err
	}))
	return in, out, ignored
}

// TestRandomEdits makes one edit at a time to what the real images are built from: the reason names what a step takes,
// and there is none where no step takes it.
func TestRandomEdits(t *testing.T) {
	images := slices.DeleteFunc(realDockerfiles(t), func(img real) bool {
		in, _, _ := img.copied()
		return len(in) == 0
	})
	if len(images) < 6 {
		t.Fatalf("%d images copy files", len(images))
	}
	r := rand.New(rand.NewPCG(7, 11))
	pick := func(list []string) string { return list[r.IntN(len(list))] }
	seen := map[string]int{}
	for range 110 {
		img := images[r.IntN(len(images))]
		in, out, ignored := img.copied()
		before := img.take(nil)
		text0, args0 := img.in.Text, img.in.Args
		name, want, undo := "", "", func() {}
		edit := []string{
			"change", "add", "remove", "rename", "chmod", "uncopied", "ignored", "argument",
			"unused argument", "line", "comment",
		}[r.IntN(11)]
		switch edit {
		case "uncopied":
			name, undo = img.changeFile(pick(out))
		case "ignored":
			if len(ignored) == 0 {
				continue
			}
			name, undo = img.changeFile(pick(ignored))
		case "argument", "unused argument":
			name, want = img.changeArgument(edit == "argument")
		case "comment":
			img.in.Text = "# another comment\n" + img.in.Text
		case "line":
			for name == "" {
				name, want = img.changeLine(r)
			}
		default:
			name = pick(in)
			want, undo = img.editFile(edit, name)
		}
		after := img.take(before)
		reasons, err := Predict(before, after)
		got := text(reasons)
		switch {
		case err != nil:
			t.Fatal(err)
		case want == "" && got != "":
			t.Fatalf("%s: %s %s: nothing takes it, but:\n%s", img.dockerfile, edit, name, got)
		case want != "" &&
			(len(reasons) == 0 || !strings.Contains(reasons[0].Why+strings.Join(reasons[0].Detail, "\n"), want)):
			t.Fatalf("%s: %s %s: want %q first, got:\n%s", img.dockerfile, edit, name, want, got)
		}
		for _, x := range reasons[min(1, len(reasons)):] {
			// What two steps copy is told at both; everything else only follows.
			if !strings.HasPrefix(x.Why, "follows from line ") && !strings.Contains(x.Why, want) {
				t.Fatalf("%s: %s %s: a second reason:\n%s", img.dockerfile, edit, name, got)
			}
		}
		if again, err := Predict(after, img.take(after)); err != nil || len(again) > 0 {
			t.Fatalf("%s: %s %s: and once more: %s %v", img.dockerfile, edit, name, text(again), err)
		}
		img.in.Text, img.in.Args = text0, args0
		undo()
		seen[edit]++
	}
	for _, edit := range []string{
		"change", "add", "remove", "rename", "chmod", "uncopied", "ignored", "argument",
		"unused argument", "line", "comment",
	} {
		if seen[edit] < 3 {
			t.Errorf("%s was tried %d times", edit, seen[edit])
		}
	}
}

// changeFile appends to a file and gives how to undo that.
func (r *real) changeFile(name string) (string, func()) {
	old, err := os.ReadFile(r.path(name))
	r.do(err)
	r.do(os.WriteFile(r.path(name), append(slices.Clone(old), "\n// changed"...), 0o644))
	return name, func() { r.do(os.WriteFile(r.path(name), old, 0o644)) }
}

// editFile edits one copied file and gives what the reason must name.
func (r *real) editFile(edit, name string) (want string, undo func()) {
	p := r.path(name)
	info, err := os.Stat(p)
	r.do(err)
	old, err := os.ReadFile(p)
	r.do(err)
	restore := func() {
		r.do(os.WriteFile(p, old, 0o644))
		r.do(os.Chmod(p, info.Mode()))
	}
	beside := path.Join(path.Dir(name), "zz"+path.Ext(name))
	_, taken := func() (string, bool) {
		if strings.Contains(r.in.Text, name) { // copied by its own name: a neighbour is not
			return "", false
		}
		return "", true
	}()
	switch edit {
	case "add":
		r.do(os.WriteFile(r.path(beside), []byte("new"), 0o644))
		if taken {
			want = beside + " was added"
		}
		return want, func() { r.do(os.Remove(r.path(beside))) }
	case "remove":
		r.do(os.Remove(p))
		return name + " was removed", restore
	case "rename":
		r.do(os.Rename(p, r.path(beside)))
		want = name + " was removed"
		if taken && len(old) > 0 {
			want = name + " was renamed to " + beside
		}
		return want, func() {
			r.do(os.Remove(r.path(beside)))
			restore()
		}
	case "chmod":
		r.do(os.Chmod(p, info.Mode()^0o100))
		return "mode of " + name, restore
	default:
		r.changeFile(name)
		return name + " changed", restore
	}
}

func (r *real) changeArgument(known bool) (name, want string) {
	r.in.Args = map[string]string{"GOPROXY": "https://a", "OTHER": "x"}
	if known {
		r.in.Args = map[string]string{"GOPROXY": "https://b"}
		if strings.Contains(r.in.Text, "\nARG GOPROXY\n") {
			want = `build argument GOPROXY changed from "https://a" to "https://b"`
		}
	}
	return "GOPROXY", want
}

// changeLine changes an instruction that makes a step.
func (r *real) changeLine(rnd *rand.Rand) (name, want string) {
	lines := strings.Split(r.in.Text, "\n")
	i := rnd.IntN(len(lines))
	first := i // of the instruction, which may go over several lines
	for first > 0 && strings.HasSuffix(lines[first-1], `\`) {
		first--
	}
	if strings.HasPrefix(strings.TrimSpace(lines[i]), "#") || strings.HasSuffix(lines[i], `\`) {
		return "", ""
	}
	switch word, _, _ := strings.Cut(lines[first], " "); word {
	case "RUN":
		lines[i] += " && true"
	case "COPY":
		lines[i] += "x"
	case "WORKDIR", "ENV":
		lines[i] += "x"
	default:
		return "", ""
	}
	r.in.Text = strings.Join(lines, "\n")
	return lines[i], "+ " + shorten(strings.TrimSpace(lines[i]), 100)[:min(len(lines[i]), 20)]
}

// The real Dockerfiles are understood: every step that BuildKit would show is numbered as it numbers it, and every
// file that a COPY names is there.
func TestRealDockerfiles(t *testing.T) {
	for _, img := range realDockerfiles(t) {
		rec := img.take(nil)
		p, err := rec.Plan()
		if err != nil {
			t.Fatal(err)
		}
		for _, n := range p.Nodes {
			if !n.IsStep() {
				continue
			}
			if found := find(p, label(n)); found != n {
				t.Errorf("%s: %s is not found again", img.dockerfile, label(n))
			}
			for _, x := range n.Sources {
				if x.Context == "" && !slices.ContainsFunc(rec.Trees[""].Files,
					func(f buildinputs.File) bool { return x.Matches(f.Path) }) {
					t.Errorf("%s:%d: %q matches no file", img.dockerfile, n.Line, x.Path)
				}
			}
		}
		in, _, _ := img.copied()
		var got []string
		for _, f := range rec.Trees[""].Files {
			if f.Mode.IsRegular() {
				got = append(got, f.Path)
			}
		}
		slices.Sort(in) // a walk has a directory's files before what sorts after its slash
		if !slices.Equal(got, in) {
			t.Errorf("%s: records %q, want %q", img.dockerfile, got, in)
		}
	}
}

// An unreadable context is an error that says what to do.
func TestTakeErrors(t *testing.T) {
	w := newWorkspace(t, "FROM scratch\nCOPY . /\n", nil)
	w.in.Context.Dir = filepath.Join(w.in.Context.Dir, "missing")
	if _, err := buildinputs.Take(context.Background(), w.in, nil); err == nil {
		t.Error("a missing context is no error")
	}
	for _, bad := range []string{
		"", "FROM", "COPY a b", "FROM scratch\nCOPPY a b",
		"FROM scratch\nRUN --nonsense true",
	} {
		w.in.Text = bad
		if _, err := buildinputs.Take(context.Background(), w.in, nil); err == nil {
			t.Errorf("%q is no error", bad)
		}
	}
	w.in.Text, w.in.Target = "FROM scratch\n", "nosuch"
	if _, err := buildinputs.Take(context.Background(), w.in, nil); err == nil ||
		!strings.Contains(err.Error(), `no stage "nosuch"`) {
		t.Error(err)
	}
}

// BenchmarkWarmRecord takes the record of an image whose files are those of the last one.
func BenchmarkWarmRecord(b *testing.B) {
	img := realDockerfiles(b)[0]
	before := img.take(nil)
	for b.Loop() {
		img.take(before)
	}
}

// BenchmarkRememberUnchanged is what a build that finds nothing to do pays, image by image.
func BenchmarkRememberUnchanged(b *testing.B) {
	img, dir := realDockerfiles(b)[0], b.TempDir()
	img.in.Stamp = "1"
	img.remember(dir, shownSteps(digestA, 8))
	for b.Loop() {
		img.do(NewStore(dir).Remember(context.Background(), img.in, shownSteps(digestA)))
	}
}
