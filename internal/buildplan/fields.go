package buildplan

import (
	"fmt"
	"reflect"
	"slices"
	"strconv"
	"strings"

	"github.com/compose-spec/compose-go/v2/types"

	"github.com/25eloquence/compose-mage/internal/compose"
)

// How says what becomes of a field of a Compose type.
type How string

// The ways of treating a field.
const (
	Honoured How = "honoured" // as docker compose does
	Library  How = "library"  // Compose's own library does all there is to do
	Warned   How = "warned"   // it has no effect, and a warning names the key
)

// Field is what becomes of one field of a Compose type.
type Field struct {
	How  How
	Test string // the test that shows it, of an honoured field
	Why  string // why it has no effect, of a warned one
	// Loaded says that the field has an effect on pushed images and is warned of where one is loaded.
	Loaded bool
}

// Fields says of every field of Compose's build section what becomes of it. Fields of nested types have the outer
// field's name before theirs: "Secrets.UID". A test walks types.BuildConfig, so that a field that Compose adds is not
// forgotten.
var Fields = map[string]Field{
	"Context":            {How: Honoured, Test: "TestPlanReads"},
	"Dockerfile":         {How: Honoured, Test: "TestPlanReads"},
	"DockerfileInline":   {How: Honoured, Test: "TestPlanReads"},
	"Entitlements":       {How: Honoured, Test: "TestEntitlementsAreAsked"},
	"Args":               {How: Honoured, Test: "TestAttributesCarryArgsAndLabels"},
	"Provenance":         {How: Honoured, Test: "TestAttestationsArePushed", Loaded: true, Why: attested},
	"SBOM":               {How: Honoured, Test: "TestAttestationsArePushed", Loaded: true, Why: attested},
	"SSH":                {How: Honoured, Test: "TestSSHKeysAreOffered"},
	"SSH.ID":             {How: Honoured, Test: "TestSSHKeysAreOffered"},
	"SSH.Path":           {How: Honoured, Test: "TestSSHKeysAreOffered"},
	"Labels":             {How: Honoured, Test: "TestAttributesCarryArgsAndLabels"},
	"CacheFrom":          {How: Honoured, Test: "TestImportsFallBackToMain"},
	"CacheTo":            {How: Honoured, Test: "TestOwnCachesAreWritten"},
	"NoCache":            {How: Honoured, Test: "TestAttributesCarryArgsAndLabels"},
	"NoCacheFilter":      {How: Honoured, Test: "TestAttributesOfEachField"},
	"AdditionalContexts": {How: Honoured, Test: "TestAdditionalContextsOfEachKind"},
	"Pull":               {How: Honoured, Test: "TestAttributesOfEachField"},
	"ExtraHosts":         {How: Honoured, Test: "TestAttributesOfEachField"},
	"Isolation":          {How: Warned, Why: "BuildKit has no such choice"},
	"Network":            {How: Honoured, Test: "TestAttributesCarryArgsAndLabels"},
	"Target":             {How: Honoured, Test: "TestAttributesCarryArgsAndLabels"},
	"Secrets":            {How: Honoured, Test: "TestSecretsComeFromTheProject"},
	"Secrets.Source":     {How: Honoured, Test: "TestSecretsComeFromTheProject"},
	"Secrets.Target":     {How: Honoured, Test: "TestSecretsComeFromTheProject"},
	"Secrets.UID":        {How: Warned, Why: mounted},
	"Secrets.GID":        {How: Warned, Why: mounted},
	"Secrets.Mode":       {How: Warned, Why: mounted},
	"ShmSize":            {How: Honoured, Test: "TestAttributesOfEachField"},
	"Tags":               {How: Honoured, Test: "TestPlanReads"},
	"Ulimits":            {How: Honoured, Test: "TestAttributesOfEachField"},
	"Ulimits.Single":     {How: Honoured, Test: "TestAttributesOfEachField"},
	"Ulimits.Soft":       {How: Honoured, Test: "TestAttributesOfEachField"},
	"Ulimits.Hard":       {How: Honoured, Test: "TestAttributesOfEachField"},
	"Platforms":          {How: Honoured, Test: "TestPlatforms"},
	"Privileged":         {How: Honoured, Test: "TestEntitlementsAreAsked"},
}

const (
	attested = "it is for images that are pushed (build -push): the engine is given the image alone"
	mounted  = "the Dockerfile says it: RUN --mount=type=secret,uid=…,gid=…,mode=…"
)

// warnings names the keys of a service's build section that have no effect, each with its place in the Compose files.
func warnings(project *types.Project, s types.ServiceConfig, o Options) []string {
	var out []string
	warn := func(key []string, format string, args ...any) {
		key = append([]string{"services", s.Name, "build"}, key...)
		text := strings.Join(key, ".") + fmt.Sprintf(format, args...)
		if at := compose.LineOf(project.ComposeFiles, key); at != "" {
			text = at + ": " + text
		}
		out = append(out, text)
	}
	each(reflect.ValueOf(*s.Build), "", nil, func(field string, key []string, v reflect.Value) {
		f := Fields[field]
		if !v.IsZero() && (f.How == Warned || f.Loaded && !o.Push && v.String() != "false") {
			warn(key, " has no effect: %s", f.Why)
		}
	})
	if listed := s.Build.Platforms; len(listed) > 1 && !o.Push && o.Platforms == "" {
		warn([]string{"platforms"}, ": of %s the engine is given one; build -push pushes an index of all",
			strings.Join(listed, ", "))
	}
	return out
}

// each visits the fields of a Compose value and of what it holds, with the field's name in Go and its key in the file.
func each(v reflect.Value, field string, key []string, visit func(field string, key []string, v reflect.Value)) {
	switch v.Kind() {
	case reflect.Pointer:
		if !v.IsNil() {
			each(v.Elem(), field, key, visit)
		}
	case reflect.Slice:
		for i := range v.Len() {
			each(v.Index(i), field, append(slices.Clone(key), strconv.Itoa(i)), visit)
		}
	case reflect.Map:
		for _, k := range v.MapKeys() {
			each(v.MapIndex(k), field, append(slices.Clone(key), k.String()), visit)
		}
	case reflect.Struct:
		for i := range v.NumField() {
			f := v.Type().Field(i)
			name, _, _ := strings.Cut(f.Tag.Get("yaml"), ",")
			if f.Name == "Extensions" || !f.IsExported() {
				continue
			}
			under, path := strings.TrimPrefix(field+"."+f.Name, "."), append(slices.Clone(key), name)
			visit(under, path, v.Field(i))
			each(v.Field(i), under, path, visit)
		}
	}
}
