package bases

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/moby/buildkit/solver/pb"
	"github.com/moby/buildkit/sourcepolicy"
	spb "github.com/moby/buildkit/sourcepolicy/pb"
	"github.com/opencontainers/go-digest"

	"github.com/25eloquence/compose-mage/internal/fault"
)

// sum is a digest of its own for each word.
func sum(word string) digest.Digest { return digest.FromString(word) }

func mustNew(t *testing.T, pairs ...string) Lock {
	t.Helper()
	digests := map[string]digest.Digest{}
	for i := 0; i < len(pairs); i += 2 {
		digests[pairs[i]] = sum(pairs[i+1])
	}
	l, err := New(digests)
	if err != nil {
		t.Fatal(err)
	}
	return l
}

func TestDigestKnowsEverySpellingOfAReference(t *testing.T) {
	l := mustNew(t, "golang", "go", "debian:bookworm-slim", "deb", "ghcr.io/a/b:1", "ghcr")
	for ref, want := range map[string]digest.Digest{
		"golang": sum("go"), "golang:latest": sum("go"), "docker.io/library/golang": sum("go"),
		"index.docker.io/library/golang:latest":  sum("go"),
		"docker.io/library/debian:bookworm-slim": sum("deb"), "ghcr.io/a/b:1": sum("ghcr"),
		"golang:1.26": "", "debian": "", "b:1": "", "ghcr.io/a/b": "", "golang@" + sum("x").String(): "",
		"Not A Reference": "", "": "",
	} {
		got, ok := l.Digest(ref)
		if got != want || ok != (want != "") {
			t.Errorf("%q: got %q, %v, want %q", ref, got, ok, want)
		}
	}
	if d, ok := (Lock{}).Digest("golang"); ok {
		t.Errorf("the zero Lock locks golang to %q", d)
	}
}

func TestNewRefusesWhatIsNoLock(t *testing.T) {
	for name, digests := range map[string]map[string]digest.Digest{
		"no digest": {"golang": ""}, "short digest": {"golang": "sha256:abc"}, "no reference": {"Go Lang": sum("a")},
		"a reference with a digest": {"golang@" + sum("b").String(): sum("a")},
	} {
		if l, err := New(digests); err == nil {
			t.Errorf("%s: got %v", name, l)
		}
	}
}

func TestMergeLetsOverWinAndChangesNeither(t *testing.T) {
	project := mustNew(t, "golang:1", "project", "debian:12", "project")
	machine := mustNew(t, "docker.io/library/golang:1", "machine", "redis:7", "machine")
	both := project.Merge(machine)
	for ref, want := range map[string]string{"golang:1": "machine", "debian:12": "project", "redis:7": "machine"} {
		if got, _ := both.Digest(ref); got != sum(want) {
			t.Errorf("%s: got %q, want the %s's", ref, got, want)
		}
	}
	if got, _ := project.Digest("golang:1"); got != sum("project") || project.Len() != 2 || machine.Len() != 2 ||
		both.Len() != 3 {
		t.Errorf("merging changed what was merged: %v, %v, %v", project.Refs(), machine.Refs(), both.Refs())
	}
	if got := (Lock{}).Merge(Lock{}); got.Len() != 0 || got.Policy() != nil {
		t.Errorf("two empty locks give %v", got)
	}
}

