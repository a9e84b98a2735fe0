//go:build integration

package integration

import (
	"context"
	"os/exec"
	"strings"
	"testing"

	"github.com/moby/moby/client"

	"github.com/25eloquence/compose-mage/internal/enginetest"
	"github.com/25eloquence/compose-mage/internal/fault"
	"github.com/25eloquence/compose-mage/internal/finding"
	"github.com/25eloquence/compose-mage/internal/pinned"
	"github.com/25eloquence/compose-mage/internal/preflight"
)

// What the engine would refuse late is refused before anything is made, by the findings that check has, and each
// advice helps.
func TestIntegrationStartRefusesWhatCheckFinds(t *testing.T) {
	base := enginetest.Base(t)
	f := newFixture(t, "compose.yaml", `services:
  web:
    image: `+base+`
    init: true
    command: [sleep, "1000"]
    stop_grace_period: 1s
    networks: [out]
    volumes: ["data:/data"]
    secrets: [key]
  never: {image: "nowhere/none:1", pull_policy: never, profiles: [odd]}
networks: {out: {external: true, name: "${COMPOSE_PROJECT_NAME}-out"}}
volumes: {data: {external: true, name: "${COMPOSE_PROJECT_NAME}-data"}}
secrets: {key: {file: ./key}}
`)
	ctx := context.Background()
	t.Cleanup(func() { // external ones are not the fixture's to remove
		f.remove()
		_, _ = f.engine.NetworkRemove(ctx, f.name+"-out", client.NetworkRemoveOptions{})
		_, _ = f.engine.VolumeRemove(ctx, f.name+"-data", client.VolumeRemoveOptions{})
	})
	wants(t, f.start(ctx), fault.Config,
		`starting "web": secret "key": stat `, "next: put the secret into "+f.dir+"/key",
		`starting "web": external network "`+f.name+`-out" is not there`, "next: docker network create "+f.name+"-out",
		`starting "web": external volume "`+f.name+`-data" is not there`, "next: docker volume create "+f.name+"-data")
	if len(f.inspect()) > 0 {
		t.Error("containers were created")
	}
	in := preflight.Input{API: f.engine, Info: f.engine.Info, Local: f.engine.Local(), Project: f.load().Project}
	var ids []string
	for _, found := range preflight.All(ctx, in) {
		if found.Severity == finding.Failure {
			ids = append(ids, found.ID)
		}
	}
	if got := strings.Join(ids, " "); got != "secret.file network.external volume.external" {
		t.Errorf("check finds %s", got)
	}
	f.write("key", "secret")
	if _, err := f.engine.NetworkCreate(ctx, f.name+"-out", client.NetworkCreateOptions{}); err != nil {
		t.Fatal(err)
	}
	if _, err := f.engine.VolumeCreate(ctx, client.VolumeCreateOptions{Name: f.name + "-data"}); err != nil {
		t.Fatal(err)
	}
	f.mustStart()
	for _, found := range preflight.All(ctx, in) {
		if found.Severity == finding.Failure {
			t.Errorf("what runs is said to fail: %s", found.Text())
		}
	}
	t.Setenv("COMPOSE_PROFILES", "odd")
	wants(t, f.start(ctx), fault.Config,
		`starting "never": image "nowhere/none:1" is not on the engine, and pull_policy never forbids to pull it`)
}

// The engine itself refuses what preflight says that it refuses: each service would fail, one after the other, and
// does not even begin.
func TestIntegrationTheEngineRefusesTheSame(t *testing.T) {
	keys := map[string]string{
		"device.missing":  "devices: ['/dev/no-such-device']",
		"runtime.missing": "runtime: no-such-runtime",
		"limits.refused":  "mem_limit: 64m\n    memswap_limit: 32m",
		"mount.target":    "volumes: ['v:/v']",
		"bind.source":     "volumes: [{type: bind, source: ./lost, target: /v, bind: {create_host_path: false}}]",
	}
	for id, key := range keys {
		t.Run(id, func(t *testing.T) {
			f := newFixture(t, "compose.yaml", "services:\n  web:\n    image: "+enginetest.Base(t)+
				"\n    init: true\n    command: [sleep, '1000']\n    stop_grace_period: 1s\n    "+key+"\n")
			in := preflight.Input{
				API: f.engine, Info: f.engine.Info, Local: f.engine.Local(), Project: f.load().Project,
			}
			found, err := preflight.Refusals(context.Background(), in, nil)
			if err != nil || len(found) != 1 || found[0].ID != id {
				t.Fatalf("found %+v, %v", found, err)
			}
			wants(t, f.start(context.Background()), fault.Config, `starting "web": `+found[0].Evidence)
			if len(f.inspect()) > 0 {
				t.Error("a container was made")
			}
			paths, err := pinned.Build(context.Background(), "docker-compose")
			if err != nil {
				t.Fatal(err)
			}
			up := exec.Command(paths[0], "-f", f.dir+"/compose.yaml", "up", "-d")
			if out, err := up.CombinedOutput(); err == nil {
				t.Errorf("docker compose takes it:\n%s", out)
			}
		})
	}
}
