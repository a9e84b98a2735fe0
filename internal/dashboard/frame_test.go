package dashboard

import (
	"errors"
	"fmt"
	"math"
	"slices"
	"strings"
	"testing"
	"time"

	tea "charm.land/bubbletea/v2"
	"github.com/charmbracelet/x/ansi"

	"github.com/25eloquence/compose-mage/internal/container"
	"github.com/25eloquence/compose-mage/internal/diskspace"
	"github.com/25eloquence/compose-mage/internal/finding"
	"github.com/25eloquence/compose-mage/internal/golden"
	"github.com/25eloquence/compose-mage/internal/logerrors"
	"github.com/25eloquence/compose-mage/internal/monitor"
	"github.com/25eloquence/compose-mage/internal/sampler"
)

var noon = time.Date(2026, 11, 27, 12, 0, 0, 0, time.UTC)

const mib = 1 << 20

// well is a container that is as it should be.
func well(service string, n int) monitor.Replica {
	return monitor.Replica{
		Service: service, Container: "voice-" + service + "-1", ID: fmt.Sprintf("%012x%052d", n+0xabcdef012345, 0),
		State:  "running",
		Health: "healthy", Verdict: container.Opinion{Condition: container.Healthy, Fine: true}, Expected: true,
		ResponseMS: float64(40 + 97*n),
		CPUPercent: 1.5 + 7*float64(n), CPULimit: 0.5, CPULimitPercent: 3 + 14*float64(n),
		MemoryUsed: int64(20+11*n) * mib, MemoryLimit: 128 * mib, MemoryPercent: float64(20+11*n) / 1.28,
		Started: noon.Add(-time.Duration(n*n*37+40) * time.Second), Source: "cgroup v1",
		Rates: sampler.Rates{Seconds: 1, Received: 1800 * float64(n), Sent: 1200.5 * float64(n*n)},
		Counters: sampler.Counters{
			Read: noon, Processes: int64(3 + n),
			MemoryUnreclaimable: int64(15+9*n) * mib, MemoryMax: int64(30+11*n) * mib,
			NetworkReceived: int64(n) * 3 * mib, NetworkSent: int64(n) * mib, BlockRead: int64(n) * 7 * mib,
			Pressure: &sampler.Pressures{CPU: sampler.Pressure{Waiting10: 4.01}},
		},
		Answer: monitor.Answer{Of: "http://127.0.0.1:8000/health", At: noon, MS: 2.4 + float64(n)},
	}
}

func snapshot(services ...monitor.Replica) monitor.Snapshot {
	return monitor.Snapshot{
		Time: noon, Project: "voice", CPUs: 2, Memory: 8 << 30, Services: services,
		Disk: monitor.Disk{
			At:     noon.Add(-3 * time.Minute),
			Images: monitor.DiskUse{Total: 8, Active: 3, Size: 872 * mib, Reclaimable: 137 * mib},
			Root:   "/var/lib/docker", Space: &diskspace.Space{Free: 66 << 30, Total: 252 << 30},
			BuildCache: monitor.DiskUse{Total: 50, Active: 15, Size: 743 * mib, Reclaimable: 743 * mib},
		},
	}
}

func six() []monitor.Replica {
	var all []monitor.Replica
	for i, name := range []string{"agent-py", "api-backend", "azure-tts", "livekit", "redis", "whisper-stt"} {
		all = append(all, well(name, i))
	}
	return all
}

