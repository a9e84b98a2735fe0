package builds

import (
	"fmt"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"sync"
	"testing"
)

func id(n int) string { return fmt.Sprintf("sha256:%064x", n) }

func add(t *testing.T, s *Store, image int, service string, names ...string) {
	t.Helper()
	if err := s.Add(t.Context(), id(image), service, names); err != nil {
		t.Fatal(err)
	}
}

// said is the records in short: "web 1 [docker.io/shop/web:1]".
func said(all []Record) (out []string) {
	for _, r := range all {
		out = append(out,
			fmt.Sprintf("%s %s %v", r.Service, strings.TrimLeft(strings.TrimPrefix(r.ID, "sha256:"), "0"), r.Names))
	}
	return out
}

func wants(t *testing.T, got []Record, want ...string) {
	t.Helper()
	if out := said(got); len(out)+len(want) > 0 && !reflect.DeepEqual(out, want) {
		t.Errorf("got  %q\nwant %q", out, want)
	}
}

func TestRecords(t *testing.T) {
	var none *Store
	if none.Records() != nil || none.All() != nil || none.Folder() != "" ||
		none.Add(t.Context(), id(1), "web", nil) != nil || none.Forget(t.Context(), id(1)) != nil {
		t.Error("no store keeps something")
	}
	dir := t.TempDir()
	s := Open(dir, "shop", "/src/shop", "engine")
	wants(t, s.Records())
	if err := s.Check(); err != nil || none.Check() != nil {
		t.Errorf("no record is a damaged one: %v", err)
	}
	add(t, s, 1, "web", "shop/web:1", "shop/web")
	add(t, s, 2, "web", "shop/web:2", "shop/web")
	add(t, s, 3, "db", "shop/db")
	wants(t, s.Records(), "db 3 [docker.io/shop/db:latest]", "web 2 [docker.io/shop/web:2 docker.io/shop/web:latest]",
		"web 1 [docker.io/shop/web:1 docker.io/shop/web:latest]")
	add(t, s, 1, "web", "shop/web:back") // built again, from the sources of before
	web1 := "web 1 [docker.io/shop/web:1 docker.io/shop/web:latest docker.io/shop/web:back]"
	wants(t, s.Records(), web1, "db 3 [docker.io/shop/db:latest]",
		"web 2 [docker.io/shop/web:2 docker.io/shop/web:latest]")

	add(t, Open(dir, "shop", "/src/copy", "engine"), 2, "web", "shop/web:copy")
	if all := s.Records(); len(all) != 4 || all[0].Dir != "/src/copy" || all[3].Dir != "/src/shop" {
		t.Errorf("of another checkout: %+v", all)
	}
	other := Open(dir, "shop", "/src/shop", "another engine")
	wants(t, other.Records())
	add(t, Open(dir, "cafe", "/src/cafe", "engine"), 4, "web", "cafe/web")
	if all := s.All(); len(all) != 5 {
		t.Errorf("of all projects: %q", said(all))
	}
	if err := other.Forget(t.Context(), id(1)); err != nil || len(s.Records()) != 4 {
		t.Errorf("another engine's image was forgotten: %v", err)
	}
	if err := s.Forget(t.Context(), id(2), id(9)); err != nil {
		t.Fatal(err)
	}
	wants(t, s.Records(), web1, "db 3 [docker.io/shop/db:latest]")
	if info, err := os.Stat(s.file()); err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("its mode is %v, %v", info.Mode(), err)
	}
}

// Each write waits for the disk, and most builds change nothing.
func TestNothingIsWrittenThatIsKnown(t *testing.T) {
	s := Open(t.TempDir(), "shop", "/src/shop", "engine")
	add(t, s, 1, "web", "shop/web:1")
	add(t, s, 2, "db", "shop/db:1")
	before, err := os.Stat(s.file())
	if err != nil {
		t.Fatal(err)
	}
	add(t, s, 1, "web", "shop/web:1")
	if after, err := os.Stat(s.file()); err != nil || !os.SameFile(before, after) {
		t.Errorf("it was written again: %v", err)
	}
	add(t, s, 1, "web", "shop/web:2")
	if after, err := os.Stat(s.file()); err != nil || os.SameFile(before, after) {
		t.Errorf("a new name was not written: %v", err)
	}
}

func TestALinkIsTheSameCheckout(t *testing.T) {
	dir := t.TempDir()
	link := filepath.Join(dir, "link")
	real := filepath.Join(dir, "real")
	if err := os.Mkdir(real, 0o700); err != nil {
		t.Fatal(err)
	}
	if err := os.Symlink(real, link); err != nil {
		t.Skipf("no links here: %v", err)
	}
	if a, b := Open(dir, "shop", real, "e").Folder(), Open(dir, "shop", link, "e").Folder(); a != b {
		t.Errorf("%q and %q", a, b)
	}
}

