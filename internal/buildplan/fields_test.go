package buildplan

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
	for _, dir := range []string{".", "../buildcache", "../solve", "../integration"} {
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
	file := `name: demo
services:
  app:
    build:
      context: .
      isolation: hyperv
      provenance: mode=max
      sbom: "false"
      platforms: [linux/amd64, linux/arm64]
      ulimits: {nofile: 5}
      secrets:
        - {source: a, uid: "1"}
        - source: b
          mode: 0400
secrets: {a: {file: f}, b: {file: f}}
`
	for push, want := range map[bool]string{
		false: "7:services.app.build.provenance 6:services.app.build.isolation 12:services.app.build.secrets.0.uid " +
			"14:services.app.build.secrets.1.mode 9:services.app.build.platforms",
		true: "6:services.app.build.isolation 12:services.app.build.secrets.0.uid 14:services.app.build.secrets.1.mode",
	} {
		p, dir, err := plan(t, Options{Push: push}, "compose.yaml", file, "Dockerfile", "FROM scratch", "f", "")
		if err != nil {
			t.Fatal(err)
		}
		var got []string
		for _, w := range p.Warnings {
			words := strings.Fields(strings.TrimPrefix(w, filepath.Join(dir, "compose.yaml:")))
			got = append(got, words[0]+strings.TrimSuffix(words[1], ":"))
		}
		if strings.Join(got, " ") != want {
			t.Errorf("pushed %v: %v", push, got)
		}
	}
}

func TestWhatIsWarnedOf(t *testing.T) {
	for name, c := range map[string]struct {
		section string
		o       Options
		want    string // words of the warnings
	}{
		"nothing":         {"", Options{}, ""},
		"one platform":    {"platforms: [linux/amd64]", Options{}, ""},
		"several, pushed": {"platforms: [linux/amd64, linux/arm64]", Options{Push: true}, ""},
		"several, chosen": {"platforms: [linux/amd64, linux/arm64]", Options{Platforms: "linux/amd64"}, ""},
		"several": {
			"platforms: [linux/amd64, linux/arm64]",
			Options{},
			"of linux/amd64, linux/arm64 the engine is given one",
		},
		"attested, not pushed": {"provenance: mode=max", Options{}, "it is for images that are pushed"},
		"not attested":         {"provenance: \"false\"", Options{}, ""},
		"attested and pushed":  {"provenance: mode=max", Options{Push: true}, ""},
		"isolated":             {"isolation: hyperv", Options{Push: true}, "BuildKit has no such choice"},
		"an own key":           {"x-own: 1", Options{}, ""},
	} {
		p, _,
			err := plan(t, c.o, "compose.yaml", "services:\n  a:\n    build:\n      context: .\n      "+c.section+"\n",
			"Dockerfile", "FROM scratch")
		if err != nil {
			t.Errorf("%s: %v", name, err)
			continue
		}
		got := strings.Join(p.Warnings, "\n")
		if (got == "") != (c.want == "") || !strings.Contains(got, c.want) {
			t.Errorf("%s: %q", name, got)
		}
	}
}
