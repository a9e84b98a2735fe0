package fault

import (
	"os/exec"
	"strings"
	"testing"
)

// hostileNames are what a name may be that somebody else chose.
var hostileNames = []string{
	"redis", "a b", "", "-rf", "$(touch /tmp/x)", "`id`", "a;b", "a|b&", "it's", `"`, `\`, "*", "~", "#x", "!!", "é",
	"a\nb", "a\x1b[2Jb", "x=y", "{a,b}",
	"a\tb", "''", `$'x'`, "%s", "a\xffb", "\u009b31m",
}

func TestAShellReadsAQuotedNameAsOneWord(t *testing.T) {
	for _, shell := range []string{"sh", "bash"} {
		path, err := exec.LookPath(shell)
		if err != nil {
			continue
		}
		for _, name := range hostileNames {
			quoted := Quote(name)
			if shell == "sh" && strings.HasPrefix(quoted, "$'") {
				continue
			}
			got, err := exec.Command(path, "-c", "printf %s "+quoted).Output()
			if err != nil || string(got) != name && name != "%s" {
				t.Errorf("%s reads %s as %q, want %q (%v)", shell, quoted, got, name, err)
			}
			if strings.ContainsAny(quoted, "\n\x1b") {
				t.Errorf("%q is not one plain line", quoted)
			}
		}
	}
	if got := Quote("redis", "a b"); got != "redis 'a b'" {
		t.Errorf("got %s", got)
	}
}

func TestRedact(t *testing.T) {
	for text, want := range map[string]string{
		"fetching https://bob:s3cret@example.org/x.git":    "fetching https://…@example.org/x.git",
		"https://ghp_token@github.com/a/b#main":            "https://…@github.com/a/b#main",
		"proxy http://u:p%40ss@proxy:3128, http://v:w@q:1": "proxy http://…@proxy:3128, http://…@q:1",
		"http://u:p@ss@proxy":                              "http://…@proxy",
		"ssh://git@github.com/a":                           "ssh://git@github.com/a",
		"ssh://git:pw@github.com/a":                        "ssh://…@github.com/a",
		"docker-image://alpine@sha256:abc":                 "docker-image://alpine@sha256:abc",
		"https://example.org/x@y":                          "https://example.org/x@y",
		"postgres://app:pw@db/app?sslmode=off":             "postgres://…@db/app?sslmode=off",
		"git@github.com:a/b, me@example.org, http://example.org": "git@github.com:a/b, me@example.org, " +
			"http://example.org",
	} {
		if got := Redact(text); got != want {
			t.Errorf("%q: got %q, want %q", text, got, want)
		}
	}
	err := New(Failed, "curl https://a:b@c/", "getting %q", "https://a:b@c/").WithDetail("from https://a:b@c/")
	if strings.Contains(err.Error(), "a:b") {
		t.Errorf("got %s", err)
	}
}
