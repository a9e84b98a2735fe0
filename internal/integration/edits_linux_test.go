//go:build integration

package integration

import (
	"fmt"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"

	"github.com/25eloquence/compose-mage/internal/enginetest"
)

// editedServices are built side by side, and edited one edit each a round.
const editedServices = 25

// editor makes random edits of one service's context, Dockerfile and ignore file.
type editor struct {
	f    *fixture
	rand *rand.Rand
	dir  string // of the service, relative to the fixture's
	step int    // makes every new content another one
	arg  int
}

// dockerfile is a random Dockerfile, always valid for the files that an editor keeps. One service in ten runs steps,
// which takes longer.
func (e *editor) dockerfile() string {
	var b strings.Builder
	fmt.Fprint(&b, "FROM scratch AS first\nCOPY keep /first/\n")
	runs := strings.HasSuffix(e.dir, "0")
	if runs {
		b.WriteString("FROM debian:bookworm-slim AS ran\nCOPY . /all/\nARG A\n" +
			"RUN mkdir /out; cat /all/keep > /out/keep; ls -RAl --time-style=+ /all > /out/list; echo $A > /out/arg\n")
	}
	copies := []string{
		"COPY . /all/", "COPY d /d/", "COPY *.txt keep /txt/", "COPY --chmod=0640 keep /mode",
		"COPY --chown=7:8 d /owned/",
		"COPY --from=first /first/ /from/", "ADD keep /added", "COPY d/a.txt* d/keep /one/",
		"ARG A\nENV A=$A\nCOPY keep /arg-$A",
	}
	e.rand.Shuffle(len(copies), func(i, j int) { copies[i], copies[j] = copies[j], copies[i] })
	fmt.Fprintf(&b, "FROM scratch\n%s\n", strings.Join(copies[:2+e.rand.IntN(4)], "\n"))
	if runs {
		b.WriteString("COPY --from=ran /out/ /ran/\n")
	}
	if e.rand.IntN(2) == 0 {
		fmt.Fprintf(&b, "LABEL edit=%d\n", e.step)
	}
	return b.String()
}

func (e *editor) path(name string) string { return filepath.Join(e.f.dir, e.dir, name) }

// files lists the context's files that an edit may take away.
func (e *editor) files() []string {
	var out []string
	_ = filepath.WalkDir(e.path(""), func(path string, d os.DirEntry, err error) error {
		if rel, _ := filepath.Rel(e.path(""), path); err == nil && !d.IsDir() &&
			!slices.Contains([]string{"keep", "d/keep", "Dockerfile", ".dockerignore"}, rel) {
			out = append(out, path)
		}
		return err
	})
	return out
}

// edit makes one random edit and says which.
func (e *editor) edit() string {
	e.step++
	names := []string{"a.txt", "b.txt", "d/a.txt", "d/b", "d/deep/c.txt", "keep", "d/keep", "x y.txt", "ignored.log"}
	name := names[e.rand.IntN(len(names))]
	files := e.files()
	content := fmt.Sprintf("%d of %s %s\n", e.step, e.dir, strings.Repeat("x", e.rand.IntN(3)*5000))
	switch kind := e.rand.IntN(10); {
	case kind == 0:
		e.f.write(filepath.Join(e.dir, "Dockerfile"), e.dockerfile())
		return "another Dockerfile"
	case kind == 1:
		ignore := []string{"", "*.log\n", "d/deep\n", "*\n!keep\n!d/keep\n!d\n", "**/b*\n"}[e.rand.IntN(5)]
		e.f.write(filepath.Join(e.dir, ".dockerignore"), ignore)
		return fmt.Sprintf(".dockerignore %q", ignore)
	case kind == 2 && len(files) > 0:
		gone := files[e.rand.IntN(len(files))]
		e.must(os.Remove(gone))
		return "remove " + gone
	case kind == 3 && len(files) > 0:
		from := files[e.rand.IntN(len(files))]
		e.must(os.Rename(from, filepath.Join(filepath.Dir(from), fmt.Sprintf("moved%d.txt", e.step))))
		return "rename " + from
	case kind == 4:
		mode := os.FileMode([]int{0o600, 0o644, 0o755, 0o444}[e.rand.IntN(4)])
		e.must(os.Chmod(e.path("keep"), mode))
		return fmt.Sprintf("mode %o of keep", mode)
	case kind == 5:
		link := e.path(fmt.Sprintf("d/link%d", e.step%3))
		_ = os.Remove(link)
		e.must(os.Symlink([]string{"../keep", "nowhere", "link0"}[e.rand.IntN(3)], link))
		return "link " + link
	case kind == 6:
		e.arg++
		return fmt.Sprintf("argument A=%d", e.arg)
	case kind == 7: // the same length at another time
		e.f.write(filepath.Join(e.dir, "d/keep"), fmt.Sprintf("%08d", e.step))
		return "same length"
	}
	e.f.write(filepath.Join(e.dir, name), content)
	return "write " + name
}

