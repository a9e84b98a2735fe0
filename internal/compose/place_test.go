package compose

import (
	"errors"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/compose-spec/compose-go/v2/types"
	"github.com/docker/compose/v5/pkg/remote"
	"go.yaml.in/yaml/v4"

	"github.com/25eloquence/compose-mage/internal/engine"
	"github.com/25eloquence/compose-mage/internal/fault"
)

// node parses a text and gives the node at its top.
func node(t *testing.T, text string) *yaml.Node {
	t.Helper()
	var root yaml.Node
	if err := yaml.Unmarshal([]byte(text), &root); err != nil {
		t.Fatal(err)
	}
	if len(root.Content) == 0 {
		return &root
	}
	return root.Content[0]
}

// TestPathsOfMessages holds which path of the model a message of the library names.
func TestPathsOfMessages(t *testing.T) {
	for message, want := range map[string]string{
		"services.a.deploy must be a mapping":      "services/a/deploy",
		"services[a].ports[0] is wrong":            "services/a/ports/0",
		"services.a.ports.[1]: invalid":            "services/a/ports/1",
		`service "web" refers to undefined volume`: "services/web",
		`the network "n" is external`:              "networks/n",
		"service api declares mutually exclusive":  "services/api",
		"include must be a list":                   "include",
		"Circular reference:\n  a in x.yaml":       "services/a/extends",
		"something else went wrong":                "",
	} {
		if got := strings.Join(pathIn(message), "/"); got != want {
			t.Errorf("%q: got %q, want %q", message, got, want)
		}
	}
	if splitPath("") != nil {
		t.Error("no path has elements")
	}
}

// TestPlacesInDocuments holds on which line a path, or a word below it, is found.
func TestPlacesInDocuments(t *testing.T) {
	text := "services:\n  a.b:\n    image: i\n    ports:\n      - 80\n      - x-90\n  c: &c\n    image: other\n  d: " +
		"*c\n"
	for path, want := range map[string]string{
		"services": "1 1", "services/a/b": "2 3", "services/a/b/image": "3 4", "services/a/b/ports/1": "6 5",
		"services/a/b/ports/": "5 5", "services/a/b/ports/9": "4 4", "services/c/none": "7 2",
		"services/d/image": "8 3",
		"volumes/v":        "0 0", "services/c/image/deeper": "8 3",
	} {
		line, depth, last := descend(node(t, text), strings.Split(path, "/"))
		if got := fmt.Sprint(line, " ", depth); got != want || last == nil {
			t.Errorf("%s: line and depth %s, want %s", path, got, want)
		}
	}
	for word, want := range map[string]int{
		"80": 5, "x-90": 6, "90": 0, "other": 8, "a.b": 2, "a": 0, "": 0, "none": 0,
	} {
		if got := lineOfWords(node(t, text), []string{"nowhere", word}); got != want && word != "" {
			t.Errorf("%q is on line %d, want %d", word, got, want)
		}
	}
	if got := lineOfWords(node(t, "a: use 80 here\nb: 80\n"), []string{"80"}); got != 2 {
		t.Errorf("a value that has the word comes before the one that is it: line %d", got)
	}
	if got := lineOfWords(node(t, "a: --flag=value,more\n"), []string{"value"}); got != 1 {
		t.Errorf("a word in a value is on line %d", got)
	}
	for message, want := range map[string]int{
		`no such thing "other"`: 8, `no such thing "othe"`: 0, "reading: othe": 8, "reading: nothing": 0,
		"a and other": 8, "plain": 0,
	} {
		if got := scalarOf(node(t, text), message); got != want {
			t.Errorf("%q is about line %d, want %d", message, got, want)
		}
	}
}