// BuildKit's own engine reads the policy here, on the identifiers that its Dockerfile frontend makes.
func TestPolicyPinsInBuildKitsEngine(t *testing.T) {
	l := mustNew(t, "golang:1.26-bookworm", "go", "ghcr.io/a/b", "ghcr")
	const hub, ghcr = "docker-image://docker.io/library/", "docker-image://ghcr.io/a/b:latest"
	engine := sourcepolicy.NewEngine([]*spb.Policy{l.Policy()})
	for from, want := range map[string]string{
		hub + "golang:1.26-bookworm": hub + "golang:1.26-bookworm@" + sum("go").String(),
		ghcr:                         ghcr + "@" + sum("ghcr").String(),

		hub + "golang:1.26-bookworm@" + sum("other").String():                                 "",
		hub + "golang:1.26-bookworm-slim":                                                     "",
		"docker-image://mirror.example/docker.io/library/golang:1.26-bookworm":                "",
		"docker-image-blob://docker.io/library/golang:1.26-bookworm@" + sum("other").String(): "",
		"git://github.com/a/b": "",
	} {
		op := &pb.SourceOp{Identifier: from}
		mutated, err := engine.Evaluate(t.Context(), op)
		if want == "" {
			want = from
		}
		if err != nil || op.Identifier != want || mutated != (want != from) {
			t.Errorf("%s\n became %s (%v, %v)\n want   %s", from, op.Identifier, mutated, err, want)
		}
	}
	if (Lock{}).Policy() != nil {
		t.Error("the zero Lock has a policy")
	}
}

func read(t *testing.T, text string) (Lock, error) {
	t.Helper()
	path := filepath.Join(t.TempDir(), "bases.lock")
	if err := os.WriteFile(path, []byte(text), 0o640); err != nil {
		t.Fatal(err)
	}
	return Read(path)
}

func TestReadOfNoFileIsTheEmptyLock(t *testing.T) {
	l, err := Read(filepath.Join(t.TempDir(), "no", "such.lock"))
	if err != nil || l.Len() != 0 {
		t.Errorf("got %v, %v", l.Refs(), err)
	}
	if _, err := Read(t.TempDir()); err == nil {
		t.Error("a directory is no lock file")
	}
}

func TestReadTellsTheDamagedLine(t *testing.T) {
	good := "golang:1 " + sum("a").String() + "\n"
	for name, c := range map[string]struct{ text, want string }{
		"no digest": {good + "debian:12\n", `bases.lock:2: it is not a reference and a digest`},
		"cut short": {
			"# about\n\n" + good + "debian:12 sha256:abcdef",
			`bases.lock:4: its second word is no digest: invalid checksum digest length`,
		},
		"no algorithm": {
			"debian:12 " + sum("a").Encoded(),
			`bases.lock:1: its second word is no digest: invalid checksum digest format`,
		},
		"unknown algorithm": {"debian:12 md5:d41d8cd98f00b204e9800998ecf8427e", `unsupported digest algorithm`},
		"three words": {
			"debian:12 " + sum("a").String() + " # mine",
			`bases.lock:1: it is not a reference and a digest`,
		},
		"upper case":         {"Debian:12 " + sum("a").String(), `bases.lock:1: its first word is no reference`},
		"a pinned reference": {"debian@" + sum("b").String() + " " + sum("a").String(), `names a digest itself`},
		"a merge conflict": {
			"<<<<<<< HEAD\n" + good + "=======\n" + good + ">>>>>>> main\n",
			`bases.lock:1: its first word is no reference`,
		},
		"twice": {good + good, `bases.lock:2: "golang:1" is locked twice (before as "golang:1")`},
		"twice, spelled apart": {
			good + "docker.io/library/golang:1 " + sum("b").String(),
			`bases.lock:2: "docker.io/library/golang:1" is locked twice`,
		},
		"binary": {"\x00\x01\x02", `bases.lock:1: it is not`},
		"JSON":   {`{"golang": "` + sum("a").String() + `"}`, `bases.lock:1: its first word is no reference`},
	} {
		l, err := read(t, c.text)
		var f *fault.Error
		if !errors.As(err, &f) || f.Code != fault.Config || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s: got %v (%T), want code %d and %q", name, err, err, fault.Config, c.want)
		}
		if strings.Contains(c.text, "debian:12") && strings.Contains(err.Error(), "debian") ||
			strings.Contains(err.Error(), "<<<") {
			t.Errorf("%s: the line is shown, which may be of any file: %v", name, err)
		}
		if l.Len() != 0 {
			t.Errorf("%s: a damaged file locks %v", name, l.Refs())
		}
	}
}

