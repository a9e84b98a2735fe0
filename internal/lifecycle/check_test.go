package lifecycle

import (
	"strings"
	"testing"

	"github.com/compose-spec/compose-go/v2/types"

	"github.com/25eloquence/compose-mage/internal/compose"
)

// Setup is advised only for a file that it writes.
func TestMissingFilesAdviseWhatHelps(t *testing.T) {
	ours := types.Extensions{compose.Extension: map[string]any{"generate": "{hex:8}"}}
	for name, c := range map[string]struct {
		secret, config string
		next           string
	}{
		"generated secret": {"made", "", "next: go tool mage setup"},
		"other secret":     {"other", "", "next: write the file /nosuch/other"},
		"config":           {"", "conf", "next: write the file /nosuch/conf"},
	} {
		var service types.ServiceConfig
		if c.secret != "" {
			service.Secrets = []types.ServiceSecretConfig{{Source: c.secret}}
		}
		if c.config != "" {
			service.Configs = []types.ServiceConfigObjConfig{{Source: c.config}}
		}
		err := checkFiles(&types.Project{
			Services: types.Services{"a": service},
			Secrets:  types.Secrets{"made": {File: "/nosuch/made", Extensions: ours}, "other": {File: "/nosuch/other"}},
			Configs:  types.Configs{"conf": {File: "/nosuch/conf"}},
		})
		if err == nil || !strings.Contains(err.Error(), c.next) {
			t.Errorf("%s: got %v, want %q", name, err, c.next)
		}
	}
}