// TestDamage has the file in ways in which it may be found: none is a panic, each is no record, and a build goes on.
func TestDamage(t *testing.T) {
	one := fmt.Sprintf(`{"id":%q,"engine":"engine","dir":"/src/shop","service":"web","names":[],`+
		`"built":"2026-11-27T00:00:00Z"}`, id(1))
	for name, text := range map[string]string{
		"empty": "", "cut": `{"images":[` + one[:40], "no JSON": "\x00\x01\x02", "another shape": `["x"]`,
		"null": "null", "no list": `{"images":{}}`,
		"more behind it": `{"images":[` + one + `]}{}`, "no image's ID": `{"images":[` + one + `,` +
			strings.Replace(one, "sha256:0", "sha256:x", 1) + `]}`,
		"an empty ID": `{"images":[{"id":"","engine":"engine","dir":"/src/shop","service":"web"}]}`,
		"no folder":   `{"images":[` + strings.Replace(one, "/src/shop", "", 1) + `]}`,
		"a number":    `{"images":[{"id":7}]}`, "no end": strings.Repeat("[", 1<<20), "too long": `{"images":[` + one +
			`]}` + strings.Repeat(" ", maxBytes),
	} {
		t.Run(name, func(t *testing.T) {
			s := Open(t.TempDir(), "shop", "/src/shop", "engine")
			if err := os.MkdirAll(s.dir, 0o700); err != nil {
				t.Fatal(err)
			}
			if err := os.WriteFile(s.file(), []byte(text), 0o600); err != nil {
				t.Fatal(err)
			}
			wants(t, s.Records())
			wants(t, s.All())
			if err := s.Check(); err == nil ||
				(!strings.Contains(err.Error(), s.file()) || strings.Contains(err.Error(), "\x00")) {
				t.Errorf("it says %v", err)
			}
			add(t, s, 2, "web", "shop/web:2")
			wants(t, s.Records(), "web 2 [docker.io/shop/web:2]")
			if err := s.Check(); err != nil {
				t.Error(err)
			}
		})
	}
	t.Run("a folder", func(t *testing.T) {
		s := Open(t.TempDir(), "shop", "/src/shop", "engine")
		if err := os.MkdirAll(s.file(), 0o700); err != nil {
			t.Fatal(err)
		}
		wants(t, s.Records())
		add(t, s, 2, "web") // what is no file is set aside
		wants(t, s.Records(), "web 2 []")
	})
}

func TestNoRecordOfWhatIsNoImage(t *testing.T) {
	s := Open(t.TempDir(), "shop", "/src/shop", "engine")
	for _, bad := range []string{"", "web", "sha256:", "sha256:01", id(1)[:70]} {
		if s.Add(t.Context(), bad, "web", nil) == nil {
			t.Errorf("%q was taken", bad)
		}
	}
	wants(t, s.Records())
}

func TestBounds(t *testing.T) {
	var all []Record
	for service := range 30 {
		for n := range 300 {
			all = append(all,
				Record{
					ID: id(n), Engine: "e", Dir: "/src/shop", Service: fmt.Sprint("s", service),
					Names: []string{strings.Repeat("n", 255)},
				})
		}
	}
	kept := bounded(all[:300])
	if len(kept) != maxOfService || kept[0].ID != id(0) || kept[99].ID != id(99) {
		t.Errorf("of one service: %d, from %s", len(kept), kept[0].ID)
	}
	if kept = bounded(all); len(kept) != maxRecords {
		t.Errorf("of all: %d", len(kept))
	}
	for i := range kept {
		for range maxNames {
			kept[i].Names = append(kept[i].Names, strings.Repeat("n", 255))
		}
	}
	data, err := encode(kept)
	if err != nil || len(data) > maxBytes || len(data) < maxBytes/4 {
		t.Errorf("%d bytes, %v", len(data), err)
	}
	s := Open(t.TempDir(), "shop", "/src/shop", "engine")
	for n := range 30 {
		add(t, s, 1, "web", fmt.Sprint("shop/web:", n))
	}
	if names := s.Records()[0].Names; len(names) != maxNames || names[maxNames-1] != "docker.io/shop/web:29" {
		t.Errorf("%d names, %v", len(names), names)
	}
}

// Builds of one project may run at the same time, and each has many images.
func TestNoneIsLostOfManyAtOnce(t *testing.T) {
	dir := t.TempDir()
	var all sync.WaitGroup
	for run := range 3 {
		s := Open(dir, "shop", "/src/shop", "engine")
		for n := range 5 {
			all.Go(func() {
				if err := s.Add(t.Context(), id(10*run+n), fmt.Sprint("s", n), []string{"shop/web"}); err != nil {
					t.Error(err)
				}
			})
		}
	}
	all.Wait()
	if got := Open(dir, "shop", "/src/shop", "engine").Records(); len(got) != 15 {
		t.Errorf("%d of 15: %q", len(got), said(got))
	}
}
