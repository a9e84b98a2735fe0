//go:build integration

package integration

import (
	"context"
	"fmt"
	"maps"
	"os"
	"os/exec"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/moby/moby/client"

	"github.com/25eloquence/compose-mage/internal/compose"
	"github.com/25eloquence/compose-mage/internal/lifecycle"
	"github.com/25eloquence/compose-mage/internal/pinned"
	"github.com/25eloquence/compose-mage/internal/ui"
)

// Docker compose and our start take turns on a stack: nobody makes a container anew, restart finds nothing to do, and
// docker compose's ps, logs and down work on it as ever. PARITY=20 is the long form: every shape, three turns each;
// without it the first six have one turn.
func TestIntegrationParityTakesTurns(t *testing.T) {
	paths, err := pinned.Build(context.Background(), "docker-compose")
	if err != nil {
		t.Fatal(err)
	}
	shapes, rounds := parityShapes, 3
	if n, _ := strconv.Atoi(os.Getenv("PARITY")); n == 0 {
		shapes, rounds = shapes[:6], 1
	}
	for i, shape := range shapes {
		t.Run(shape.name, func(t *testing.T) {
			f := newParityFixture(t, paths[0], shape)
			turns := []struct {
				who string
				do  func() error
			}{
				{"docker compose up", f.composeUp},
				{"start", f.startHere},
			}
			if i%2 == 1 {
				slices.Reverse(turns)
			}
			var first map[string]string
			for round := range rounds {
				for _, turn := range turns {
					if err := turn.do(); err != nil {
						t.Fatalf("round %d, %s: %v\n%s", round, turn.who, err, f.out.String())
					}
					now := f.containerIDs()
					if first == nil {
						first = now
					}
					if !maps.Equal(first, now) || len(now) == 0 {
						t.Fatalf("round %d: %s made containers anew:\n%v\n%v\n%s", round, turn.who, first, now,
							f.out.String())
					}
				}
			}
			f.unchanged()
			f.worksAsEver(first, shape)
		})
	}
}

type parityFixture struct {
	*fixture
	program string // docker compose
}

func newParityFixture(t *testing.T, program string, shape parityShape) parityFixture {
	t.Helper()
	f := parityFixture{fixture: newFixture(t), program: program}
	for i := 0; i < len(shape.files); i += 2 {
		content := shape.files[i+1]
		if strings.HasSuffix(shape.files[i], ".yaml") {
			content = keep + content
		}
		f.write(shape.files[i], content)
	}
	t.Setenv(compose.TierVariable, "none")
	t.Setenv("NO_COLOR", "1")
	for _, v := range shape.env {
		name, value, _ := strings.Cut(v, "=")
		t.Setenv(name, strings.ReplaceAll(value, "%s", f.dir))
	}
	// Both read the stack of the current directory, with no option.
	t.Chdir(f.dir)
	if shape.image != "" {
		tag := fmt.Sprintf(shape.image, f.name)
		options := client.ImageTagOptions{Source: "debian:bookworm-slim", Target: tag}
		if _, err := f.engine.ImageTag(context.Background(), options); err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() {
			f.removeContainers()
			_, _ = f.engine.ImageRemove(context.Background(), tag, client.ImageRemoveOptions{})
		})
	}
	return f
}

// run runs docker compose as a user would who stands in the directory.
func (f parityFixture) run(args ...string) (string, error) {
	out, err := exec.Command(f.program, args...).CombinedOutput()
	if err != nil {
		return "", fmt.Errorf("docker compose %s: %w\n%s", strings.Join(args, " "), err, out)
	}
	return string(out), nil
}

func (f parityFixture) composeUp() error {
	_, err := f.run("up", "-d")
	return err
}

// startHere loads and starts as the target does.
func (f parityFixture) startHere() error {
	s, err := compose.Load(context.Background(), compose.Request{Machine: f.engine.Machine()})
	if err != nil {
		return err
	}
	return lifecycle.Start(context.Background(), f.engine, s.Project, lifecycle.StartOptions{Out: ui.New(&f.out)})
}

// unchanged asks restart, which must find nothing to do.
func (f parityFixture) unchanged() {
	f.t.Helper()
	s, err := compose.Load(context.Background(), compose.Request{Machine: f.engine.Machine()})
	if err != nil {
		f.t.Fatal(err)
	}
	plan, err := lifecycle.PlanRestart(f.t.Context(), f.engine, s.Project,
		lifecycle.RestartOptions{Out: ui.New(&f.out)})
	if err != nil {
		f.t.Fatal(err)
	}
	for _, step := range plan.Steps {
		f.t.Errorf("restart would touch %s: %s", step.Service, step.Why)
	}
}

// containerIDs gives the IDs of all the project's containers by name.
func (f parityFixture) containerIDs() map[string]string {
	f.t.Helper()
	list, err := f.engine.ContainerList(context.Background(), client.ContainerListOptions{
		All: true, Filters: client.Filters{}.Add("label", "com.docker.compose.project="+f.name),
	})
	if err != nil {
		f.t.Fatal(err)
	}
	ids := map[string]string{}
	for _, c := range list.Items {
		ids[strings.Join(c.Names, " ")] = c.ID
	}
	return ids
}

// worksAsEver asks docker compose for the containers and what they wrote, and has it take the project down.
func (f parityFixture) worksAsEver(ids map[string]string, shape parityShape) {
	f.t.Helper()
	listed, err := f.run("ps", "--all", "--no-trunc", "--quiet")
	if err != nil {
		f.t.Error(err)
	}
	for name, id := range ids {
		if !strings.Contains(listed, id) {
			f.t.Errorf("docker compose ps does not list %s", name)
		}
	}
	logs, err := f.run("logs")
	if err != nil || !shape.quiet && !strings.Contains(logs, "| spoken") {
		f.t.Errorf("docker compose logs: %v\n%s", err, logs)
	}
	if _, err := f.run("down", "--volumes", "--timeout", "1"); err != nil {
		f.t.Error(err)
	}
	if left := f.containerIDs(); len(left) > 0 {
		f.t.Errorf("docker compose down left %v", left)
	}
	mine := client.Filters{}.Add("label", "com.docker.compose.project="+f.name)
	networks, err := f.engine.NetworkList(context.Background(), client.NetworkListOptions{Filters: mine})
	if err != nil || len(networks.Items) > 0 {
		f.t.Errorf("docker compose down left networks: %v, %v", networks.Items, err)
	}
	volumes, err := f.engine.VolumeList(context.Background(), client.VolumeListOptions{Filters: mine})
	if err != nil || len(volumes.Items) > 0 {
		f.t.Errorf("docker compose down left volumes: %v, %v", volumes.Items, err)
	}
}
