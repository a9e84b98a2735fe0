package ui

import (
	"bytes"
	"strings"
	"testing"

	"github.com/charmbracelet/x/ansi"
	"github.com/fatih/color"
)

// Tests see colours, though no terminal is there.
var _ = func() bool {
	color.NoColor = false
	return true
}()

// snapshotRows are as wide as monitor's.
var (
	snapshotHeader = []string{
		"SERVICE", "STATE", "CPU", "OF LIMIT", "MEMORY", "LIMIT", "", "CHECK", "RESTARTS", "OOM", "UP",
	}
	snapshotRows = [][]string{
		{
			"eloquence-agent-v1", Green("healthy"), "101.5 %", "50 % of 2 cores", "1011MiB", "4GiB", "25 %", "1204 ms",
			"0", "0", "17m",
		},
		{"日本語のサービス", Red("exited (137)"), "-", "-", "-", "512MiB", "", "-", "12", "3", "-"},
	}
	statusHeader = []string{"SERVICE", "STATUS", "CONTAINER", "IMAGE", "PORTS"}
	statusRows   = [][]string{{
		"api-backend", Green("Up 2 minutes (healthy)"), "25eloquence-api-backend-1",
		"registry.example.com/25eloquence/api-backend:latest",
		"127.0.0.1:8000->8000/tcp 127.0.0.1:7881->7881/tcp",
	}}
)

func TestTableFitsEveryTerminal(t *testing.T) {
	for columns := 40; columns <= 200; columns++ {
		for _, table := range []struct {
			header []string
			rows   [][]string
		}{{snapshotHeader, snapshotRows}, {statusHeader, statusRows}} {
			var b bytes.Buffer
			Table(Within(&b, columns), table.header, table.rows)
			for line := range strings.SplitSeq(b.String(), "\n") {
				if ansi.StringWidth(line) > columns {
					t.Fatalf("a line of %d cells at %d columns: %q\n%s", ansi.StringWidth(line), columns, line,
						b.String())
				}
			}
		}
	}
}

func TestTableCutsNoNumbers(t *testing.T) {
	for _, columns := range []int{40, 80, 120} {
		var b bytes.Buffer
		Table(Within(&b, columns), snapshotHeader, snapshotRows)
		for _, want := range []string{"101.5 %", "1011MiB", "512MiB", "1204 ms", "17m"} {
			if !strings.Contains(b.String(), want) {
				t.Errorf("%q is cut at %d columns:\n%s", want, columns, b.String())
			}
		}
	}
}

func TestTableCutsTitlesBeforeCells(t *testing.T) {
	var b bytes.Buffer
	Table(Within(&b, 40), statusHeader,
		[][]string{{"api-backend", "not created", "a", "b", ""}, {"whisper-stt", "not created", "", "", ""}})
	want := "SERVICE      STATUS       CO…  IM…  POR…\napi-backend  not created  a    b\nwhisper-stt  not created\n"
	if got := ansi.Strip(b.String()); got != want {
		t.Errorf("got:\n%s\nwant:\n%s", got, want)
	}
}

func TestTableBecomesRecordsWhereItIsNarrow(t *testing.T) {
	var b bytes.Buffer
	Table(Within(&b, 40), statusHeader, statusRows)
	want := `api-backend
  STATUS     Up 2 minutes (healthy)
  CONTAINER  25eloquence-api-backend-1
  IMAGE      registry.example.com/
             25eloquence/api-
             backend:latest
  PORTS      127.0.0.1:8000->8000/tcp
             127.0.0.1:7881->7881/tcp
`
	if got := ansi.Strip(b.String()); got != want {
		t.Errorf("got:\n%s\nwant:\n%s", got, want)
	}
}

func TestTableIsWholeWhereThereIsNoTerminal(t *testing.T) {
	var b bytes.Buffer
	Table(&b, statusHeader, statusRows)
	for _, cell := range statusRows[0] {
		if !strings.Contains(b.String(), rendered(cell)) {
			t.Errorf("%q is not whole in:\n%s", cell, b.String())
		}
	}
	if lines := strings.Count(b.String(), "\n"); lines != 2 {
		t.Errorf("%d lines", lines)
	}
}

// TestColumnsThatSayNothingGiveWayFirst has a table that fits without them.
func TestColumnsThatSayNothingGiveWayFirst(t *testing.T) {
	header := []string{"SERVICE", "ANSWER", "MEMORY", "UP"}
	rows := [][]string{{"database", "-", "812KiB of 32MiB", "1s"}, {"web", "", "968KiB of 64MiB", "-"}}
	for columns, want := range map[int]string{
		31: "SERVICE   MEMORY           UP\n", 60: "SERVICE   ANSWER  MEMORY           UP\n",
	} {
		var b strings.Builder
		Table(Within(&b, columns), header, rows)
		if got, _, _ := strings.Cut(ansi.Strip(b.String()), "\n"); got+"\n" != want {
			t.Errorf("%d columns: %q, want %q", columns, got, want)
		}
	}
}
