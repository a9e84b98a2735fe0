package main

import (
	"math"
	"regexp"
	"strings"
	"testing"
	"time"
)

func TestReadinessIsReadFromALog(t *testing.T) {
	log := []byte(strings.Join([]string{
		"2026-11-24T10:00:00.100000000Z starting",
		"2026-11-24T10:00:01.300000000Z ready 2026-11-24T10:00:01.25Z",
		"2026-11-24T10:00:09.000000000Z ready 2026-11-24T10:00:09Z",
	}, "\n"))
	at := func(text string) time.Time {
		when, err := time.Parse(time.RFC3339Nano, text)
		if err != nil {
			t.Fatal(err)
		}
		return when
	}
	if got, ok := said(log, ownReady); !ok || !got.Equal(at("2026-11-24T10:00:01.25Z")) {
		t.Errorf("the service's own time: %v, %v", got, ok)
	}
	if got, ok := said(log, regexp.MustCompile("starting")); !ok || !got.Equal(at("2026-11-24T10:00:00.1Z")) {
		t.Errorf("the engine's stamp: %v, %v", got, ok)
	}
	if got, ok := said(log, regexp.MustCompile("never")); ok {
		t.Errorf("what it never said: %v", got)
	}
}

func TestCheckSeesWhatATimeAloneDoesNot(t *testing.T) {
	began := time.Date(2026, 11, 24, 10, 0, 0, 0, time.UTC)
	after := func(seconds float64) time.Time { return began.Add(time.Duration(seconds * float64(time.Second))) }
	s := &stack{graph: chain(2), one: "s01", readiness: map[string]float64{}}
	start, restart, tools := scenarios()[0], scenarios()[2], allTools()
	fine := observed{started: map[string]time.Time{"s00": after(0.5), "s01": after(2)}}
	ready := map[string]time.Time{"s00": after(1.5), "s01": after(3)}
	one := observed{started: map[string]time.Time{"s00": after(0.5)}}
	early := observed{started: map[string]time.Time{"s00": after(0.5), "s01": after(1)}}
	for _, c := range []struct {
		name  string
		sc    scenario
		tool  tool
		seen  observed
		ended float64
		want  string
	}{
		{"fine", start, tools[0], fine, 3.1, ""},
		{"one never started", start, tools[0], one, 3.1, `did not start "s01"`},
		{"ended early", start, tools[0], fine, 2.5, `ended before "s01" was ready`},
		{"which some do", restart, tools[3], fine, 2.5, ""},
		{"started early", start, tools[0], early, 3.1, `started "s01" before "s00" was ready`},
	} {
		err := check(s, c.sc, c.tool, c.seen, ready, after(c.ended))
		if (err == nil) != (c.want == "") || err != nil && !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s: got %v, want %q", c.name, err, c.want)
		}
	}
	got := s.readinessOf(start, fine, ready)
	if got["s00"] != 1 || got["s01"] != 1 {
		t.Errorf("readiness %v", got)
	}
	s.alone = costs{network: 0.1, create: 0.2, start: 0.3}
	if got := s.longest(start, once{services: got}); math.Abs(got-2.9) > 1e-9 {
		t.Errorf("longest path %v, want 0.1 + 0.2 + 2 × (0.3 + 1)", got)
	}
}

func TestCPUTimesLeaveOutWhatEnded(t *testing.T) {
	before, after := cpuTimes{1: 10, 2: 5}, cpuTimes{1: 11.5, 3: 0.25}
	if got := after.since(before); math.Abs(got-1.75) > 1e-9 {
		t.Errorf("got %v, want 1.5 of process 1 and 0.25 of the new one", got)
	}
}
