package container

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/docker/compose/v5/pkg/api"
	moby "github.com/moby/moby/api/types/container"
	"github.com/moby/moby/client"
)

// made is a container as Compose labels it; number is the replica's, created its time of creation.
func made(id, service, oneOff, hash, number string, created int64) moby.Summary {
	labels := map[string]string{
		ProjectLabel: "shop", ServiceLabel: service, OneOffLabel: oneOff, api.ContainerNumberLabel: number,
	}
	if hash != "" {
		labels[ConfigHashLabel] = hash
	}
	return moby.Summary{ID: id, Labels: labels, Created: created}
}

// ids prints the containers by service: "db: 1 2; web: 3".
func ids(found map[string][]moby.Summary) string {
	var out []string
	for service, all := range found {
		line := service + ":"
		for _, c := range all {
			line += " " + c.ID
		}
		out = append(out, line)
	}
	slices.Sort(out)
	return strings.Join(out, "; ")
}

// TestByService: containers of services are grouped by service and ordered by number, then by age; those of compose
// run and of hooks are nobody's replicas.
func TestByService(t *testing.T) {
	all := []moby.Summary{
		made("w2", "web", "False", "h", "2", 1), made("w1", "web", "False", "h", "1", 5),
		made("old", "web", "False", "h", "1", 3),
		made("run", "web", "True", "h", "1", 1), made("hook", "web", "False", "", "1", 1),
		made("db", "db", "False", "h", "", 1),
	}
	if got, want := ids(ByService(all)), "db: db; web: old w1 w2"; got != want {
		t.Errorf("got %s, want %s", got, want)
	}
	for _, services := range [][]string{nil, {"db"}, {"db", "web"}, {"api"}} {
		want := map[string]string{
			"[]": "db: db; web: old w1 w2", "[db]": "db: db", "[db web]": "db: db; web: old w1 w2", "[api]": "",
		}[fmt.Sprint(services)]
		replicas := slices.DeleteFunc(slices.Clone(all),
			func(c moby.Summary) bool { return c.ID == "run" || c.ID == "hook" })
		if got := ids(group(replicas, services)); got != want {
			t.Errorf("of %v: got %s, want %s", services, got, want)
		}
	}
}

// filters is an engine that only notes by what it is asked.
type filters struct{ asked string }

func (f *filters) ContainerList(
	_ context.Context, o client.ContainerListOptions,
) (client.ContainerListResult, error) {
	var labels []string
	for label := range o.Filters["label"] {
		labels = append(labels, strings.TrimPrefix(label, "com.docker.compose."))
	}
	slices.Sort(labels)
	f.asked = fmt.Sprint(o.All, " ", strings.Join(labels, " "))
	return client.ContainerListResult{}, nil
}

// TestTheEngineIsAskedForTheProjectsOwn: what another project has is never listed.
func TestTheEngineIsAskedForTheProjectsOwn(t *testing.T) {
	for want, ask := range map[string]func(*filters) error{
		"true project=shop": func(f *filters) error {
			_, err := All(t.Context(), f, "shop")
			return err
		},
		"true config-hash oneoff=False project=shop": func(f *filters) error {
			_, err := List(t.Context(), f, "shop", "a", "b")
			return err
		},
		"true config-hash oneoff=False project=shop service=a": func(f *filters) error {
			_, err := List(t.Context(), f, "shop", "a")
			return err
		},
	} {
		var f filters
		if err := ask(&f); err != nil || f.asked != want {
			t.Errorf("asked %q, want %q (%v)", f.asked, want, err)
		}
	}
}
