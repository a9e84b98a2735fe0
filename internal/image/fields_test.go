package image

import (
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
	"testing"

	"github.com/compose-spec/compose-go/v2/types"
)

// names lists the fields of a Compose type and of what it holds, as Fields has them.
func fieldNames(t reflect.Type, field string) []string {
	switch t.Kind() {
	case reflect.Pointer, reflect.Slice, reflect.Map:
		return fieldNames(t.Elem(), field)
	case reflect.Struct:
		var out []string
		for i := range t.NumField() {
			f := t.Field(i)
			if f.Name == "Extensions" || !f.IsExported() { // x-… keys are for others
				continue
			}
			name := strings.TrimPrefix(field+"."+f.Name, ".")
			out = append(append(out, name), fieldNames(f.Type, name)...)
		}
		return out
	default:
		return nil
	}
}

func TestEveryFieldOfABuildSectionIsDecidedOn(t *testing.T) {
	var tests strings.Builder
	for _, dir := range []string{".", "../integration"} {
		files, err := filepath.Glob(filepath.Join(dir, "*_test.go"))
		if err != nil {
			t.Fatal(err)
		}
		for _, file := range files {
			text, err := os.ReadFile(file)
			if err != nil {
				t.Fatal(err)
			}
			tests.Write(text)
		}
	}
	names := fieldNames(reflect.TypeFor[types.BuildConfig](), "")
	for _, name := range names {
		f, decided := Fields[name]
		switch {
		case !decided:
			t.Errorf("Compose has a field %s of build sections: decide what becomes of it", name)
		case f.How == Honoured && !strings.Contains(tests.String(), "\nfunc "+f.Test+"("):
			t.Errorf("%s: there is no test %q", name, f.Test)
		case (f.How == Warned || f.Loaded) && f.Why == "":
			t.Errorf("%s: nobody says why it has no effect", name)
		}
	}
	for name := range Fields {
		if !slices.Contains(names, name) {
			t.Errorf("Compose has no field %s of build sections any more", name)
		}
	}
}

func TestWarningsNameWhatHasNoEffect(t *testing.T) {
	mode := types.FileMode(0o400)
	service := types.ServiceConfig{Name: "app"}
	service.Build = &types.BuildConfig{
		Isolation: "hyperv", Provenance: "mode=max", SBOM: "false", Platforms: []string{"linux/amd64", "linux/arm64"},
		Secrets: []types.ServiceSecretConfig{{Source: "a", UID: "1"}, {Source: "b", UID: "2", Mode: &mode}},
		Ulimits: map[string]*types.UlimitsConfig{"nofile": {Single: 5}},
	}
	var got []string
	for _, w := range warnings(service, PlanOptions{}) {
		got = append(got, strings.TrimSuffix(strings.Fields(w)[0], ":"))
	}
	want := "services.app.build.provenance services.app.build.isolation services.app.build.secrets.uid services.app.build.secrets.mode services.app.build.platforms"
	if strings.Join(got, " ") != want {
		t.Errorf("loaded: %v", got)
	}
	if got := len(warnings(service, PlanOptions{Push: true})); got != 3 {
		t.Errorf("pushed: %d warnings", got)
	}
}