// TestLineOfTakesTheDeepestAndLast: of several files the last one that has most of the path.
func TestLineOfTakesTheDeepestAndLast(t *testing.T) {
	dir := write(t,
		"a.yaml", "services:\n  web:\n    ports: [x-80]\n",
		"b.yaml", "name: shop\nservices:\n  web:\n    image: i\n",
		"c.yaml", "services:\n  api:\n    healthcheck:\n      test: t\n",
		"d.yaml", "x-words: [needle]\n",
	)
	files := []string{"a.yaml", "b.yaml", "c.yaml", "d.yaml", "absent.yaml"}
	for i := range files {
		files[i] = filepath.Join(dir, files[i])
	}
	for name, c := range map[string]struct{ path, message, want string }{
		"in the first only":       {"services/web/ports", "", "a.yaml:3"},
		"in two, the last":        {"services/web", "", "b.yaml:3"},
		"half of it":              {"services/web/none", "", "b.yaml:3"},
		"a word below":            {"services/web", `"x-80" is no port`, "a.yaml:3"},
		"a word elsewhere":        {"services/web", `"needle" is unknown`, "b.yaml:3"},
		"a word without the path": {"volumes/v", `"needle" is unknown`, ""},
		"no path":                 {"", `unknown "needle"`, "d.yaml:1"},
		"the one healthcheck":     {"", "healthcheck.test must be a list", "c.yaml:4"},
		"another service's key":   {"services/gone/healthcheck/test", "", "c.yaml:4"},
		"none has it":             {"jobs/j", "", ""},
	} {
		got := strings.TrimPrefix(lineOf(files, splitPath(strings.ReplaceAll(c.path, "/", ".")), c.message), dir+
			string(filepath.Separator))
		if got != c.want {
			t.Errorf("%s: got %q, want %q", name, got, c.want)
		}
	}
}

func TestUnreadableText(t *testing.T) {
	for text, want := range map[string]int{
		"": 0, "a: b\n": 0, "a:\tb\r\n": 0, "é\u0085\ufffd": 0, "a\nb\x00": 2, "\x07": 1, "a\n\n\xff": 3, "\x1b[2J": 1,
	} {
		if got := unreadableLine([]byte(text)); got != want {
			t.Errorf("%q: line %d, want %d", text, got, want)
		}
	}
	for text, want := range map[string]string{
		"services: {}": "", "- a": "a list", "word": "a single value", "null": "", "~": "", "\n- a": "a list",
	} {
		var root yaml.Node
		if err := yaml.Unmarshal([]byte(text), &root); err != nil {
			t.Fatal(err)
		}
		if got, line := topOf(&root); got != want || (line > 0) != (want != "") {
			t.Errorf("%q: %q on line %d", text, got, line)
		}
	}
	if kind, _ := topOf(&yaml.Node{}); kind != "" {
		t.Errorf("an empty document is %s", kind)
	}
	for message, want := range map[string]string{
		"yaml: line 4: could not find": "4", `line 7: mapping key "a" already defined`: "7", "no place": "",
	} {
		if got := syntaxLine(message); got != want {
			t.Errorf("%q: line %q", message, got)
		}
	}
}

// TestExpansion: the size and depth of variables in a text, and in an env file's values of each other.
func TestExpansion(t *testing.T) {
	size := func(name string) int { return map[string]int{"A": 10, "B": 3}[name] }
	for text, want := range map[string]string{
		"plain": "0 0", "$A": "10 0", "${A}$B": "13 1", "${A:-${B:-x}}": "13 2", "}}${A}": "10 1", "${A}${B}": "13 1",
		"$C": "0 0", "$": "0 0",
	} {
		bytes, deep := expandedSize(text, size)
		if got := fmt.Sprint(bytes, " ", deep); got != want {
			t.Errorf("%q: got %s, want %s", text, got, want)
		}
	}
	nested := strings.Repeat("${A:-", maxNestedDefaults) + "x" + strings.Repeat("}", maxNestedDefaults)
	for text, want := range map[string]string{
		"A=1\nB=$A$A\n":                 "",
		"export A=1\nB='\n$A\n'\n":      "",
		"A=" + nested:                   "",
		"A=${B:-" + nested + "}":        "n.env:1: variables are nested",
		"A=x\n\nB=${A:-" + nested + "}": "n.env:3: variables are nested",
		doubledVariables(30):            "its variables put in, the file has more than 32 MiB",
		doubledVariables(20):            "",
	} {
		err := checkExpansion("n.env", []byte(text), types.Mapping{"A": "1"})
		if (err == nil) != (want == "") || err != nil && !strings.Contains(err.Error(), want) {
			t.Errorf("%.60q: got %v, want %s", text, err, want)
		}
	}
	huge := types.Mapping{"HUGE": strings.Repeat("x", maxVariableBytes)}
	if checkExpansion("n.env", []byte("A=$HUGE\n"), huge) == nil ||
		checkExpansion("n.env", []byte("A=$SMALL\n"), huge) != nil {
		t.Error("a variable of the environment is not counted, or one that is not used is")
	}
}

