package container

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/compose-spec/compose-go/v2/types"
	"github.com/docker/compose/v5/pkg/api"
	moby "github.com/moby/moby/api/types/container"
	"github.com/moby/moby/client"

	"github.com/25eloquence/compose-mage/internal/fault"
)

// listing is an engine that has these containers.
type listing []moby.Summary

func (l listing) ContainerList(context.Context, client.ContainerListOptions) (client.ContainerListResult, error) {
	return client.ContainerListResult{Items: l}, nil
}

// madeIn gives a container that was made in the folder, with its files.
func madeIn(folder string, files ...string) moby.Summary {
	return moby.Summary{Labels: map[string]string{
		api.ProjectLabel: "shop", api.ServiceLabel: "web", api.WorkingDirLabel: folder,
		api.ConfigFilesLabel: strings.Join(files, ","),
	}}
}

// ofProject is the container as one of another project.
func ofProject(c moby.Summary, project string) moby.Summary {
	c.Labels[api.ProjectLabel] = project
	return c
}

func mustWrite(t *testing.T, path string) string {
	t.Helper()
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(path, []byte("services: {}\n"), 0o644); err != nil {
		t.Fatal(err)
	}
	return path
}

func TestAnotherCheckout(t *testing.T) {
	dir := t.TempDir()
	in := func(name string) string { return filepath.Join(dir, name) }
	own := mustWrite(t, in("own/compose.yaml"))
	other := mustWrite(t, in("other/compose.yaml"))
	comma := mustWrite(t, in("oth,er/compose.yaml"))
	mustWrite(t, in("own/override.yaml"))
	mustWrite(t, in("emptied/README"))
	mustWrite(t, in("project/README"))
	mustWrite(t, in("a-file"))
	for link, to := range map[string]string{"link": in("own"), "dangling": in("gone"), "linked.yaml": own} {
		if err := os.Symlink(to, in(link)); err != nil {
			t.Skipf("this machine has no links: %v", err)
		}
	}
	project := &types.Project{Name: "shop", WorkingDir: in("own"), ComposeFiles: []string{own}}
	for name, c := range map[string]struct {
		made moby.Summary
		want bool
	}{
		"this folder":                               {madeIn(in("own"), own), false},
		"other files of this folder":                {madeIn(in("own"), own, in("own/override.yaml")), false},
		"another spelling of this folder":           {madeIn(in("own")+"/../own/.", own), false},
		"a link to this folder":                     {madeIn(in("link"), in("link/compose.yaml")), false},
		"another checkout":                          {madeIn(in("other"), other), true},
		"another checkout, one of two files":        {madeIn(in("other"), in("other/gone.yaml"), other), true},
		"another checkout, a path from it":          {madeIn(in("other"), "compose.yaml"), true},
		"moved: the folder is gone":                 {madeIn(in("gone"), in("gone/compose.yaml")), false},
		"moved: a link that leads nowhere":          {madeIn(in("dangling"), in("dangling/compose.yaml")), false},
		"moved: the files are gone":                 {madeIn(in("emptied"), in("emptied/compose.yaml")), false},
		"moved: a file has its name":                {madeIn(in("a-file"), in("a-file/compose.yaml")), false},
		"another project directory of this file":    {madeIn(in("project"), own), false},
		"the same by a linked file":                 {madeIn(in("project"), in("linked.yaml")), false},
		"another checkout, a comma in its path":     {madeIn(in("oth,er"), comma), true},
		"from standard input":                       {madeIn(in("other"), "-"), false},
		"no label":                                  {madeIn("", ""), false},
		"the folder is a file, the files are there": {madeIn(in("a-file"), other), false},
		"another project's":                         {ofProject(madeIn(in("other"), other), "blog"), false},
	} {
		t.Run(name, func(t *testing.T) {
			err := RefuseOthers(t.Context(), listing{madeIn(in("own"), own), c.made}, project, "start")
			if (err != nil) != c.want {
				t.Fatalf("got %v", err)
			}
		})
	}
}

func TestTheRefusalSaysFolderAndVariable(t *testing.T) {
	dir := t.TempDir()
	other, own := mustWrite(t, filepath.Join(dir, "co 1/compose.yaml")),
		mustWrite(t, filepath.Join(dir, "co2/compose.yaml"))
	project := &types.Project{Name: "shop", WorkingDir: filepath.Dir(own), ComposeFiles: []string{own}}
	for target, next := range map[string]string{
		"start":   "next: COMPOSE_PROJECT_NAME=co2 go tool mage start",
		"restart": "next: COMPOSE_PROJECT_NAME=co2 go tool mage restart",
		"stop":    "next: cd '" + filepath.Dir(other) + "' && go tool mage stop", "cleanup": "next: cd '" +
			filepath.Dir(other) + "' && go tool mage cleanup",
	} {
		err := RefuseOthers(t.Context(), listing{madeIn(filepath.Dir(other), other)}, project, target)
		var typed *fault.Error
		if !errors.As(err, &typed) || typed.Code != fault.Config {
			t.Fatalf("%s: got %v", target, err)
		}
		for _, want := range []string{
			filepath.Dir(other), "web", "COMPOSE_PROJECT_NAME=co2", "name: co2", "go tool mage " + target +
				" -take-over", next,
		} {
			if !strings.Contains(err.Error(), want) {
				t.Errorf("%s: %q is not in %v", target, want, err)
			}
		}
	}
	same := &types.Project{Name: "co2", WorkingDir: filepath.Dir(own), ComposeFiles: []string{own}}
	if name := OwnName(same); name != "co2-2" {
		t.Errorf("the folder's name is taken, and %q is proposed", name)
	}
}
