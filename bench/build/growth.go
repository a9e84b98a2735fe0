package main

import (
	"context"
	"slices"

	"github.com/25eloquence/compose-mage/bench/internal/rig"
)

// growth is what unchanged builds of a small and a large stack take one of our tools.
type growth struct {
	tool      tool
	few, many *stack
	times     [2][]float64 // seconds, one a round
	failed    error
}

// measureGrowth builds both stacks by turns: measured one after the other, their ratio would be that of two minutes
// of the machine.
func (b *bench) measureGrowth(ctx context.Context, few, many *stack) []growth {
	var out []growth
	unchanged := scenario{name: "growth"}
	for _, t := range (report{tools: b.tools}).ours() {
		if t.alone {
			continue
		}
		g := growth{tool: t, few: few, many: many}
		rig.Say("== %s and %s, unchanged, by turns: %s", few.title, many.title, t.title)
		for round := range b.pairs + 1 {
			stacks := []*stack{few, many}
			if round%2 == 1 {
				slices.Reverse(stacks)
			}
			for _, s := range stacks {
				one, err := b.once(ctx, s, unchanged, t, b.host)
				if ctx.Err() != nil {
					return out
				}
				if err != nil {
					g.failed = err
					break
				}
				if round > 0 { // the first one may still have something to do
					i := slices.Index([]*stack{few, many}, s)
					g.times[i] = append(g.times[i], one.seconds)
					rig.Say("%-14s %d images: %.2f s", t.title, len(s.services), one.seconds)
				}
			}
			if g.failed != nil {
				g.times = [2][]float64{}
				break
			}
		}
		out = append(out, g)
	}
	return out
}
