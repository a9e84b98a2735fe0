package snapshots

import (
	"encoding/json"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/25eloquence/compose-mage/internal/state"
	"github.com/25eloquence/compose-mage/internal/ui"
)

func TestChoose(t *testing.T) {
	at := func(text string) time.Time {
		m, err := time.Parse("2006-01-02 15:04:05", text)
		if err != nil {
			t.Fatal(err)
		}
		return m
	}
	all := []Snapshot{
		{ID: "aaaa1111", Time: at("2026-11-25 03:30:10")},
		{ID: "aaaa2222", Time: at("2026-11-26 03:30:10")},
		{ID: "20261127", Time: at("2026-11-27 03:30:10")},
	}
	for at, want := range map[string]string{
		"": "20261127", "2026-11-26": "aaaa2222", "2026-11-26 03:30": "aaaa2222", "2026-11-26 03:29": "aaaa1111",
		"2026-11-26 03:30:09": "aaaa1111", "2026-11-26 03:30:10": "aaaa2222", "2026-11-26T03:30:10Z": "aaaa2222",
		"2026-11-26T03:30:09Z": "aaaa1111", "2030-01-01": "20261127", "aaaa2": "aaaa2222", "aaaa2222ffff": "aaaa2222",
		"2026": "20261127",
	} {
		if got, err := Choose(all, at, time.UTC); err != nil || got.ID != want {
			t.Errorf("%q: got %q, %v", at, got.ID, err)
		}
	}
	for at, want := range map[string]string{
		"2026-11-24": "the first is of 2026-11-25 03:30:10", "aaaa": "may be any of 2",
		"bbbb": "neither a snapshot nor",
		"aaa":  "neither", "yesterday": "neither",
	} {
		if got, err := Choose(all, at, time.UTC); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%q: got %q, %v", at, got.ID, err)
		}
	}
	if _, err := Choose(nil, "", time.UTC); err == nil {
		t.Error("a snapshot was found in an empty repository")
	}
}

// TestManifestsFromOutside: a repository may be somebody else's, and no name in it leads out of where a restore writes.
func TestManifestsFromOutside(t *testing.T) {
	good := Manifest{Format: 1, Project: "p", Volumes: []Volume{{Key: "d", Name: "p_d"}}}
	for name, change := range map[string]func(*Manifest){
		"":                        func(*Manifest) {},
		"a later format":          func(m *Manifest) { m.Format = 3 },
		"no format":               func(m *Manifest) { m.Format = 0 },
		"a volume that is a path": func(m *Manifest) { m.Volumes[0].Key = "../../etc" },
		"a name that is a path":   func(m *Manifest) { m.Volumes[0].Name = "a/b" },
		"no name":                 func(m *Manifest) { m.Volumes[0].Name = "" },
		"an option":               func(m *Manifest) { m.Volumes[0].Name = "-f" },
		"a file from outside":     func(m *Manifest) { m.Files = []File{{Path: "x", Stored: "../x"}} },
		"a dump from outside":     func(m *Manifest) { m.Dumps = []Dump{{Path: "/etc/passwd"}} },
	} {
		m := good
		m.Volumes = append([]Volume{}, good.Volumes...)
		change(&m)
		text, err := json.Marshal(m)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := ParseManifest(text); (err == nil) != (name == "") {
			t.Errorf("%s: got %v", name, err)
		}
	}
	if _, err := ParseManifest([]byte("{")); err == nil {
		t.Error("half a manifest was read")
	}
}

// TestFindings: a failed backup is told until one works, and so are containers that a killed one left stopped.
func TestFindings(t *testing.T) {
	t.Setenv(state.Variable, t.TempDir())
	if found := Findings("shop"); len(found) != 0 {
		t.Errorf("without backups: %v", found)
	}
	dir, err := Dir("shop")
	if err != nil {
		t.Fatal(err)
	}
	r := Record{Failed: "no room", FailedAt: time.Now(), Volumes: map[string]time.Time{"shop_d": time.Now()}}
	if err := r.Keep(dir); err != nil {
		t.Fatal(err)
	}
	left := filepath.Join(dir, "..", "stopped")
	text := `{"containers":[{"id":"id","name":"shop-db-1"}],"lock":"` + filepath.Join(left, "lock") + `"}`
	if err := state.Keep(filepath.Join(left, "stopped.json"), []byte(text)); err != nil {
		t.Fatal(err)
	}
	found := Findings("shop")
	if len(found) != 2 || found[0].ID != "backup.failed" ||
		!strings.Contains(found[0].Evidence, "no room; there is no good") ||
		found[1].ID != "backup.stopped" || !strings.Contains(found[1].Evidence, "shop-db-1") {
		t.Errorf("got %v", found)
	}
	if _, ok := Saved("shop", "shop_d"); !ok {
		t.Error("a saved volume is not known")
	}
	if _, ok := Saved("shop", "shop_e"); ok {
		t.Error("a volume that was never saved is known")
	}
	if err := os.WriteFile(recordFile(dir), []byte("{"), 0o600); err != nil {
		t.Fatal(err)
	}
	if found := Findings("shop"); len(found) != 1 {
		t.Errorf("with a damaged record: %v", found)
	}
}

// TestSheet: the recovery sheet has all that is needed, and is missing until it was printed for just this repository.
func TestSheet(t *testing.T) {
	t.Setenv(state.Variable, t.TempDir())
	dir, err := Dir("shop")
	if err != nil {
		t.Fatal(err)
	}
	if SheetMissing("shop") {
		t.Error("a project without backups needs no sheet")
	}
	if err := (Record{Repository: "a"}).Keep(dir); err != nil {
		t.Fatal(err)
	}
	s := Sheet{Project: "shop", Repository: "s3:https://h/b", Password: "PW", identity: "a", dir: dir}
	for _, want := range []string{"PW", "s3:https://h/b", "-project=shop", "restic -r s3:https://h/b restore latest"} {
		if !strings.Contains(s.Text(), want) {
			t.Errorf("%q is not on the sheet:\n%s", want, s.Text())
		}
	}
	if !SheetMissing("shop") {
		t.Error("the sheet was never printed")
	}
	if err := s.Printed(); err != nil || SheetMissing("shop") {
		t.Errorf("printed: %v", err)
	}
	if err := (Record{Repository: "b", Printed: "a"}).Keep(dir); err != nil || !SheetMissing("shop") {
		t.Errorf("another repository needs another sheet: %v", err)
	}
}

// TestTheSheetIsPrintedInLines: a person copies the commands on it, and reads the password off it.
func TestTheSheetIsPrintedInLines(t *testing.T) {
	s := Sheet{Project: "shop", Repository: "/mnt/backup", Password: "secret\x1b[2J"}
	var b strings.Builder
	s.Print(ui.New(&b).Writer())
	lines := strings.Split(b.String(), "\n")
	for _, want := range []string{
		"RECOVERY SHEET of the backups of shop", "  repository  /mnt/backup",
		"  go tool mage restore -from=/mnt/backup -project=shop", "  restic -r /mnt/backup check",
	} {
		if !slices.Contains(lines, want) {
			t.Errorf("no line %q in\n%s", want, b.String())
		}
	}
	if len(lines) != strings.Count(s.Text(), "\n")+1 || strings.Contains(b.String(), "\x1b") {
		t.Errorf("printed: %q", b.String())
	}
}
