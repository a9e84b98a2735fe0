package explain

import "github.com/25eloquence/compose-mage/internal/dockerfile"

// alignment pairs the instructions of two Dockerfiles.
type alignment struct {
	// of a new instruction: the same one before, or the one that it replaces
	old  map[*dockerfile.Instruction]*dockerfile.Instruction
	same map[*dockerfile.Instruction]bool // new instructions that have not changed
	// instructions that are gone, by the new one that they stood before
	removed map[*dockerfile.Instruction][]*dockerfile.Instruction
	gone    map[*dockerfile.Stage][]*dockerfile.Instruction // and those that stood at the end of a stage
	stages  map[*dockerfile.Stage]*dockerfile.Stage         // of a new stage: the old one
}

// align compares two plans. Stages are the same by name, the others in their order.
func align(old, new *dockerfile.Plan) alignment {
	a := alignment{
		old: map[*dockerfile.Instruction]*dockerfile.Instruction{}, same: map[*dockerfile.Instruction]bool{},
		removed: map[*dockerfile.Instruction][]*dockerfile.Instruction{},
		gone:    map[*dockerfile.Stage][]*dockerfile.Instruction{}, stages: map[*dockerfile.Stage]*dockerfile.Stage{},
	}
	taken := map[*dockerfile.Stage]bool{}
	pair := func(s, o *dockerfile.Stage) {
		a.stages[s] = o
		taken[o] = true
	}
	for _, s := range new.Stages {
		for _, o := range old.Stages {
			if !taken[o] && a.stages[s] == nil && s.Given() == o.Given() && s.Given() != "" {
				pair(s, o)
			}
		}
	}
	for _, s := range new.Stages {
		for _, o := range old.Stages {
			if !taken[o] && a.stages[s] == nil && (s.Given() == "") == (o.Given() == "") {
				pair(s, o)
			}
		}
	}
	for i, s := range new.Stages {
		if a.stages[s] == nil && i < len(old.Stages) && !taken[old.Stages[i]] {
			pair(s, old.Stages[i])
		}
		if o := a.stages[s]; o != nil {
			a.gone[s] = a.list(o.Instructions, s.Instructions)
		}
	}
	a.list(old.Global, new.Global)
	return a
}

// list pairs two lists of instructions by their longest common subsequence; between its members those with the same
// keyword replace each other. It gives the old ones that stood after the last new one and are gone.
func (a *alignment) list(old, new []*dockerfile.Instruction) []*dockerfile.Instruction {
	// length[i][j] is that of the common subsequence of old[i:] and new[j:].
	length := make([][]int, len(old)+1)
	for i := range length {
		length[i] = make([]int, len(new)+1)
	}
	for i := len(old) - 1; i >= 0; i-- {
		for j := len(new) - 1; j >= 0; j-- {
			if old[i].Text == new[j].Text {
				length[i][j] = length[i+1][j+1] + 1
			} else {
				length[i][j] = max(length[i+1][j], length[i][j+1])
			}
		}
	}
	var left []*dockerfile.Instruction // of old, not paired yet
	var fresh []*dockerfile.Instruction
	gap := func(before *dockerfile.Instruction) []*dockerfile.Instruction {
		rest := a.replace(left, fresh)
		left, fresh = nil, nil
		if before != nil && len(rest) > 0 {
			a.removed[before] = append(a.removed[before], rest...)
			return nil
		}
		return rest
	}
	i, j := 0, 0
	for i < len(old) || j < len(new) {
		switch {
		case i < len(old) && j < len(new) && old[i].Text == new[j].Text:
			gap(new[j])
			a.old[new[j]], a.same[new[j]] = old[i], true
			i++
			j++
		case j == len(new) || i < len(old) && length[i+1][j] >= length[i][j+1]:
			left = append(left, old[i])
			i++
		default:
			fresh = append(fresh, new[j])
			j++
		}
	}
	return gap(nil)
}

// replace pairs instructions of the same keyword in their order and gives the old ones that nothing replaces.
func (a *alignment) replace(old, new []*dockerfile.Instruction) (rest []*dockerfile.Instruction) {
	used := map[*dockerfile.Instruction]bool{}
	for _, n := range new {
		for _, o := range old {
			if !used[o] && o.Keyword == n.Keyword {
				used[o] = true
				a.old[n] = o
				break
			}
		}
	}
	for _, o := range old {
		if !used[o] {
			rest = append(rest, o)
		}
	}
	return rest
}
