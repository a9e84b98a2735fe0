package container

import (
	"testing"

	"github.com/compose-spec/compose-go/v2/types"
	"github.com/docker/compose/v5/pkg/api"
)

func TestLabelledKeepsWhatOnlyTheLoaderKnows(t *testing.T) {
	project, err := Labelled(&types.Project{Name: "p", Services: types.Services{
		"a": {
			Name: "a",
			ContainerSpec: types.ContainerSpec{
				CustomLabels: types.Labels{api.EnvironmentFileLabel: "/x.env", api.ServiceLabel: "stale"},
			},
		},
		"b": {Name: "b"},
	}})
	if err != nil {
		t.Fatal(err)
	}
	if a := project.Services["a"].CustomLabels; a[api.EnvironmentFileLabel] != "/x.env" || a[api.ServiceLabel] != "a" {
		t.Errorf("got %v", a)
	}
	if _, set := project.Services["b"].CustomLabels[api.EnvironmentFileLabel]; set {
		t.Error("b has a label of env files that were not named")
	}
}
