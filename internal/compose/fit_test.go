package compose

import (
	"bytes"
	"context"
	"path/filepath"
	"strings"
	"testing"

	"github.com/compose-spec/compose-go/v2/types"

	"github.com/25eloquence/compose-mage/internal/engine"
	"github.com/25eloquence/compose-mage/internal/fit"
	"github.com/25eloquence/compose-mage/internal/ui"
)

// ours loads the stack that this repository ships, for a machine.
func ours(t *testing.T, m engine.Machine) *Model {
	t.Helper()
	write(t) // clears the environment
	t.Setenv("COMPOSE_PROFILES", "agent-v1")
	t.Setenv("STACK_NOFILE", "65536") // whatever setup wrote into .env on this machine
	s, err := Load(context.Background(), Request{Dir: filepath.Join("..", ".."), Machine: m})
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// TestSpecifiedLimits holds the table of the specification: memory in MiB, cores, and what follows from them, on a
// machine that has enough of both.
func TestSpecifiedLimits(t *testing.T) {
	for tier, whisper := range map[string][2]float64{"8g": {6 << 10, 2}, "16g": {16 << 10, 4}, "32g": {24 << 10, 8}} {
		memory := map[string]int64{"8g": 8 << 30, "16g": 16 << 30, "32g": 32 << 30}[tier]
		s := ours(t, engine.Machine{CPUs: 16, Memory: memory})
		if s.Tier != tier || len(s.Notices) != 0 {
			t.Errorf("tier %q, notices %v; want %q and none", s.Tier, s.Notices, tier)
		}
		for name, want := range map[string][2]float64{
			"redis": {512, 0}, "api-backend": {2 << 10, 1}, "livekit": {1 << 10, 1}, "whisper-stt": whisper,
			"azure-tts": {1 << 10, 0.5}, "eloquence-agent-v1": {4 << 10, 2},
		} {
			got := fit.ResourcesOf(s.Project.Services[name])
			if float64(got.Memory>>20) != want[0] || got.CPUs != want[1] {
				t.Errorf("tier %s, %s: got %d MiB and %v cpus, want %v", tier, name, got.Memory>>20, got.CPUs, want)
			}
		}
	}
}

func TestFitClampsAndRuntimesFollow(t *testing.T) {
	s := ours(t, engine.Machine{CPUs: 2, Memory: 12 << 30})
	services := s.Project.Services
	whisper, redis, agent := services["whisper-stt"], services["redis"], services["eloquence-agent-v1"]
	if r := fit.ResourcesOf(whisper); r.CPUs != 2 || r.Memory != 6<<30 {
		t.Errorf("whisper-stt got %+v", r)
	}
	for service, want := range map[*types.ServiceConfig][2]string{
		&whisper: {"OMP_NUM_THREADS", "2"}, &redis: {"REDIS_MAXMEMORY", "402653184"}, &agent: {"GOMEMLIMIT", "3686MiB"},
	} {
		if got := service.Environment[want[0]]; got == nil || *got != want[1] {
			t.Errorf("%s: %s is %v, want %s", service.Name, want[0], got, want[1])
		}
	}
	t.Setenv(TierVariable, "32g")
	s, err := Load(context.Background(),
		Request{Dir: filepath.Join("..", ".."), Machine: engine.Machine{CPUs: 2, Memory: 12 << 30}})
	if err != nil {
		t.Fatal(err)
	}
	got := strings.Join(s.Notices, "\n")
	for _, want := range []string{
		"whisper-stt: deploy.resources.limits.cpus 8 is above the machine's 2, clamped to 2",
		"whisper-stt: deploy.resources.limits.memory 24GiB is above the machine's memory, clamped to 12GiB",
	} {
		if !strings.Contains(got, want) {
			t.Errorf("notices lack %q:\n%s", want, got)
		}
	}
	if v := *s.Project.Services["whisper-stt"].Environment["OMP_NUM_THREADS"]; v != "2" {
		t.Errorf("threads did not follow the clamp: %s", v)
	}
}

func TestFitClampsOpenFiles(t *testing.T) {
	s := ours(t, engine.Machine{CPUs: 8, Memory: 16 << 30, OpenFiles: 20000})
	if u := s.Project.Services["livekit"].Ulimits["nofile"]; u.Soft != 20000 || u.Hard != 20000 {
		t.Errorf("got %+v", u)
	}
	if got := strings.Join(s.Notices,
		"\n"); got != "livekit: ulimits.nofile 65536 is above the 20000 that the engine may grant, clamped to 20000" {
		t.Errorf("got %q", got)
	}
	if u := ours(t,
		engine.Machine{CPUs: 8, Memory: 16 << 30}).Project.Services["livekit"].Ulimits["nofile"]; u.Soft != 65536 ||
		u.Hard != 65536 {
		t.Errorf("where the limit is not known: %+v", u)
	}
}

func TestTierAndGPUVariables(t *testing.T) {
	s := ours(t, engine.Machine{CPUs: 8, Memory: 16 << 30, GPU: true})
	devices := s.Project.Services["whisper-stt"].Deploy.Resources.Reservations.Devices
	if !s.GPU || len(devices) != 1 || devices[0].Driver != "nvidia" {
		t.Errorf("GPU overlay: %v, devices %v", s.GPU, devices)
	}
	for variable, value := range map[string]string{TierVariable: "61g", GPUVariable: "perhaps"} {
		write(t)
		t.Setenv(variable, value)
		machine := engine.Machine{CPUs: 2, Memory: 8 << 30}
		_, err := Load(context.Background(), Request{Dir: filepath.Join("..", ".."), Machine: machine})
		if err == nil || !strings.Contains(err.Error(), value) || !strings.Contains(err.Error(), variable) {
			t.Errorf("%s=%s: got %v", variable, value, err)
		}
	}
}

func TestExplainOurs(t *testing.T) {
	s := ours(t, engine.Machine{CPUs: 2, Memory: 24 << 30})
	f := s.Explain(engine.Machine{CPUs: 2, Memory: 24 << 30})
	if f.Tier != "16g" || !strings.Contains(f.Why, "24GiB of memory, and this tier is for 14GiB") {
		t.Errorf("tier %q: %s", f.Tier, f.Why)
	}
	by := map[string]fit.Service{}
	for _, one := range f.Services {
		by[one.Service] = one
	}
	whisper := by["whisper-stt"]
	if whisper.Given != (fit.Resources{CPUs: 4, Memory: 16 << 30}) ||
		whisper.Fitted != (fit.Resources{CPUs: 2, Memory: 16 << 30}) {
		t.Errorf("whisper-stt: %+v", whisper)
	}
	if len(whisper.Settings) != 1 || whisper.Settings[0].Name != "OMP_NUM_THREADS" || whisper.Settings[0].Value != "2" {
		t.Errorf("whisper-stt's threads don't follow the fitted cpus: %+v", whisper.Settings)
	}
	redis := by["redis"]
	if redis.Given.ReservedMemory != 256<<20 || len(redis.Settings) != 1 || redis.Settings[0].Value != "402653184" {
		t.Errorf("redis: %+v", redis)
	}
	text := strings.Join(f.Warnings, "\n")
	for _, want := range []string{
		"whisper-stt: deploy.resources.limits.cpus 4 is above the machine's 2",
		"the memory limits add up to 24.5GiB, above the machine's 24GiB",
		"the cpus limits add up to 6.5, above the machine's 2",
	} {
		if !strings.Contains(text, want) {
			t.Errorf("%q is not in:\n%s", want, text)
		}
	}
	if strings.Contains(text, "reservations") {
		t.Errorf("reservations that fit are warned of:\n%s", text)
	}
	var out bytes.Buffer
	f.Print(ui.New(&out))
	for _, want := range []string{"4 -> 2", "OMP_NUM_THREADS", "machine: 2 CPUs, 24GiB of memory, no GPU"} {
		if !strings.Contains(out.String(), want) {
			t.Errorf("%q is not in:\n%s", want, out.String())
		}
	}
}
