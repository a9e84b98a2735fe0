package footprint

import (
	"bufio"
	"fmt"
	"os"
	"slices"
	"strings"
	"testing"
)

func TestOnlyPagesThatAreTheFilesAreDropped(t *testing.T) {
	const smaps = `00400000-06000000 r-xp 00000000 fe:00 1 /opt/a b/program
Size:              94208 kB
Anonymous:             0 kB
06000000-09000000 r--p 05c00000 fe:00 1 /opt/a b/program
Anonymous:             4 kB
09000000-0a000000 r--p 08c00000 fe:00 1 /opt/a b/program
Anonymous:             0 kB
VmFlags: rd mr mw me sd
0a000000-0a100000 rw-p 09c00000 fe:00 1 /opt/a b/program
Anonymous:             0 kB
0b000000-0b100000 r--p 00000000 fe:00 2 /lib/other
Anonymous:             0 kB
c000000000-c004000000 rw-p 00000000 00:00 0
Anonymous:             0 kB
7ffc0000-7ffd0000 r-xp 00000000 00:00 0 [vdso]
Anonymous:             0 kB
`
	got := unmodified(bufio.NewScanner(strings.NewReader(smaps)), "/opt/a b/program")
	want := []mapping{{0x400000, 0x6000000}, {0x9000000, 0xa000000}}
	if !slices.Equal(got, want) {
		t.Errorf("got %x, want %x", got, want)
	}
}

// resident is what of files is in this process's memory, in KiB.
func resident(t *testing.T) (kib int) {
	t.Helper()
	text, err := os.ReadFile("/proc/self/status")
	if err != nil {
		t.Fatal(err)
	}
	for line := range strings.Lines(string(text)) {
		if value, ok := strings.CutPrefix(line, "RssFile:"); ok {
			if _, err := fmt.Sscan(value, &kib); err != nil {
				t.Fatal(err)
			}
		}
	}
	return kib
}

func TestTheProgramGoesOnWithLess(t *testing.T) {
	program, err := os.ReadFile("/proc/self/exe")
	if err != nil {
		t.Fatal(err)
	}
	before := resident(t)
	dropProgram()
	after := resident(t)
	if after >= before*3/4 {
		t.Errorf("%d KiB of files before, %d after", before, after)
	}
	if again, err := os.ReadFile("/proc/self/exe"); err != nil || !slices.Equal(again, program) {
		t.Errorf("the program's file has changed: %v", err)
	}
}
