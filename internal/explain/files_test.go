package explain

import (
	"io/fs"
	"testing"

	"github.com/25eloquence/compose-mage/internal/buildinputs"
)

func TestWhatDiffersOfOneFile(t *testing.T) {
	file := buildinputs.File{Path: "a", Mode: 0o644, Size: 1, SHA256: "x"}
	dir := buildinputs.File{Path: "a", Mode: fs.ModeDir | 0o755}
	with := func(change func(*buildinputs.File)) buildinputs.File {
		f := file
		change(&f)
		return f
	}
	for name, c := range map[string]struct {
		then, now buildinputs.File
		want      string
	}{
		"nothing": {file, file, ""},
		"content": {file, with(func(f *buildinputs.File) { f.SHA256 = "y" }), "a changed"},
		"a mode": {
			file, with(func(f *buildinputs.File) { f.Mode = 0o755 }),
			"mode of a: -rwxr-xr-x, was -rw-r--r--",
		},
		"a directory's mode": {dir, buildinputs.File{Path: "a", Mode: fs.ModeDir | 0o700}, ""},
		"a file for a directory": {
			dir, file, "mode of a: -rw-r--r--, was drwxr-xr-x",
		},
		"a directory for a file": {
			file, dir, "mode of a: drwxr-xr-x, was -rw-r--r--",
		},
		"a link": {
			buildinputs.File{Mode: fs.ModeSymlink, Link: "x"},
			buildinputs.File{Mode: fs.ModeSymlink, Link: "y"},
			"a changed",
		},
	} {
		d := differ{
			then: map[string]buildinputs.File{"a": c.then}, now: map[string]buildinputs.File{"a": c.now},
		}
		got, ok := d.cause("")
		if ok != (c.want != "") || got.why != c.want {
			t.Errorf("%s: %q, want %q", name, got.why, c.want)
		}
	}
}