// doubledVariables is an env file in which each variable is twice the one before.
func doubledVariables(n int) string {
	text := "V0=x\n"
	for i := range n {
		text += fmt.Sprintf("V%d=$V%d$V%d\n", i+1, i, i)
	}
	return text
}

// TestWhyThisTier says who chose the tier.
func TestWhyThisTier(t *testing.T) {
	for name, c := range map[string]struct {
		model  Model
		asked  string
		memory int64
		want   string
	}{
		"files that are named": {
			Model{explicitFiles: true, Tier: "8g"}, "8g", 1, "COMPOSE_FILE says which files are read",
		},
		"asked for":      {Model{Tier: "8g"}, "8G", 64 << 30, "STACK_TIER=8g"},
		"asked for none": {Model{}, "none", 64 << 30, "STACK_TIER=none"},
		"no such file":   {Model{}, "", 16 << 30, "there is no tier-16g.yaml beside the Compose file"},
		"large enough": {
			Model{Tier: "16g"}, "", 20 << 30, "the engine has 20GiB of memory, and this tier is for 14GiB and more",
		},
		"too small for others": {
			Model{Tier: "8g"}, "", 4 << 30, "the engine has 4GiB of memory, too little for the other tiers",
		},
	} {
		c.model.Project = &types.Project{Environment: types.Mapping{TierVariable: c.asked}}
		if got := c.model.whyTier(engine.Machine{Memory: c.memory}); got != c.want {
			t.Errorf("%s: got %q, want %q", name, got, c.want)
		}
	}
}

// TestIgnoredKeyIsOneLine: the key is named where the reason does not.
func TestIgnoredKeyIsOneLine(t *testing.T) {
	for want, key := range map[string]IgnoredKey{
		"compose.yaml:7: web: deploy.placement is Swarm's": {
			"web", "deploy.placement", "deploy.placement is Swarm's", "compose.yaml:7",
		},
		"web: a.b: not read":   {Service: "web", Path: "a.b", Reason: "not read"},
		"privileged: not read": {Path: "privileged", Reason: "not read"},
	} {
		if got := key.String(); got != want {
			t.Errorf("got %q, want %q", got, want)
		}
	}
}

// TestPathsOnThisMachine: which file a name of a Compose file means, and which directory is the project's.
func TestPathsOnThisMachine(t *testing.T) {
	dir := write(t, "compose.yaml", one("a"), "sub/f", "")
	here := filepath.Join(dir, "sub")
	for path, want := range map[string]string{
		filepath.Join(dir, "x"): filepath.Join(dir, "x"), "x": filepath.Join(here, "x"),
		"../x": filepath.Join(dir, "x"),
	} {
		if got := absolute(here, path); got != want {
			t.Errorf("%q: got %s, want %s", path, got, want)
		}
	}
	remotes := slices.Collect(maps.Values(remoteLoaders(nil)))
	file := filepath.Join(dir, "compose.yaml")
	const far = "oci://registry.example/stack"
	for name, c := range map[string]struct {
		files []string
		want  string
	}{
		"a file": {[]string{file}, dir}, "standard input": {[]string{"-"}, here},
		"input, then a file": {[]string{"-", file}, dir},
		"a remote one":       {[]string{far, file}, here}, "nothing": {nil, here},
	} {
		if got := projectDirectory(here, c.files, remotes); got != c.want {
			t.Errorf("%s: got %s, want %s", name, got, c.want)
		}
	}
	if !local(file, remotes) || local("-", remotes) || local(far, remotes) {
		t.Error("what is a file of this machine is not told")
	}
	if !isFile(file) || isFile(dir) || isFile(file+"x") || !hasComposeFile(dir) || hasComposeFile(here) {
		t.Error("what is a file is not told")
	}
}

