package preflight

import (
	"strings"
	"testing"

	"github.com/compose-spec/compose-go/v2/types"

	"github.com/25eloquence/compose-mage/internal/extension"
)

// Setup is advised only for a file that it writes.
func TestMissingFilesAdviseWhatHelps(t *testing.T) {
	ours := types.Extensions{extension.Key: map[string]any{"generate": "{hex:8}"}}
	service := types.ServiceConfig{Name: "a"}
	service.Secrets = []types.ServiceSecretConfig{{Source: "made"}, {Source: "other"}}
	service.Configs = []types.ServiceConfigObjConfig{{Source: "conf"}}
	found := files(&types.Project{
		Services: types.Services{"a": service},
		Secrets:  types.Secrets{"made": {File: "/nosuch/made", Extensions: ours}, "other": {File: "/nosuch/other"}},
		Configs:  types.Configs{"conf": {File: "/nosuch/conf"}},
	})
	want := map[string]string{
		`secret "made"`: "go tool mage setup", `secret "other"`: "put the secret into /nosuch/other",
		`config "conf"`: "put the config into /nosuch/conf",
	}
	for _, f := range found {
		for what, remedy := range want {
			if strings.Contains(f.Evidence, what) {
				if f.Remedy != remedy {
					t.Errorf("%s: the remedy is %q, want %q", what, f.Remedy, remedy)
				}
				delete(want, what)
			}
		}
	}
	if len(want) > 0 {
		t.Errorf("not found: %v in %v", want, found)
	}
}
