package main

import (
	"bytes"
	"encoding/json"
	"slices"
	"strings"
	"time"
)

// vertex is a step of a build in BuildKit's raw progress, which names it again whenever something of it changes.
type vertex struct {
	Digest    string     `json:"digest"`
	Name      string     `json:"name"`
	Started   *time.Time `json:"started"`
	Completed *time.Time `json:"completed"`
	Cached    bool       `json:"cached"`
}

// stepSeconds reads raw progress and gives the time during which RUN steps ran: from the start of the first that
// was not cached to the end of the last, less the gaps. Nothing that ran is 0.
func stepSeconds(output []byte) float64 {
	last := map[string]vertex{}
	for line := range bytes.Lines(output) {
		var status struct {
			Vertexes []vertex `json:"vertexes"`
		}
		if !bytes.HasPrefix(line, []byte("{")) || json.Unmarshal(line, &status) != nil {
			continue
		}
		for _, v := range status.Vertexes {
			last[v.Digest] = v
		}
	}
	type span struct{ from, to time.Time }
	var spans []span
	for _, v := range last {
		if strings.Contains(v.Name, "] RUN ") && !v.Cached && v.Started != nil && v.Completed != nil {
			spans = append(spans, span{*v.Started, *v.Completed})
		}
	}
	slices.SortFunc(spans, func(a, b span) int { return a.from.Compare(b.from) })
	var sum time.Duration
	var end time.Time
	for _, s := range spans {
		if s.from.Before(end) {
			s.from = end
		}
		if s.to.After(s.from) {
			sum += s.to.Sub(s.from)
			end = s.to
		}
	}
	return sum.Seconds()
}
