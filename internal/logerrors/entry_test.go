package logerrors

import (
	"fmt"
	"slices"
	"strings"
	"testing"
)

// entries has lines of logs, each after its level and, where it continues the line before, a +.
const entries = `
-      listening on :8000
info   level=info msg=ready
warn   2026/11/27 08:00:01 [warn] 31#31: buffered
error  java.lang.IllegalStateException: closed
error+ 	at shop.Order.pay(Order.java:17)
error+ Caused by: java.io.IOException: gone
error+ 	... 3 more
info   {"level":30,"msg":"ok"}
error  ERROR:root:failed
error+ Traceback (most recent call last):
error+   File "a.py", line 3, in <module>
error+ ValueError: no
-      again
error  Traceback (most recent call last):
error+   File "a.py", line 3, in <module>
error+ shop.Missing: 17
-      ok: 200
error  panic: boom
error+ 
error+ goroutine 1 [running]:
error+ main.(*server).run(0xc000012345, {0x1, 0x2})
error+ 	/src/main.go:4 +0x1d
error+ exit status 2
debug  D0101 is no klog DEBUG
info   I1127 08:00:01.123456       1 main.go:3] up
warn   W1127 08:00:01.123456       1 main.go:3] slow
warn   {"severity":4,"msg":"syslog"}
debug  {"level":20,"msg":"pino"}
trace  {"level":10,"msg":"pino"}
trace  TRACE deep
debug  {"s":"D1","msg":"mongo"}
error  {"s":"F","msg":"mongo"}
error  {"msg":"x","error":"gone"}
-      {"msg":"x"}
warn   1:C 27 Nov 2026 08:00:01.123 # WARNING overcommit_memory is set to 0!
`

func TestEntriesAndLevels(t *testing.T) {
	var e Entries
	for want := range strings.SplitSeq(strings.Trim(entries, "\n"), "\n") {
		line := want[7:]
		level, continues := e.Next(line)
		got := level.String()
		if level == None {
			got = "-"
		}
		if continues {
			got += "+"
		}
		if got = fmt.Sprintf("%-7s%s", got, line); got != want {
			t.Errorf("got %q, want %q", got, want)
		}
	}
}

func TestLevels(t *testing.T) {
	for _, name := range Levels {
		if got := LevelOf(strings.ToUpper(name)).String(); got != name {
			t.Errorf("%s: got %q", name, got)
		}
	}
	var shown []string
	for level := None; level <= Error; level++ {
		if level.AtLeast(Info) {
			shown = append(shown, level.String())
		}
	}
	if want := []string{"", "info", "warn", "error"}; !slices.Equal(shown, want) {
		t.Errorf("at least info: %q, want %q", shown, want)
	}
	if None.AtLeast(Warn) {
		t.Error("a line without a level is no warning")
	}
}

func TestTemplateOfAnEntry(t *testing.T) {
	for entry, want := range map[string]string{
		"2026-11-27 08:00:01 ERROR redis: connection refused to 10.0.0.7:6379":   "redis: connection refused to *",
		"Traceback (most recent call last):\n  File \"a.py\"\nValueError: no 17": "ValueError: no *",
		"08:00:01 served 17 orders\n  and more":                                  "served * orders",
		`level=info msg="user 17 came" id=9f14e45f-ceea-467f-a0f6-9c1b2a3d4e5f`:  "user * came",
		"": "",
	} {
		if got := TemplateOf(entry); got != want {
			t.Errorf("%q: got %q, want %q", entry, got, want)
		}
	}
}