func TestReadForgivesWindows(t *testing.T) {
	l, err := read(t, "\ufeff# about\r\n\r\ngolang:1\t"+sum("a").String()+"\r\n")
	if d, ok := l.Digest("golang:1"); err != nil || !ok || d != sum("a") {
		t.Errorf("got %v, %v", l.Refs(), err)
	}
}

func TestWriteKeepsCommentsAndSorts(t *testing.T) {
	text := "# About this file.\n\n# why redis\nredis:7 " + sum("r").String() +
		"\n# why golang,\n# in two lines\ngolang:1 " + sum("g").String() + "\n# the end\n"
	l, err := read(t, text)
	if err != nil {
		t.Fatal(err)
	}
	path := filepath.Join(t.TempDir(), "docker", "bases.lock")
	if err := l.Write(path); err != nil {
		t.Fatal(err)
	}
	got, err := os.ReadFile(path)
	want := "# About this file.\n\n# why golang,\n# in two lines\ngolang:1 " + sum("g").String() +
		"\n# why redis\nredis:7 " + sum("r").String() + "\n# the end\n"
	if err != nil || string(got) != want {
		t.Errorf("got %v\n%s\nwant\n%s", err, got, want)
	}
	left, err := os.ReadDir(filepath.Dir(path))
	if err != nil || len(left) != 1 {
		t.Errorf("beside the file: %v, %v", left, err)
	}
}

func TestWriteOfANewFileExplainsIt(t *testing.T) {
	path := filepath.Join(t.TempDir(), "bases.lock")
	if err := mustNew(t, "golang:1", "g").Write(path); err != nil {
		t.Fatal(err)
	}
	got, err := os.ReadFile(path)
	if err != nil || !strings.HasPrefix(string(got), "# The digests of the base images") ||
		!strings.HasSuffix(string(got), "\n\ngolang:1 "+sum("g").String()+"\n") {
		t.Errorf("got %v\n%s", err, got)
	}
}

func TestWriteLeavesAnEqualFileAlone(t *testing.T) {
	path := filepath.Join(t.TempDir(), "bases.lock")
	l := mustNew(t, "golang:1", "g")
	if err := l.Write(path); err != nil {
		t.Fatal(err)
	}
	before, err := os.Stat(path)
	if err != nil {
		t.Fatal(err)
	}
	if err := l.Write(path); err != nil {
		t.Fatal(err)
	}
	after, err := os.Stat(path)
	if err != nil || !os.SameFile(before, after) || !after.ModTime().Equal(before.ModTime()) {
		t.Errorf("an equal file was written again (%v)", err)
	}
}

