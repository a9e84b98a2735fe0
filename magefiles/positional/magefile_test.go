package positional

import (
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"

	"github.com/25eloquence/compose-mage/internal/commandline"
)

const heading = "//go:build mage\n\npackage main\n\n"

// magefiles writes files into a directory of that name and gives its path.
func magefiles(t *testing.T, name string, files map[string]string) string {
	t.Helper()
	dir := filepath.Join(t.TempDir(), name)
	if err := os.Mkdir(dir, 0o755); err != nil {
		t.Fatal(err)
	}
	for name, text := range files {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	return dir
}

func imports1(path, tag string) string { return "import (\n\t" + tag + "\n\t_ \"" + path + "\"\n)\n" }

func TestATableIsReadFromTheMagefile(t *testing.T) {
	targets := ourPackages + "/targets"
	table := func(prefix string, more map[string]commandline.Command) map[string]commandline.Command {
		all := map[string]commandline.Command{}
		for name, c := range commandline.Packages["targets"] {
			all[prefix+name] = c
		}
		for name, c := range more {
			all[name] = c
		}
		return all
	}
	start := commandline.Packages["targets"]["start"]
	start.Target = "stack:start"
	for what, c := range map[string]struct {
		dir   string
		files map[string]string
		want  commandline.Table
	}{
		"a plain import": {"magefiles", map[string]string{
			"magefile.go":      heading + imports1(targets, "//mage:import"),
			"magefile_test.go": "package main\n\nfunc Test() {}\n",
		}, commandline.Table{Commands: table("", nil)}},
		"in the root": {"shop", map[string]string{
			"magefile.go": heading + imports1(targets, "//mage:import"),
			"main.go":     "package main\n\nfunc Serve() {}\n", "lib.go": "package shop\n",
		}, commandline.Table{Commands: table("", nil)}},
		"a namespace, targets of its own, aliases": {"magefiles", map[string]string{
			"a.go": heading + "import (\n\t\"" + targets + "\" // mage:import STACK\n)\n\n" +
				"var Aliases = map[string]any{\"Up\": targets.Start, \"m\": DB.Migrate, \"x\": made()}\n",
			"b.go": heading +
				"import (\n\t\"context\"\n\t\"time\"\n\n\t\"github.com/magefile/mage/mg\"\n)\n\n" +
				"type DB mg.Namespace\n\n" +
				"func (DB) Migrate(to int, dryRun *bool, within *time.Duration, why *string) error { return nil }\n\n" +
				"func Build(ctx context.Context) {}\n\nfunc unexported() {}\n\nfunc NoTarget(x []string) {}\n",
		}, commandline.Table{Commands: table("stack:", map[string]commandline.Command{
			"build": {Foreign: true, Options: commandline.Options{}},
			"db:migrate": {Foreign: true, Values: []string{"to"}, Options: commandline.Options{
				"dry-run": commandline.Flag, "within": commandline.Duration, "why": commandline.Text,
			}},
			"up": start,
			"m": {Foreign: true, Target: "db:migrate", Values: []string{"to"}, Options: commandline.Options{
				"dry-run": commandline.Flag, "within": commandline.Duration, "why": commandline.Text,
			}},
			"x": {Foreign: true},
		})}},
		"somebody else's targets": {"magefiles", map[string]string{
			"magefile.go": heading + imports1(targets, "//mage:import") + imports1("example.com/ci/targets",
				"//mage:import"),
		}, commandline.Table{Open: true, Commands: table("", nil)}},
		"an import that is none of targets": {"magefiles", map[string]string{
			"magefile.go": heading + imports1(ourPackages+"/positional", "// Names."),
		}, commandline.Table{Commands: map[string]commandline.Command{}}},
		"no sources": {"magefiles", nil, commandline.Everything()},
		"broken":     {"magefiles", map[string]string{"magefile.go": heading + "func ("}, commandline.Everything()},
	} {
		if got := tableOf(magefiles(t, c.dir, c.files)); !reflect.DeepEqual(got, c.want) {
			t.Errorf("%s: got\n%v\nwant\n%v", what, got, c.want)
		}
	}
	if got := tableOf(filepath.Join(t.TempDir(), "nosuch")); !got.Open {
		t.Error("a directory that is not there has no targets of its own")
	}
}

// The program's main function leads to its sources, wherever it runs.
func TestMagefileDirIsThatOfTheMainFunction(t *testing.T) {
	t.Chdir(t.TempDir())
	if dir := magefileDir(); !strings.Contains(dir, "_test") && dir != magefilesName && !filepath.IsAbs(dir) {
		t.Errorf("got %q", dir)
	}
	if ourPackages != "github.com/25eloquence/compose-mage/magefiles" {
		t.Errorf("our packages are below %q", ourPackages)
	}
}
