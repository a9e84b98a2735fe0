package voice

import (
	"testing"

	"github.com/compose-spec/compose-go/v2/types"
)

// A service that takes the first of several models by name takes another one only where its variable says so.
func TestUseModelNamesTheVariable(t *testing.T) {
	value := func(s string) *string { return &s }
	const restart = "go tool mage restart stt"
	for name, c := range map[string]struct {
		environment types.MappingWithEquals
		want        string
	}{
		"can't be told": {nil, restart},
		"told already":  {types.MappingWithEquals{"STT_MODEL": value("ggml-small.bin")}, restart},
		"told another": {
			types.MappingWithEquals{"STT_MODEL": value("ggml-base.bin")},
			"write STT_MODEL=ggml-small.bin into .env beside the Compose file, else the first model by name is " +
				"taken; then " + restart,
		},
		"not told": {
			types.MappingWithEquals{"STT_MODEL": value("")},
			"write STT_MODEL=ggml-small.bin into .env beside the Compose file, else the first model by name is " +
				"taken; then " + restart,
		},
	} {
		service := types.ServiceConfig{Name: "stt"}
		service.Environment = c.environment
		if got := useModel(service, "small"); got != c.want {
			t.Errorf("%s: got %q, want %q", name, got, c.want)
		}
	}
}
