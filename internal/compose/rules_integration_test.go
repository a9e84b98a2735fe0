//go:build integration

package compose

import (
	"bytes"
	"context"
	"encoding/json"
	"maps"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/docker/compose/v5/pkg/compose"

	"github.com/25eloquence/compose-mage/internal/pinned"
)

// Every rule that is docker compose's, put to docker compose: name, services and configuration hashes are the same, and
// what it refuses we refuse.
func TestIntegrationRulesHoldForDockerCompose(t *testing.T) {
	programs, err := pinned.Build(t.Context(), "docker-compose")
	if err != nil {
		t.Fatal(err)
	}
	for name, r := range rules {
		if r.own {
			continue
		}
		t.Run(name, func(t *testing.T) {
			root := r.lay(t)
			dir := filepath.Join(root, r.in)
			t.Chdir(dir) // sets PWD, too
			m, err := Load(context.Background(), Request{})
			theirs, theirErr := theirModel(programs[0])
			if (err == nil) != (theirErr == nil) {
				t.Fatalf("docker compose says %v, we say %v", theirErr, err)
			}
			if err != nil {
				return
			}
			ours := map[string]string{"the name": m.Project.Name}
			for name, s := range m.Project.Services {
				if ours[name], err = compose.ServiceHash(s); err != nil {
					t.Fatal(err)
				}
			}
			if !maps.Equal(ours, theirs) {
				t.Errorf("docker compose has %v, we have %v", theirs, ours)
			}
		})
	}
}

// theirModel gives docker compose's project name and the hashes by service.
func theirModel(program string) (map[string]string, error) {
	run := func(args ...string) ([]byte, error) {
		cmd := exec.Command(program, append([]string{"config"}, args...)...)
		var out bytes.Buffer
		cmd.Stdout = &out
		err := cmd.Run()
		return out.Bytes(), err
	}
	out, err := run("--hash", "*")
	if err != nil {
		return nil, err
	}
	theirs := map[string]string{}
	for line := range strings.Lines(string(out)) {
		name, hash, _ := strings.Cut(strings.TrimSpace(line), " ")
		theirs[name] = hash
	}
	if out, err = run("--format", "json"); err != nil {
		return nil, err
	}
	var model struct{ Name string }
	err = json.Unmarshal(out, &model)
	theirs["the name"] = model.Name
	return theirs, err
}