func TestWriteThatFailsLeavesTheOldFile(t *testing.T) {
	dir := t.TempDir()
	blocked := filepath.Join(dir, "file")
	if err := os.WriteFile(blocked, []byte("not a folder"), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := mustNew(t, "golang:1", "g").Write(filepath.Join(blocked, "bases.lock")); err == nil {
		t.Error("writing under a file succeeded")
	}
	if got, err := os.ReadFile(blocked); err != nil || string(got) != "not a folder" {
		t.Errorf("got %q, %v", got, err)
	}
}

func TestFileMayBeNamed(t *testing.T) {
	t.Setenv(FileVariable, "")
	if got := File(); got != filepath.Join("docker", "bases.lock") {
		t.Errorf("got %q", got)
	}
	t.Setenv(FileVariable, "elsewhere.lock")
	if got := File(); got != "elsewhere.lock" {
		t.Errorf("got %q", got)
	}
}

func TestReadAllLetsTheMachineWin(t *testing.T) {
	dir := t.TempDir()
	file := filepath.Join(dir, "docker", "bases.lock")
	if err := mustNew(t, "golang:1", "project", "redis:7", "project").Write(file); err != nil {
		t.Fatal(err)
	}
	if err := mustNew(t, "golang:1", "machine").Write(StateFile(dir)); err != nil {
		t.Fatal(err)
	}
	l, err := ReadAll(file, dir)
	if err != nil {
		t.Fatal(err)
	}
	if g, _ := l.Digest("golang:1"); g != sum("machine") {
		t.Errorf("golang:1 is %q", g)
	}
	if r, _ := l.Digest("redis:7"); r != sum("project") {
		t.Errorf("redis:7 is %q", r)
	}
	for _, damaged := range []string{file, StateFile(dir)} {
		if err := os.WriteFile(damaged, []byte("golang:1\n"), 0o600); err != nil {
			t.Fatal(err)
		}
		if _, err := ReadAll(file, dir); err == nil || !strings.Contains(err.Error(), damaged+":1:") {
			t.Errorf("got %v, want the damaged line of %s", err, damaged)
		}
		if err := os.Remove(damaged); err != nil {
			t.Fatal(err)
		}
	}
}

// FuzzRead: whatever a file holds, Read gives a lock or an error of code Config that says file:line, and a lock that it
// gives is written as a file that reads as the same lock and is then written the same again.
func FuzzRead(f *testing.F) {
	for _, seed := range []string{
		"", "# only comments\n", "golang:1 " + sum("a").String(), "# a\n\n# b\ngolang " + sum("a").String() +
			"\n\n# c\nx/y:2 " + sum("b").String() + "\n# d\n",
		"\ufeffgolang:1 " + sum("a").String() + "\r\n", "golang:1 sha256:00", "\n\n\ngolang:1 sha512:" +
			strings.Repeat("ab", 64), "a b c", "<<<<<<< HEAD\n",
		"a:1 " + sum("a").String() + "\n\n\n", "#\n#\n\n#x\n", "\v\u00a0golang:1 " + sum("a").String(),
	} {
		f.Add([]byte(seed))
	}
	path, again := filepath.Join(f.TempDir(), "bases.lock"), filepath.Join(f.TempDir(), "again.lock")
	f.Fuzz(func(t *testing.T, data []byte) {
		if err := os.WriteFile(path, data, 0o600); err != nil {
			t.Fatal(err)
		}
		l, err := Read(path)
		if err != nil {
			var known *fault.Error
			if !errors.As(err, &known) || known.Code != fault.Config || !strings.Contains(err.Error(), path+":") ||
				l.Len() != 0 {
				t.Fatalf("got %v and %d entries", err, l.Len())
			}
			return
		}
		if err := l.Write(again); err != nil {
			t.Fatal(err)
		}
		first, err := os.ReadFile(again)
		if err != nil {
			t.Fatal(err)
		}
		back, err := Read(again)
		if err != nil {
			t.Fatalf("what was written does not read: %v\n%s", err, first)
		}
		for _, ref := range l.Refs() {
			want, _ := l.Digest(ref)
			if got, ok := back.Digest(ref); !ok || got != want {
				t.Errorf("%q was %q and came back as %q", ref, want, got)
			}
		}
		if back.Len() != l.Len() || string(back.format()) != string(first) {
			t.Errorf("written twice it differs:\n%s\n---\n%s", first, back.format())
		}
	})
}

func TestExplainedHeadsTheFile(t *testing.T) {
	plain := mustNew(t, "golang:1", "g")
	path := filepath.Join(t.TempDir(), "bases.lock")
	if err := plain.Explained("# about", "# this").Write(path); err != nil {
		t.Fatal(err)
	}
	if got, err := os.ReadFile(path); err != nil || string(got) != "# about\n# this\n\ngolang:1 "+sum("g").String()+
		"\n" {
		t.Errorf("got %v\n%s", err, got)
	}
	if len(plain.header) != 0 {
		t.Error("the lock itself changed")
	}
}

// The file in the repository reads, keeps its comments, and has no digest of a machine's own bases: those are in its
// state directory.
func TestRepositorysLockReads(t *testing.T) {
	path := filepath.Join("..", "..", "docker", "bases.lock")
	l, err := Read(path)
	if err != nil {
		t.Fatal(err)
	}
	text, err := os.ReadFile(path)
	if err != nil || string(l.format()) != string(text) {
		t.Errorf("written again it would be\n%s\n%v", l.format(), err)
	}
}
