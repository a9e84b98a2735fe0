package stack

import (
	"fmt"
	"reflect"
	"slices"
	"strings"
	"testing"

	"github.com/25eloquence/compose-mage/internal/cleanup"
	"github.com/25eloquence/compose-mage/internal/doctor"
	"github.com/25eloquence/compose-mage/internal/explain"
	"github.com/25eloquence/compose-mage/internal/fit"
	"github.com/25eloquence/compose-mage/internal/lifecycle"
	"github.com/25eloquence/compose-mage/internal/monitor"
	"github.com/25eloquence/compose-mage/internal/plan"
	"github.com/25eloquence/compose-mage/internal/status"
)

// TestShapes holds the types of this package against the internal ones that shaped reads into them: a key that only
// one of them has would be lost without a word.
func TestShapes(t *testing.T) {
	for _, pair := range [][2]reflect.Type{
		{reflect.TypeFor[StatusReport](), reflect.TypeFor[status.Report]()},
		{reflect.TypeFor[StartPlan](), reflect.TypeFor[plan.StartReport]()},
		{reflect.TypeFor[Event](), reflect.TypeFor[lifecycle.Event]()},
		{reflect.TypeFor[RestartPlan](), reflect.TypeFor[plan.RestartReport]()},
		{reflect.TypeFor[CheckReport](), reflect.TypeFor[doctor.Report]()},
		{reflect.TypeFor[CleanupReport](), reflect.TypeFor[cleanup.Report]()},
		{reflect.TypeFor[Snapshot](), reflect.TypeFor[monitor.Snapshot]()},
		{reflect.TypeFor[DiskReport](), reflect.TypeFor[monitor.DiskReport]()},
		{reflect.TypeFor[FitReport](), reflect.TypeFor[fit.Report]()},
		{reflect.TypeFor[BuildRecord](), reflect.TypeFor[explain.Build]()},
	} {
		if text := differing(pair[0], pair[1]); text != "" {
			t.Error(text)
		}
	}
}

// differing says how a public type differs from the internal one of its shape; "" where it does not.
func differing(public, internal reflect.Type) string {
	ours := strings.Join(keys(public, "", nil), "\n")
	theirs := strings.Join(keys(internal, "", nil), "\n")
	if ours == theirs {
		return ""
	}
	return fmt.Sprintf("%s has\n%s\n%s has\n%s", public, ours, internal, theirs)
}

// unsaid are keys that are no business of a reader's.
var unsaid = []string{".stamp"}

// keys lists what JSON has of a type, each with its kind. above are the types that it is inside of.
func keys(of reflect.Type, prefix string, above []reflect.Type) []string {
	kind, below, _ := jsonType(of)
	if below == nil || slices.Contains(above, below) {
		return []string{prefix + " " + kind}
	}
	var out []string
	for i := range below.NumField() {
		field := below.Field(i)
		name, options, _ := strings.Cut(field.Tag.Get("json"), ",")
		if !field.IsExported() || name == "-" || slices.Contains(unsaid, prefix+"."+name) {
			continue
		}
		if field.Anonymous && name == "" {
			out = append(out, keys(field.Type, prefix, append(slices.Clone(above), below))...)
			continue
		}
		out = append(out, keys(field.Type, prefix+"."+name, append(slices.Clone(above), below))...)
		out[len(out)-1] += " " + options
	}
	return out
}