// trouble is one of each thing that goes wrong.
func trouble() monitor.Snapshot {
	all := six()
	all[1].CPUPercent, all[1].CPULimitPercent, all[1].ThrottledPercent = 49.4, 99, 70
	all[2].Health, all[2].HealthOutput = "unhealthy", "\x1b[2Jprobe says 1\r\n"
	all[2].Verdict = container.Opinion{Condition: container.Unhealthy, Why: "is unhealthy: probe says 1"}
	all[2].Answer = monitor.Answer{Of: "tcp://127.0.0.1:1", At: noon, Error: "connection refused \x1b]0;owned\a"}
	all[3] = monitor.Replica{
		Service: "livekit", State: monitor.StateMissing, Expected: true,
		Verdict: container.Opinion{Condition: container.Missing, Why: "has no container"},
	}
	all[4].State, all[4].ExitCode, all[4].Finished = "exited", 137, noon.Add(-time.Minute)
	all[4].OOMKills, all[4].Restarts = 3, 12
	all[4].Verdict = container.Opinion{Condition: container.Broken, Why: "has ended (exit code 137)"}
	all[5].MemoryUsed, all[5].MemoryPercent = 127*mib, 99
	all[5].Log = monitor.LogErrors{Total: 41, PerMinute: 7, Groups: []logerrors.Group{
		{Template: "cannot read model * \x1b[31mnow", Count: 40},
	}}
	s := snapshot(all...)
	say := func(id, service, next, text string) {
		s.Findings = append(s.Findings, finding.Warn(id, next, "%s", text).Of(service))
	}
	say("cpu.limited", "api-backend", "raise deploy.resources.limits.cpus of api-backend, then go tool mage start",
		"api-backend is held back by its CPU limit of 0.5 cores (99 % of it used, throttled in 70 % of periods)")
	say("service.unhealthy", "azure-tts", "go tool mage logs azure-tts", "azure-tts is unhealthy: probe \x1b[H says 1")
	say("service.missing", "livekit", "go tool mage start livekit", "livekit has no container")
	say("memory.killed", "redis", "raise deploy.resources.limits.memory of redis, then go tool mage start",
		"redis was killed for want of memory 3 times, at its limit of 128MiB")
	return s
}

func fifty() []monitor.Replica {
	var all []monitor.Replica
	for i := range 50 {
		r := well(fmt.Sprintf("service-%02d", i), i%6)
		r.ID = fmt.Sprintf("%064x", i)
		all = append(all, r)
	}
	return all
}

// named gives a container with that name of its service.
func named(name string) monitor.Snapshot {
	s := snapshot(six()...)
	s.Services[2].Service = name
	return s
}

// without is what an observer says while the engine is away.
func without(s monitor.Snapshot, at time.Time) monitor.Snapshot {
	s.Time = at
	s.Findings = []finding.Finding{finding.Warn(engineLost, "docker info", "the engine can't be asked: \x1b[2Jgone")}
	return s
}

// first is a snapshot with one sample, before what the engine stores is known.
func first(s monitor.Snapshot) monitor.Snapshot {
	for i := range s.Services {
		s.Services[i].Rates, s.Services[i].CPUPercent = sampler.Rates{}, 0
	}
	s.Disk = monitor.Disk{Space: s.Disk.Space}
	return s
}

// press gives messages for keys, by their names or as text.
func press(keys ...string) []tea.Msg {
	special := map[string]tea.KeyPressMsg{
		"enter": {Code: tea.KeyEnter}, "esc": {Code: tea.KeyEscape}, "up": {Code: tea.KeyUp},
		"down": {Code: tea.KeyDown}, "pgdown": {Code: tea.KeyPgDown}, "end": {Code: tea.KeyEnd},
		"home": {Code: tea.KeyHome}, "tab": {Code: tea.KeyTab}, "backspace": {Code: tea.KeyBackspace},
		"ctrl+c": {Code: 'c', Mod: tea.ModCtrl}, "ctrl+z": {Code: 'z', Mod: tea.ModCtrl},
		"ctrl+u": {Code: 'u', Mod: tea.ModCtrl}, "shift+tab": {Code: tea.KeyTab, Mod: tea.ModShift},
		"pgup": {Code: tea.KeyPgUp},
	}
	var out []tea.Msg
	for _, k := range keys {
		if m, ok := special[k]; ok {
			out = append(out, m)
			continue
		}
		for _, r := range k {
			out = append(out, tea.KeyPressMsg{Code: r, Text: string(r)})
		}
	}
	return out
}