// TestOutsideOfTheProject: a file is the project's to show where it lies in the project's directory or repository,
// links followed.
func TestOutsideOfTheProject(t *testing.T) {
	dir := write(t, "repo/.git/HEAD", "", "repo/app/compose.yaml", "", "repo/shared.yaml", "", "elsewhere/secret.yaml",
		"")
	in := func(name string) string { return filepath.Join(dir, filepath.FromSlash(name)) }
	for link, to := range map[string]string{
		"repo/app/link.yaml": "elsewhere/secret.yaml", "elsewhere/back.yaml": "repo/shared.yaml",
	} {
		if err := os.Symlink(in(to), in(link)); err != nil {
			t.Skipf("this machine has no links: %v", err)
		}
	}
	for file, want := range map[string]bool{
		"repo/app/compose.yaml": false, "repo/shared.yaml": false, "elsewhere/secret.yaml": true,
		"repo/app/link.yaml":  true,
		"elsewhere/back.yaml": false, "elsewhere/none.yaml": true,
	} {
		if got := Outside(in("repo/app"), in(file)); got != want {
			t.Errorf("%s is outside: %v", file, got)
		}
	}
	if got := repository(in("repo/app")); got != in("repo") {
		t.Errorf("the repository is %s", got)
	}
	if got := repository(in("elsewhere")); got != in("elsewhere") {
		t.Errorf("a folder of no repository is in %s", got)
	}
	i := &inspection{dir: in("repo/app")}
	if got := i.outside([]string{in("elsewhere/secret.yaml"), "relative.yaml"}); len(got) > 0 {
		t.Errorf("a file that the user named is hidden: %v", got)
	}
	if got := i.outside([]string{in("repo/app/link.yaml")}); len(got) != 1 {
		t.Errorf("a link to another place is shown: %v", got)
	}
}

// TestRedacted holds what is shown of an error, by where its file lies.
func TestRedacted(t *testing.T) {
	dir := write(t, "app/compose.yaml", "", "app/.env", "", "other/x.yaml", "")
	in := func(name string) string { return filepath.Join(dir, filepath.FromSlash(name)) }
	shown := func(text string) *fault.Error { return fault.New(fault.Config, fault.Correct, "%s", text) }
	for name, c := range map[string]struct {
		i           inspection
		text, known string
		want        string
	}{
		"a file of the project": {
			inspection{}, "x", in("app/compose.yaml") + `:3: got "s3cret"`, in("app/compose.yaml") + `:3: got "s3cret"`,
		},
		"an env file": {
			inspection{env: []string{in("app/.env")}},
			in("app/.env") + `: line 2: unexpected character "s3cret"`, "y: z",
			in("app/.env") + ":2: unexpected character (the line is not shown: env files have secrets)",
		},
		"an env file, by its place": {
			inspection{env: []string{in("app/.env")}},
			"s3cret", in("app/.env") + ":2: s3cret",
			in("app/.env") + ": it can't be read as variables (the line is not shown: env files have secrets)",
		},
		"a file from elsewhere": {
			inspection{compose: []string{in("other/x.yaml")}},
			"x", in("other/x.yaml") + ":4: got s3cret",
			in("other/x.yaml") +
				":4: it is not a valid Compose file (what is in it is not shown: it lies outside of the project)",
		},
		"a file from elsewhere, named alone": {
			inspection{compose: []string{in("other/x.yaml")}},
			"in " + in("other/x.yaml") + ": s3cret", "compose.yaml: s3cret",
			in("other/x.yaml") +
				": it is not a valid Compose file (what is in it is not shown: it lies outside of the project)",
		},
		"a value that may be from there": {
			inspection{compose: []string{in("other/x.yaml")}},
			"s3cret", "compose.yaml: s3cret",
			"compose.yaml: not valid together with " + in("other/x.yaml") +
				" (what is in there is not shown: it lies outside of the project)",
		},
		"a line of the project's, with a value": {
			inspection{compose: []string{in("other/x.yaml")}},
			"s3cret", "compose.yaml:7: got 's3cret'",
			"compose.yaml:7: got …",
		},
		"a cycle of includes": {
			inspection{compose: []string{in("other/x.yaml")}},
			"include cycle: " + in("other/x.yaml"), "compose.yaml:7: include cycle",
			"compose.yaml:7: include cycle",
		},
	} {
		c.i.dir = in("app")
		err := c.i.redacted([]string{in("app/compose.yaml")}, shown(c.known), errors.New(c.text))
		if got, _, _ := strings.Cut(err.Error(), "\n"); got != c.want {
			t.Errorf("%s:\ngot  %s\nwant %s", name, got, c.want)
		}
	}
	if plain := errors.New("x"); !errors.Is((&inspection{}).redacted(nil, plain, plain), plain) {
		t.Error("an error without a place changes")
	}
}