func (e *editor) must(err error) {
	if err != nil {
		e.f.t.Fatal(err)
	}
}

// TestIntegrationAnyEditGivesTheImageOfAFreshBuild edits contexts at random, builds as users do, and compares each
// image in the engine with one that is built without any cache from a copy of the sources. EDITS and SEED choose how
// many edits, and which.
func TestIntegrationAnyEditGivesTheImageOfAFreshBuild(t *testing.T) {
	edits, seed := number("EDITS", 50), number("SEED", 1)
	t.Logf("SEED=%d EDITS=%d", seed, edits)
	f := newFixture(t)
	temp := os.TempDir()
	// In memory the builder is some 30 % faster.
	if _, err := os.Stat("/dev/shm"); err == nil {
		t.Setenv("TMPDIR", "/dev/shm")
	}
	builder := enginetest.Builder(t)
	t.Setenv("TMPDIR", temp)
	f.on(builder)
	var editors []*editor
	for i := range editedServices {
		e := &editor{f: f, rand: rand.New(rand.NewPCG(uint64(seed), uint64(i))), dir: fmt.Sprintf("s%d", i)}
		for _, name := range []string{"keep", "d/keep", "a.txt", "d/a.txt", "ignored.log"} {
			f.write(filepath.Join(e.dir, name), "first of "+e.dir)
		}
		f.write(filepath.Join(e.dir, "Dockerfile"), e.dockerfile())
		editors = append(editors, e)
	}
	for done := 0; done < edits; done += editedServices {
		made := map[string]string{}
		var compose strings.Builder
		compose.WriteString("services:\n")
		for _, e := range editors {
			made[e.dir] = e.edit()
			fmt.Fprintf(&compose, "  %s: {build: {context: %s, args: {A: \"%d\"}}}\n", e.dir, e.dir, e.arg)
		}
		f.write("compose.yaml", compose.String())
		f.mustBuild()
		fresh := f.copied()
		fresh.on(builder)
		fresh.mustBuild()
		var all sync.WaitGroup
		for _, e := range editors {
			all.Go(func() {
				got, want := f.listing(f.name+"-"+e.dir), fresh.listing(fresh.name+"-"+e.dir)
				if got != want {
					t.Errorf("SEED=%d, edits up to %d, the last %s: the engine has\n%s\na fresh build gives\n%s",
						seed, done+editedServices, made[e.dir], got, want)
				}
			})
		}
		all.Wait()
		fresh.remove()
		if t.Failed() {
			return
		}
	}
}

// copied is the fixture's project as a new one in a new directory, which the builder has never read, built without
// cache.
func (f *fixture) copied() *fixture {
	f.t.Helper()
	dir := f.t.TempDir()
	if out, err := exec.Command("cp", "-a", f.dir+"/.", dir).CombinedOutput(); err != nil {
		f.t.Fatalf("copying the sources: %v %s", err, out)
	}
	c := &fixture{t: f.t, dir: dir, name: f.name + "-fresh", engine: f.engine, memory: f.t.TempDir()}
	c.noCache = true
	return c
}

func number(name string, otherwise int) int {
	if n, err := strconv.Atoi(os.Getenv(name)); err == nil {
		return n
	}
	return otherwise
}