// hour is an hour of snapshots before s, in which the figures go up and down.
func hour(s monitor.Snapshot) []tea.Msg {
	var out []tea.Msg
	for i := range 360 {
		past := s
		past.Time = s.Time.Add(time.Duration(i-360) * 10 * time.Second)
		past.Services = append([]monitor.Replica(nil), s.Services...)
		for n := range past.Services {
			r := &past.Services[n]
			wave := 1 + math.Sin(float64(i)/float64(11+7*n))
			r.CPUPercent *= wave
			r.MemoryUsed = int64(float64(r.MemoryUsed) * (0.5 + float64(i)/720))
			r.Answer.MS *= wave * wave
		}
		out = append(out, lookedMsg{past})
	}
	return append(out, lookedMsg{s})
}

func log(id string, n int) loggedMsg {
	m := loggedMsg{id: id}
	for i := range n {
		m.lines = append(m.lines, fmt.Sprintf(
			"2026-11-27T12:00:%02d level=info msg=\"request done\" path=/v1/speech n=%d took=%dms", i%60, i, i*3))
	}
	return m
}

// after gives messages one after the other.
func after(all ...[]tea.Msg) []tea.Msg { return slices.Concat(all...) }

// one makes messages of values.
func one(msgs ...tea.Msg) []tea.Msg { return msgs }

const longName = "a-service-whose-name-is-longer-than-anything-that-a-person-would-type-into-a-file"

var (
	seesSix   = one(lookedMsg{snapshot(six()...)})
	seesFifty = one(lookedMsg{snapshot(fifty()...)})
	hourOfSix = hour(snapshot(six()...))
	api       = well("api-backend", 1).ID
	errAway   = errors.New("dial unix \x1b[2J/run/docker.sock: no such file")
)

// states are what the view is drawn of: messages after one another.
var states = map[string][]tea.Msg{
	"none":        {},
	"empty":       one(lookedMsg{snapshot()}),
	"well":        seesSix,
	"trouble":     one(lookedMsg{trouble()}),
	"fifty":       after(seesFifty, press("end", "up", "up")),
	"long-name":   one(lookedMsg{named(longName)}),
	"wide":        one(lookedMsg{named("日本語のサービス👍🏽🇩🇪❤️e\u0301\u200d名")}),
	"engine-gone": after(seesSix, one(lostMsg{errAway, noon}, lostMsg{errAway, noon.Add(time.Minute)})),
	"engine-lost": after(seesSix, one(lookedMsg{without(snapshot(six()[:2]...), noon)},
		lookedMsg{without(snapshot(six()[:2]...), noon.Add(time.Minute))})),
	"first-look":  one(lookedMsg{first(snapshot(six()...))}),
	"never-there": one(lostMsg{errors.New("cannot connect"), noon}),
	"filter":      after(seesFifty, press("s", "S", "/", "4", "7")),
	"no-match":    after(seesSix, press("/", "nosuch", "enter")),
	"by-memory":   after(seesSix, press("s", "s", "down")),
	"detail":      after(hourOfSix, press("down", "down", "enter")),
	"detail-bad":  after(hour(trouble()), press("/", "azure", "enter", "enter")),
	"detail-gone": after(seesSix, press("enter"), one(lookedMsg{snapshot(six()[1:]...)})),
	"log":         after(hourOfSix, press("down", "l"), one(log(api, 100))),
	"log-back": after(hourOfSix, press("down", "l"), one(log(api, 100)), press("up", "up", "up"),
		one(log(api, 104))),
	"log-ended": after(hourOfSix, press("down", "l"),
		one(loggedMsg{id: api, lines: []string{"one"}, ended: "reading the log of \x1b[2J: gone"})),
	"findings": after(one(lookedMsg{trouble()}), press("f", "down")),
	"help":     after(seesSix, press("?")),
	"ask":      after(seesSix, press("down", "r")),
	"restarting": after(seesSix, press("down", "r", "y"), one(
		saidMsg{[]string{"== restarting voice", "   engine 20.10.24, 2 CPUs", " ✓ api-backend stopped 0.3s"}})),
	"giving-up": after(seesSix, press("down", "r", "y", "q")),
	"restarted": after(seesSix, press("down", "r", "y"), one(saidMsg{[]string{" ✓ done"}}, restartedMsg{})),
	"restart-failed": after(seesSix, press("down", "r", "y"), one(saidMsg{[]string{"== restarting voice"}},
		restartedMsg{errors.New("starting \"api-backend\": \x1b[2Jno\n  next: x")})),
}

