package explain

import "strings"

// alignment pairs the instructions of two Dockerfiles.
type alignment struct {
	old     map[*instruction]*instruction   // of a new instruction: the same one before, or the one that it replaces
	same    map[*instruction]bool           // new instructions that have not changed
	removed map[*instruction][]*instruction // instructions that are gone, by the new one that they stood before
	gone    map[*stage][]*instruction       // and those that stood at the end of a stage
	stages  map[*stage]*stage               // of a new stage: the old one
}

// align compares two plans. Stages are the same by name, the others in their order.
func align(old, new *plan) alignment {
	a := alignment{
		old: map[*instruction]*instruction{}, same: map[*instruction]bool{}, removed: map[*instruction][]*instruction{},
		gone: map[*stage][]*instruction{}, stages: map[*stage]*stage{},
	}
	taken := map[*stage]bool{}
	pair := func(s, o *stage) {
		a.stages[s] = o
		taken[o] = true
	}
	for _, s := range new.stages {
		for _, o := range old.stages {
			if !taken[o] && a.stages[s] == nil && s.named() == o.named() && s.named() != "" {
				pair(s, o)
			}
		}
	}
	for _, s := range new.stages {
		for _, o := range old.stages {
			if !taken[o] && a.stages[s] == nil && (s.named() == "") == (o.named() == "") {
				pair(s, o)
			}
		}
	}
	for i, s := range new.stages {
		if a.stages[s] == nil && i < len(old.stages) && !taken[old.stages[i]] {
			pair(s, old.stages[i])
		}
		if o := a.stages[s]; o != nil {
			a.gone[s] = a.list(o.instructions, s.instructions)
		}
	}
	a.list(old.global, new.global)
	return a
}

// named is the name that the Dockerfile gives the stage; "" for none.
func (s *stage) named() string {
	if s.name == "" || strings.HasPrefix(s.name, "stage-") {
		return ""
	}
	return s.name
}

// list pairs two lists of instructions by their longest common subsequence; between its members those with the same keyword
// replace each other. It gives the old ones that stood after the last new one and are gone.
func (a *alignment) list(old, new []*instruction) []*instruction {
	// length[i][j] is that of the common subsequence of old[i:] and new[j:].
	length := make([][]int, len(old)+1)
	for i := range length {
		length[i] = make([]int, len(new)+1)
	}
	for i := len(old) - 1; i >= 0; i-- {
		for j := len(new) - 1; j >= 0; j-- {
			if old[i].text == new[j].text {
				length[i][j] = length[i+1][j+1] + 1
			} else {
				length[i][j] = max(length[i+1][j], length[i][j+1])
			}
		}
	}
	var left []*instruction // of old, not paired yet
	var fresh []*instruction
	gap := func(before *instruction) []*instruction {
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
		case i < len(old) && j < len(new) && old[i].text == new[j].text:
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
func (a *alignment) replace(old, new []*instruction) (rest []*instruction) {
	used := map[*instruction]bool{}
	for _, n := range new {
		for _, o := range old {
			if !used[o] && o.keyword == n.keyword {
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
