package readiness

import (
	"slices"
	"strings"
	"testing"
	"time"

	moby "github.com/moby/moby/api/types/container"

	"github.com/25eloquence/compose-mage/internal/bounded"
	"github.com/25eloquence/compose-mage/internal/container"
)

// started is when the containers of these tests were started.
var started = time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)

// replica is a container that runs.
func replica(check *moby.HealthConfig, health *moby.Health) container.Replica {
	return container.Replica{InspectResponse: moby.InspectResponse{
		Name: "/p-s-1", HostConfig: &moby.HostConfig{}, Config: &moby.Config{Healthcheck: check},
		State: &moby.State{
			Status: moby.StateRunning, Running: true, StartedAt: started.Format(time.RFC3339Nano), Health: health,
		},
	}}
}

func TestResultInWords(t *testing.T) {
	for want, r := range map[string]result{
		"exit 0":                 {},
		"exit 3":                 {code: 3},
		"exit 1: no route":       {code: 1, output: "no route"},
		"no answer within 5 s":   {code: noAnswer, output: "no answer within 5 s"},
		"exit 0: it is all fine": {output: "it is all fine"},
	} {
		if got := r.String(); got != want {
			t.Errorf("%+v: got %q, want %q", r, got, want)
		}
	}
}

func TestCommandOfTheCheck(t *testing.T) {
	for name, c := range map[string]struct {
		test, shell []string
		want        string // "" for no check
	}{
		"a command":             {[]string{"CMD", "redis-cli", "ping"}, nil, "redis-cli ping"},
		"a shell command":       {[]string{"CMD-SHELL", "redis-cli ping"}, nil, "/bin/sh -c redis-cli ping"},
		"by the image's shell":  {[]string{"CMD-SHELL", "ping"}, []string{"/bin/bash", "-ec"}, "/bin/bash -ec ping"},
		"a command needs none":  {[]string{"CMD", "ping"}, []string{"/bin/bash", "-ec"}, "ping"},
		"switched off":          {[]string{"NONE"}, nil, ""},
		"switched off, with it": {[]string{"NONE", "ping"}, nil, ""},
		"no command":            {[]string{"CMD"}, nil, ""},
		"nothing":               {nil, nil, ""},
	} {
		found := replica(&moby.HealthConfig{Test: c.test}, nil)
		found.Config.Shell = c.shell
		check := checkOf(found)
		if (check == nil) != (c.want == "") {
			t.Errorf("%s: the check is %v", name, check)
			continue
		}
		if check == nil {
			continue
		}
		if got := strings.Join(commandOf(found, check), " "); got != c.want {
			t.Errorf("%s: got %q, want %q", name, got, c.want)
		}
		if !slices.Equal(found.Config.Shell, c.shell) {
			t.Errorf("%s: the image's shell is %q now", name, found.Config.Shell)
		}
	}
}

func TestPatienceFollowsTheCheck(t *testing.T) {
	for name, c := range map[string]struct {
		check          *moby.HealthConfig
		ours, dockers  time.Duration
		every, timeout time.Duration
		retries        int
	}{
		"all given": {
			&moby.HealthConfig{
				Interval: 10 * time.Second, Timeout: 3 * time.Second, Retries: 5, StartPeriod: 30 * time.Second,
			},
			83 * time.Second, 108 * time.Second, 10 * time.Second, 3 * time.Second, 5,
		},
		"Docker's defaults": {
			&moby.HealthConfig{}, 120 * time.Second, 240 * time.Second, 30 * time.Second, 30 * time.Second, 3,
		},
	} {
		if got := patience(c.check); got != c.ours {
			t.Errorf("%s: patience %s, want %s", name, got, c.ours)
		}
		if got := dockerPatience(c.check); got != c.dockers {
			t.Errorf("%s: with Docker's own check %s, want %s", name, got, c.dockers)
		}
		every, timeout, retries := intervalOf(c.check), timeoutOf(c.check), retriesOf(c.check)
		if every != c.every || timeout != c.timeout || retries != c.retries {
			t.Errorf("%s: every %s, %s each, %d retries", name, every, timeout, retries)
		}
	}
	if got := patience(nil); got != 30*time.Second {
		t.Errorf("without a check: %s", got)
	}
}

