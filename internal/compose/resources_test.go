package compose

import (
	"bytes"
	"context"
	"encoding/json"
	"strings"
	"testing"

	"github.com/25eloquence/compose-mage/internal/engine"
	"github.com/25eloquence/compose-mage/internal/ui"
)

func TestExplainOurs(t *testing.T) {
	s := ours(t, engine.Machine{CPUs: 2, Memory: 24 << 30})
	f := s.Explain(engine.Machine{CPUs: 2, Memory: 24 << 30})
	if f.Tier != "16g" || !strings.Contains(f.Why, "24GiB of memory, and this tier is for 14GiB") {
		t.Errorf("tier %q: %s", f.Tier, f.Why)
	}
	by := map[string]FittedService{}
	for _, one := range f.Services {
		by[one.Service] = one
	}
	whisper := by["whisper-stt"]
	if whisper.Given.CPUs != 4 || whisper.Fitted.CPUs != 2 || whisper.Given.Memory != 16<<30 || whisper.Fitted.Memory != 16<<30 {
		t.Errorf("whisper-stt: %+v", whisper)
	}
	if len(whisper.Settings) != 1 || whisper.Settings[0].Name != "OMP_NUM_THREADS" || whisper.Settings[0].Value != "2" {
		t.Errorf("whisper-stt's threads don't follow the fitted cpus: %+v", whisper.Settings)
	}
	if redis := by["redis"]; redis.Given.ReservedMemory != 256<<20 || len(redis.Settings) != 1 || redis.Settings[0].Value != "402653184" {
		t.Errorf("redis: %+v", redis)
	}
	text := strings.Join(f.Warnings, "\n")
	for _, want := range []string{"whisper-stt: deploy.resources.limits.cpus 4 is above the machine's 2", "the memory limits add up to 24.5GiB, above the machine's 24GiB", "the cpus limits add up to 6.5, above the machine's 2"} {
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

func TestExplainByHandAndScale(t *testing.T) {
	dir := write(t, "compose.yaml", `services:
  api: {image: api, x-compose-mage: {runtime: go}, scale: 3, environment: {GOMEMLIMIT: 100MiB}, mem_limit: 1g, mem_reservation: 900m, cpus: 1}
  db: {image: db, deploy: {resources: {reservations: {memory: 8g, cpus: "3"}}}}
`)
	m := engine.Machine{CPUs: 2, Memory: 2 << 30}
	s, err := Load(context.Background(), Request{Dir: dir, Machine: m})
	if err != nil {
		t.Fatal(err)
	}
	f := s.Explain(m)
	if f.Tier != "" || f.Why != "there is no tier-8g.yaml beside the Compose file" {
		t.Errorf("tier %q: %s", f.Tier, f.Why)
	}
	want := []Setting{{"GOMAXPROCS", "1", reasons["GOMAXPROCS"]}, {"GOMEMLIMIT", "100MiB", "set in the Compose file; the limits would give 921MiB"}}
	if got := f.Services[0].Settings; len(got) != 2 || got[0] != want[0] || got[1] != want[1] {
		t.Errorf("settings %+v", got)
	}
	text := strings.Join(f.Warnings, "\n")
	for _, want := range []string{
		"the memory reservations add up to 10.64GiB, above the machine's 2GiB: not all can be met", "the cpus reservations add up to 3, above the machine's 2",
		"the memory limits add up to 3GiB", "the cpus limits add up to 3,",
	} {
		if !strings.Contains(text, want) {
			t.Errorf("%q is not in:\n%s", want, text)
		}
	}
	data, err := json.Marshal(f)
	if err != nil || !strings.Contains(string(data), `"machine":{"cpus":2,"memory":2147483648,"gpu":false}`) || !strings.Contains(string(data), `"given":{"cpus":1,"memory":1073741824`) {
		t.Errorf("%v: %s", err, data)
	}
}

func TestEveryDerivedVariableHasAReason(t *testing.T) {
	for name := range settings(knownRuntimes, limits{cpus: 2, memory: 1 << 30}) {
		if reasons[name] == "" {
			t.Errorf("nobody says why %s has its value", name)
		}
	}
}