// TestAFileIsInspectedOnce, and the null device never: both have nothing to look at.
func TestAFileIsInspectedOnce(t *testing.T) {
	dir := write(t, "n.env", "A=1\n")
	file := filepath.Join(dir, "n.env")
	i := &inspection{dir: dir, seen: map[string]bool{}}
	for n, want := range []string{"A=1\n", ""} {
		if content, err := i.content(file, ""); err != nil || string(content) != want {
			t.Errorf("look %d: got %q, %v", n+1, content, err)
		}
	}
	if content, err := i.content(os.DevNull, ""); err != nil || content != nil || i.seen[os.DevNull] {
		t.Errorf("the null device: %q, %v", content, err)
	}
	for n := range maxFiles {
		i.seen[fmt.Sprint(n)] = true
	}
	if _, err := i.content(filepath.Join(dir, "other"), "compose.yaml:1"); err == nil ||
		!strings.HasPrefix(err.Error(), "compose.yaml:1: ") || !strings.Contains(err.Error(), "more than 5000 files") {
		t.Errorf("one file too many: %v", err)
	}
}

// TestWhatIsIncludedIsNoted: events of the library name files that errors may be about.
func TestWhatIsIncludedIsNoted(t *testing.T) {
	l := &loading{
		model: &Model{Files: []string{"/app/compose.yaml"}}, remotes: slices.Collect(maps.Values(remoteLoaders(nil))),
	}
	l.note("include", map[string]any{"path": types.StringList{"a.yaml", "/x/b.yaml", "oci://registry.example/stack"}})
	l.note("extends", map[string]any{"file": "c.yaml"})
	l.note("extends", map[string]any{"service": "web"})
	l.note("other", map[string]any{"file": "d.yaml"})
	want := []string{"/app/a.yaml", "/x/b.yaml", "oci://registry.example/stack", "/app/c.yaml"}
	if !slices.Equal(l.read, want) {
		t.Errorf("got %q, want %q", l.read, want)
	}
}

// TestWordsOfMessages: the likeliest words first, without those of the path.
func TestWordsOfMessages(t *testing.T) {
	for message, want := range map[string]string{
		`service "web" refers to "data"`:               "data",
		"service web refers to undefined volume data":  "data",
		"undefined network n: invalid compose project": "n",
		"several:\nlast line":                          "last line",
		`first "one" then 'two'`:                       "two one",
		"nothing quoted":                               "",
	} {
		if got := strings.Join(wordsIn(message, []string{"services", "web"}), " "); got != want {
			t.Errorf("%q: got %q, want %q", message, got, want)
		}
	}
}

// TestRemotesThatAFileTurnsOff: what a .env file says of remote resources, which the library would not hear.
func TestRemotesThatAFileTurnsOff(t *testing.T) {
	write(t) // clears the environment
	all := remoteLoaders(nil)
	for value, want := range map[string]int{"": 0, "1": 0, "true": 0, "0": 1, "perhaps": 1} {
		e := &environment{vars: types.Mapping{remote.GIT_REMOTE_ENABLED: value}}
		if got := len(e.refusedRemotes(all)); got != want {
			t.Errorf("%q refuses %d kinds, want %d", value, got, want)
		}
	}
	t.Setenv(remote.GIT_REMOTE_ENABLED, "1")
	if got := (&environment{vars: types.Mapping{remote.GIT_REMOTE_ENABLED: "0"}}).refusedRemotes(all); len(got) != 0 {
		t.Errorf("a variable of the process is the library's to read: %d", len(got))
	}
}

// TestAMissingIncludeIsNotInspected: the library says that it is missing, and it is no file of the project's.
func TestAMissingIncludeIsNotInspected(t *testing.T) {
	dir := write(t, "n.yaml", one("a"))
	i := &inspection{dir: dir, seen: map[string]bool{}}
	for _, file := range []string{"gone.yaml", "n.yaml"} {
		if err := i.composeFile(filepath.Join(dir, file), "compose.yaml:1", nil); err != nil {
			t.Errorf("%s: %v", file, err)
		}
		if err := i.envFile(filepath.Join(dir, "gone.env"), "compose.yaml:1"); err != nil {
			t.Error(err)
		}
	}
	if len(i.compose) != 1 || filepath.Base(i.compose[0]) != "n.yaml" || len(i.env) != 0 {
		t.Errorf("got %v and %v", i.compose, i.env)
	}
}