var sizes = []struct{ width, height int }{{40, 10}, {80, 24}, {200, 60}}

// fresh is a model that can do everything.
func fresh(width, height int) *model {
	m := &model{
		project: "voice", every: time.Second, colour: true, keys: true,
	}
	m.update(tea.WindowSizeMsg{Width: width, Height: height})
	return m
}

func drawn(width, height int, msgs []tea.Msg) *model {
	m := fresh(width, height)
	for _, msg := range msgs {
		m.update(msg)
	}
	return m
}

func TestFrames(t *testing.T) {
	for name, msgs := range states {
		for _, size := range sizes {
			t.Run(fmt.Sprintf("%s-%dx%d", name, size.width, size.height), func(t *testing.T) {
				frame := drawn(size.width, size.height, msgs).frame()
				var b strings.Builder
				for line := range strings.SplitSeq(ansi.Strip(frame), "\n") {
					b.WriteString(strings.TrimRight(line, " ") + "\n")
				}
				golden.Check(t, fmt.Sprintf("%s-%dx%d.txt", name, size.width, size.height), b.String())
			})
		}
	}
}

// TestFramesFitEveryTerminal draws each state in each size: as many lines as there are, each as wide as the terminal
// by both ways of counting, and with no sequence but those of our own looks.
func TestFramesFitEveryTerminal(t *testing.T) {
	for name, msgs := range states {
		m := drawn(80, 24, msgs)
		for width := 1; width <= 210; width += 1 + width/8 {
			for height := 1; height <= 64; height += 1 + height/6 {
				m.update(tea.WindowSizeMsg{Width: width, Height: height})
				check(t, fmt.Sprintf("%s at %d×%d", name, width, height), m.frame(), width, height)
			}
		}
	}
}

func check(t *testing.T, what, frame string, width, height int) {
	t.Helper()
	lines := strings.Split(frame, "\n")
	if len(lines) != height {
		t.Fatalf("%s: %d lines", what, len(lines))
	}
	for _, l := range lines {
		if a, b := ansi.StringWidth(l), ansi.StringWidthWc(l); a != width || b != width {
			t.Fatalf("%s: a line of %d and %d cells: %q", what, a, b, l)
		}
		rest := l
		for {
			_, after, found := strings.Cut(rest, "\x1b")
			if !found {
				break
			}
			if !strings.HasPrefix(after, "[") {
				t.Fatalf("%s: another sequence in %q", what, l)
			}
			end := strings.IndexFunc(after[1:], func(r rune) bool { return (r < '0' || r > '9') && r != ';' })
			if end < 0 || after[1+end] != 'm' {
				t.Fatalf("%s: another sequence in %q", what, l)
			}
			rest = after
		}
	}
}

func TestWithoutColour(t *testing.T) {
	for name, msgs := range states {
		m := drawn(80, 24, msgs)
		coloured := m.frame()
		m.colour = false
		frame := m.frame()
		if ansi.Strip(frame) != ansi.Strip(coloured) {
			t.Errorf("%s: without colours it has another text", name)
		}
		for _, code := range []string{"31", "32", "33", "36", "90"} {
			if strings.Contains(frame, code+"m") {
				t.Errorf("%s: there is colour %s in %q", name, code, frame)
			}
		}
	}
}
