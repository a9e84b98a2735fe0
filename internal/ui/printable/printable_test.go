package printable

import (
	"strings"
	"testing"
	"unicode/utf8"
)

func TestLine(t *testing.T) {
	for name, c := range map[string]struct{ text, want string }{
		"plain":             {"api-backend 1.0 %", "api-backend 1.0 %"},
		"other scripts":     {"naïve 日本語 עברית क्षि 👍🏽 a\u00a0b", "naïve 日本語 עברית क्षि 👍🏽 a\u00a0b"},
		"title of a window": {"\x1b]0;owned\x07", `\x1b]0;owned\x07`},
		"a row":             {"redis\nmysql  healthy", `redis\nmysql  healthy`},
		"a column":          {"redis\thealthy", `redis\thealthy`},
		"overwritten":       {"exited\rhealthy", `exited\rhealthy`},
		"rubbed out":        {"exited\b\b\b\b\b\bup", `exited\x08\x08\x08\x08\x08\x08up`},
		"C1 as UTF-8":       {"\u009b2J", `\u009b2J`},
		"C1 as a byte":      {"\x9b2J", `\x9b2J`},
		"delete":            {"a\x7fb", `a\x7fb`},
		"nul":               {"a\x00b", `a\x00b`},
		"right to left":     {"\u202etxt.exe\u2066\u2069", `\u202etxt.exe\u2066\u2069`},
		"without width": {
			"re\u200bdis\ufeff\u2060\u00ad\u034f\u3164", `re\u200bdis\ufeff\u2060\u00ad\u034f\u3164`,
		},
		"separators":   {"a\u2028b\u2029c\u0085d", `a\u2028b\u2029c\u0085d`},
		"tags":         {"a\U000e0041", `a\U000e0041`},
		"private":      {"\ue000\ufffe", `\ue000\ufffe`},
		"broken UTF-8": {"a\xff\xc3", `a\xff\xc3`},
		"a stack of accents": {
			"a" + strings.Repeat("\u0301", maxMarks+1), "a" + strings.Repeat("\u0301", maxMarks) + `\u0301`,
		},
	} {
		t.Run(name, func(t *testing.T) {
			got := Line(c.text)
			if got != c.want {
				t.Errorf("got %q, want %q", got, c.want)
			}
			if again := Line(got); again != got {
				t.Errorf("once more it is %q", again)
			}
		})
	}
}

func TestOutput(t *testing.T) {
	for text, want := range map[string]string{
		"\x1b[32;1mok\x1b[0m\tdone\r": "ok    done",
		"10 %\r20 %":                  `10 %\r20 %`,
		"\x1b[8mhidden":               "hidden",
		"\x1b[2Jwiped":                `\x1b[2Jwiped`,
	} {
		if got := Output(text); got != want {
			t.Errorf("%q: got %q, want %q", text, got, want)
		}
	}
	if got := Lines("a\r\nb\x07\n"); got != "a\nb\\x07\n" {
		t.Errorf("got %q", got)
	}
}

func FuzzLine(f *testing.F) {
	f.Add("a\x1b[31m\u009b\n\xff")
	f.Fuzz(func(t *testing.T, text string) {
		got := Line(text)
		if !utf8.ValidString(got) || Line(got) != got {
			t.Errorf("%q became %q", text, got)
		}
		for _, r := range got {
			if !Safe(r) {
				t.Errorf("%q became %q, which has %U", text, got, r)
			}
		}
	})
}