func TestDockersVerdict(t *testing.T) {
	check := &moby.HealthConfig{Test: []string{"CMD", "true"}, Interval: time.Second, Timeout: time.Second, Retries: 2}
	failed := []*moby.HealthcheckResult{
		{ExitCode: 9}, {End: started.Add(7 * time.Second), ExitCode: 1, Output: "first\nno answer\n"},
	}
	starting, twice := &moby.Health{Status: moby.Starting}, &moby.Health{Status: moby.Unhealthy, FailingStreak: 2}
	once := &moby.Health{Status: moby.Starting, FailingStreak: 1, Log: failed}
	twiceLogged := &moby.Health{Status: moby.Unhealthy, FailingStreak: 2, Log: failed}
	for name, c := range map[string]struct {
		check   *moby.HealthConfig
		health  *moby.Health
		elapsed time.Duration
		done    bool
		want    string // of the error
	}{
		"healthy":               {check, &moby.Health{Status: moby.Healthy}, 0, true, ""},
		"no check":              {nil, starting, 0, true, ""},
		"no health":             {check, nil, 0, true, ""},
		"starting":              {check, starting, 0, false, ""},
		"starting, still":       {check, starting, 6 * time.Second, false, ""},
		"starting, too long":    {check, starting, 6*time.Second + 1, false, "starting for Docker after 6s"},
		"failed once":           {check, once, 0, false, ""},
		"unhealthy by a pause":  {check, &moby.Health{Status: moby.Unhealthy, FailingStreak: 1}, 0, false, ""},
		"failed twice":          {check, twiceLogged, 0, false, "unhealthy after 7s (exit 1: no answer)"},
		"failed, without a log": {check, twice, 0, false, "unhealthy after 0s (no check yet)"},
	} {
		done, err := dockersVerdict(replica(c.check, c.health), c.check, c.elapsed)
		if done != c.done || errorText(err) != c.want || err != nil && !IsNotReady(err) {
			t.Errorf("%s: got %v, %v; want %v, %q", name, done, err, c.done, c.want)
		}
	}
}

// TestHealthLogIsCut guards against a check of the engine's own that prints without an end.
func TestHealthLogIsCut(t *testing.T) {
	output := "first\n" + strings.Repeat("x", 1<<20)
	health := &moby.Health{Log: []*moby.HealthcheckResult{{ExitCode: 1, Output: output}}}
	if _, said := dockersLastCheck(replica(nil, health)); len(said.output) > bounded.MaxLine+len("…") {
		t.Errorf("%d bytes", len(said.output))
	}
	never := replica(nil, health)
	never.State.StartedAt = ""
	if at, said := dockersLastCheck(never); at != 0 || said.code != noAnswer {
		t.Errorf("a container that was never started: %s after %s", said, at)
	}
}

func TestNextCheck(t *testing.T) {
	check := moby.HealthConfig{Test: []string{"CMD", "true"}, Interval: time.Minute, Timeout: 3 * time.Second}
	early := check
	early.StartInterval, early.StartPeriod = time.Second, time.Hour
	noPeriod, noInterval := early, early
	noPeriod.StartPeriod, noInterval.StartInterval = 0, 0
	twoChecks := []*moby.HealthcheckResult{{End: started}, {End: started.Add(time.Hour)}}
	twice := &moby.Health{Status: moby.Healthy, Log: twoChecks}
	once := &moby.Health{Status: moby.Healthy, Log: twoChecks[:1]}
	starting := &moby.Health{Status: moby.Starting}
	for name, c := range map[string]struct {
		check  *moby.HealthConfig
		health *moby.Health
		want   time.Time // zero for never
	}{
		"the first":                       {&check, starting, started.Add(time.Minute)},
		"the first of a start period":     {&early, starting, started.Add(time.Second)},
		"a start interval without period": {&noPeriod, starting, started.Add(time.Minute)},
		"a period without start interval": {&noInterval, starting, started.Add(time.Minute)},
		"after the last":                  {&check, twice, started.Add(time.Hour + time.Minute)},
		"healthy, in the start period":    {&early, once, started.Add(time.Minute)},
		"no check":                        {nil, &moby.Health{}, time.Time{}},
		"switched off":                    {&moby.HealthConfig{Test: []string{"NONE"}}, &moby.Health{}, time.Time{}},
		"no health":                       {&check, nil, time.Time{}},
	} {
		at, timeout, ok := NextCheck(replica(c.check, c.health).InspectResponse)
		if ok == c.want.IsZero() || ok && (!at.Equal(c.want) || timeout != 3*time.Second) {
			t.Errorf("%s: got %s, %s, %v, want %s", name, at, timeout, ok, c.want)
		}
	}
}
