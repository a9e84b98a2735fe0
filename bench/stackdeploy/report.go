//go:build linux

package main

import (
	"fmt"
	"runtime"
	"strings"

	"github.com/25eloquence/compose-mage/bench/internal/figures"
)

func report(tools []*tool) string {
	var b strings.Builder
	fmt.Fprintf(&b, "%s, %d CPUs; three engines; one service of two copies; whole processes, mage installed, with "+
		"MAGEFILE_HASHFAST=1\n\n", runtime.Version(), runtime.NumCPU())
	figures.Head(&b, []string{
		"tool", "first deploy, s", "until both copies are healthy, s", "deploy of nothing, s",
		"updates by that",
	})
	for _, t := range tools {
		figures.Row(&b, []string{
			t.name, figures.Spread(t.first, ""), figures.Spread(t.ready, ""), figures.Spread(t.again, ""),
			fmt.Sprint(t.updates),
		})
	}
	fmt.Fprintf(&b, "\nA version that is never healthy, under %s requests a second:\n\n", perSecond)
	figures.Head(&b, []string{
		"tool", "requests", "failed", "exit", "command, s", "back, s", "cause named", "at the end",
	})
	for _, t := range tools {
		for _, bad := range t.bad {
			back := fmt.Sprintf("%.1f", bad.back)
			if bad.back == 0 {
				back = "never"
			}
			figures.Row(&b, []string{
				t.name, fmt.Sprint(bad.requests), fmt.Sprint(bad.failed), fmt.Sprint(bad.code),
				fmt.Sprintf("%.1f", bad.seconds), back, map[bool]string{true: "yes", false: "no"}[bad.named], bad.left,
			})
		}
	}
	return b.String()
}
