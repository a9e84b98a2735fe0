//go:build integration && linux

package swarm

import (
	"fmt"
	"slices"
	"testing"
	"time"

	"github.com/moby/moby/client"
)

// secrets are the names of those that the project has on the Swarm.
func (p *project) secrets() []string {
	p.t.Helper()
	got, err := p.api().SecretList(p.t.Context(), client.SecretListOptions{Filters: p.mine()})
	if err != nil {
		p.t.Fatal(err)
	}
	var names []string
	for _, s := range got.Items {
		names = append(names, s.Spec.Name)
	}
	slices.Sort(names)
	return names
}

// A secret of a service with two copies is rotated under requests, ROTATIONS times: each is one rolling update of that
// service, nobody notices, and one secret is left.
func TestIntegrationSecretRotatesUnderLoad(t *testing.T) {
	p := newShop(t, "rotate")
	p.mustDeploy()
	db := p.versions()["rotate_db"]
	got := p.load("web:8080", 50)
	seen := p.secrets()
	for i := range times(t, "ROTATIONS", 2) {
		p.write("key", fmt.Sprintf("rotation %d", i))
		plan, took, err := p.deploy(2 * time.Minute)
		if err != nil {
			t.Fatalf("rotation %d: %v", i, err)
		}
		t.Logf("rotation %d: %s", i, took)
		for _, o := range plan.Operations {
			if o.Service != "" && o.Service != "web" {
				t.Errorf("rotation %d does %+v", i, o)
			}
		}
		secrets := p.secrets()
		if len(secrets) != 1 || slices.Contains(seen, secrets[0]) {
			t.Errorf("after rotation %d the secrets are %v, before there were %v", i, secrets, seen)
		}
		seen = append(seen, secrets...)
		for _, task := range p.tasks("web") {
			if have := task.Spec.ContainerSpec.Secrets; len(have) != 1 || have[0].SecretName != secrets[0] {
				t.Errorf("after rotation %d task %s has %v, want %v", i, task.ID, have, secrets)
			}
		}
	}
	if a := got(); a.Failed > 0 || a.Requests < 100 || len(a.Addresses) < 4 {
		t.Errorf("requests meanwhile: %+v", a)
	} else {
		t.Logf("requests meanwhile: %d, answered by %d tasks", a.Requests, len(a.Addresses))
	}
	if now := p.versions()["rotate_db"]; now != db {
		t.Errorf("db was touched: version %d, before %d", now, db)
	}
}
