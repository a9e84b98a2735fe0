// Package keys lists the keys that Compose files may have, for tests that hold a decision on each of them.
package keys

import (
	"reflect"
	"slices"
	"strings"

	"github.com/compose-spec/compose-go/v2/types"
)

// All gives the keys of the Compose types, but for those of builds: "ServiceConfig.deploy". Types that whole names are
// not walked.
func All(whole ...string) []string {
	var out []string
	seen := map[reflect.Type]bool{}
	var walk func(reflect.Type)
	walk = func(x reflect.Type) {
		for slices.Contains([]reflect.Kind{reflect.Pointer, reflect.Slice, reflect.Map}, x.Kind()) {
			x = x.Elem()
		}
		if x.Kind() != reflect.Struct || !strings.Contains(x.PkgPath(), "compose-go") || seen[x] ||
			x == reflect.TypeFor[types.BuildConfig]() {
			return
		}
		seen[x] = true
		for i := range x.NumField() {
			f := x.Field(i)
			key, _, _ := strings.Cut(f.Tag.Get("yaml"), ",")
			if key == "" && f.IsExported() && !f.Anonymous && f.Type != reflect.TypeFor[types.Extensions]() {
				key = strings.ToLower(f.Name)
			}
			if key != "" && key != "-" && key != "#extensions" && !slices.Contains(whole, x.Name()) {
				out = append(out, x.Name()+"."+key)
			}
			walk(f.Type)
		}
	}
	walk(reflect.TypeFor[types.Project]())
	return out
}
