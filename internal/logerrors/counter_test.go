package logerrors

import (
	"fmt"
	"strings"
	"testing"
	"time"
)

var noon = time.Date(2026, 11, 27, 12, 0, 0, 0, time.UTC)

// counted gives the templates of the lines that count in a text, with the number of each.
func counted(text string) string {
	c := NewCounter(noon)
	for line := range strings.Lines(text) {
		c.Line([]byte(strings.TrimSuffix(line, "\n")), noon)
	}
	var out []string
	for _, g := range c.Errors(noon).Groups {
		out = append(out, fmt.Sprintf("%d %s", g.Count, g.Template))
	}
	return strings.Join(out, " | ")
}

// TestATraceIsOneError has stack traces as programs print them.
func TestATraceIsOneError(t *testing.T) {
	for name, c := range map[string]struct{ text, want string }{
		"python": {
			"Traceback (most recent call last):\n  File \"/app/a.py\", line 3, in <module>\n" +
				"    raise ValueError('x')\n" +
				"ValueError: bad order 17\nINFO:root:on we go\n",
			"1 ValueError: bad order *",
		},
		"python, logged": {
			"ERROR:root:order failed\nTraceback (most recent call last):\n  File \"/app/a.py\", line 3\nValueError: " +
				"bad\n" +
				"ERROR:root:order failed\n",
			"2 root:order failed",
		},
		"python, two exceptions": {
			"Traceback (most recent call last):\n  File \"a.py\"\nKeyError: 'a'\n\nDuring handling of the above " +
				"exception, " +
				"another exception occurred:\n\nTraceback (most recent call last):\n  File \"a.py\"\nshop.Failed: b\n",
			"1 KeyError: '*'",
		},
		"python, broken off": {
			"Traceback (most recent call last):\n  File \"a.py\"\n2026-11-27 08:00:01 ERROR after a restart\n",
			"1 after a restart",
		},
		"java": {
			"2026-11-27 08:00:01.123 ERROR 1 --- [main] c.e.App : order 7 failed\njava.lang.IllegalStateException: " +
				"boom\n" +
				"\tat c.e.App.main(App.java:7)\nCaused by: java.io.IOException: no\n\t... 3 more\n" +
				"2026-11-27 08:00:01.123 ERROR 1 --- [main] c.e.App : order 8 failed\n",
			"2 [main] c.e.App : order * failed",
		},
		"java, printed": {
			"java.lang.IllegalStateException: boom\n\tat c.e.App.main(App.java:7)\n" +
				"Caused by: java.io.IOException: no\n",
			"1 java.lang.IllegalStateException: boom",
		},
		"go": {
			"panic: boom\n\ngoroutine 1 [running]:\nmain.main()\n\t/app/main.go:3 +0x1d\nexit status 2\n",
			"1 panic: boom",
		},
		"node": {
			"/app/a.js:3\n\tthrow new Error('boom')\n\t^\n\nError: boom\n    at Object.<anonymous> (/app/a.js:3:7)\n" +
				"    at Error.x (/app/b.js:3:7)\n\nNode.js v22.1.0\n",
			"1 Error: boom",
		},
		"dotnet": {
			"fail: Shop.Orders[0]\n      order 3 failed\n      System.InvalidOperationException: boom\n         at " +
				"Shop.X()\n" +
				"info: Shop[0]\n      error page\n",
			"1 Shop.Orders[*]",
		},
	} {
		if got := counted(c.text); got != c.want {
			t.Errorf("%s: got %s, want %s", name, got, c.want)
		}
	}
}

func TestTemplates(t *testing.T) {
	for message, want := range map[string]string{
		"user 550e8400-e29b-41d4-abcd-446655440000 gone":  "user * gone",
		"commit deadbeef, 0x7ffe12, 9f86d081884c7d65":     "commit *, *, *",
		"dial tcp [fe80::1]:80 or 10.0.0.7:5432":          "dial tcp [*::*]:* or *",
		"/users/123/orders/9f86d0 took 12.3ms":            "/users/*/orders/* took *",
		"can't open 'a b' or \"c\" or `d`":                "can't open '*' or \"*\" or `*`",
		"an open \"quote":                                 "an open \"quote",
		"password=hunter token: abc&x Bearer xyz":         "password= * token:  *&x Bearer *",
		"redis://user:geheim@cache/0":                     "redis:// *cache/*",
		"Authorization: Bearer geheim and api_key=\"ab\"": "Authorization:  * and api_key=\"*\"",
		"2026-11-27T08:00:01.123Z boom":                   "boom",
		"17":                                              "*",
		"":                                                "",
		"über 3 Fehler\x1b[2J\x00":                        `über * Fehler\x1b[*\x00`,
		"ids 1 2 3, 4 done":                               "ids *, * done",
		strings.Repeat("ä", 200):                          strings.Repeat("ä", 100) + "…",
	} {
		if got := templateOf(message); got != want {
			t.Errorf("%q: got %q, want %q", message, got, want)
		}
		if strings.Contains(templateOf(message), "geheim") {
			t.Errorf("%q: a secret is kept", message)
		}
	}
}

func TestRates(t *testing.T) {
	c := NewCounter(noon)
	now := noon
	log := func(n int) {
		for range n {
			c.Line([]byte("ERROR boom"), now)
		}
	}
	check := func(what string, total int64, minute, usual float64, many bool) {
		t.Helper()
		e := c.Errors(now)
		if e.Total != total || e.PerMinute != minute || fmt.Sprintf("%.2f", e.Usual) != fmt.Sprintf("%.2f", usual) ||
			e.Many() != many {
			t.Errorf("%s: got %+v, %v", what, e, e.Many())
		}
	}
	check("at first", 0, 0, 0, false)
	log(9)
	check("nine", 9, 9, 0, false)
	log(1)
	check("ten", 10, 10, 0, true)
	now = now.Add(59 * time.Second)
	check("after 59 s", 10, 10, 0, true)
	now = now.Add(5 * time.Second)
	check("after 64 s", 10, 0, 0, false)
	now = now.Add(time.Minute)
	check("after two minutes", 10, 0, 10/(13.0/12), false)
	now = noon.Add(30 * time.Minute)
	log(10)
	check("ten, where a third is usual", 20, 10, 10/(349.0/12), true)
	for range 40 {
		now = now.Add(time.Minute)
		log(4)
	}
	check("four a minute", 180, 4, 166.0/60, false)
	log(6)
	check("ten, where three are usual", 186, 10, 166.0/60, true)
	now = now.Add(time.Minute)
	log(9)
	check("nine again", 195, 9, 176.0/60, false)
	now = now.Add(48 * time.Hour)
	check("after two days", 195, 0, 0, false)
	now = now.Add(-time.Hour)
	log(1)
	check("the clock went back", 196, 1, 0, false)
}

// TestGroupsAreBounded has a program that writes other words each time.
func TestGroupsAreBounded(t *testing.T) {
	c := NewCounter(noon)
	word := func(n int) string {
		return strings.Map(func(r rune) rune { return r - '0' + 'g' }, fmt.Sprintf("%06d", n))
	}
	for i := range 3 * maxGroups {
		at := noon.Add(time.Duration(i) * time.Second)
		c.Line([]byte("ERROR often "+fmt.Sprint(i)), at)
		c.Line([]byte("ERROR "+word(i)), at)
	}
	e := c.Errors(noon.Add(time.Hour))
	if len(c.groups) != maxGroups || len(e.Groups) != maxShown {
		t.Fatalf("%d groups, %d shown", len(c.groups), len(e.Groups))
	}
	if g := e.Groups[0]; g.Template != "often *" || g.Count != 3*maxGroups {
		t.Errorf("got %+v", g)
	}
	if _, kept := c.groups[word(3*maxGroups-1)]; !kept {
		t.Error("the newest is not kept")
	}
}

func TestLongLinesAreCut(t *testing.T) {
	c := NewCounter(noon)
	c.Line([]byte("ERROR "+strings.Repeat("x", 1<<20)), noon)
	c.Line([]byte(strings.Repeat("x", 1<<20)+" ERROR boom"), noon)
	if e := c.Errors(noon); e.Total != 1 || len(e.Groups[0].Template) > maxTemplate+len("…") {
		t.Errorf("got %+v", e)
	}
}

func FuzzLine(f *testing.F) {
	for line := range strings.Lines(lines) {
		f.Add([]byte(line))
	}
	f.Fuzz(func(t *testing.T, line []byte) {
		var tr trace
		if message, is := tr.errorOf(line); is {
			if !hinted(line) {
				t.Errorf("%q is an error's without a hint", line)
			}
			template := templateOf(message)
			if len(template) > maxTemplate+len("…") {
				t.Errorf("%q: %d bytes", line, len(template))
			}
		}
	})
}

func BenchmarkLine(b *testing.B) {
	for name, line := range map[string]string{
		"ordinary": `172.18.0.1 - - [27/Nov/2026:08:00:01 +0000] "GET /v1/orders/17 HTTP/1.1" 200 153 "-" ` +
			`"curl/8.1" "-"`,
		"hinted": `{"time":"2026-11-27T08:00:01.123Z","level":"INFO","msg":"request","path":"/v1/orders","status":200}`,
		"error": `{"time":"2026-11-27T08:00:01.123Z","level":"ERROR","msg":"order 17 failed","error":"dial ` +
			`10.0.0.7:5432"}`,
	} {
		b.Run(name, func(b *testing.B) {
			c := NewCounter(noon)
			b.SetBytes(int64(len(line)))
			for b.Loop() {
				c.Line([]byte(line), noon)
			}
		})
	}
}
