package stack_test

import (
	"reflect"
	"testing"

	plans "github.com/25eloquence/compose-mage/internal/backup"
	"github.com/25eloquence/compose-mage/internal/doctor/examine"
	"github.com/25eloquence/compose-mage/internal/doctor/fix"
	"github.com/25eloquence/compose-mage/internal/drill"
	"github.com/25eloquence/compose-mage/internal/fit"
	"github.com/25eloquence/compose-mage/internal/jobs"
	"github.com/25eloquence/compose-mage/internal/projects"
	"github.com/25eloquence/compose-mage/internal/record"
	"github.com/25eloquence/compose-mage/internal/restore"
	"github.com/25eloquence/compose-mage/internal/snapshots"
	"github.com/25eloquence/compose-mage/stack"
	"github.com/25eloquence/compose-mage/stack/backup"
	"github.com/25eloquence/compose-mage/stack/doctor"
	"github.com/25eloquence/compose-mage/stack/host"
	"github.com/25eloquence/compose-mage/stack/measured"
	"github.com/25eloquence/compose-mage/stack/past"
	"github.com/25eloquence/compose-mage/stack/schedule"
)

// TestShapesBelow is TestShapes of the packages below this one.
func TestShapesBelow(t *testing.T) {
	for _, pair := range [][2]reflect.Type{
		{reflect.TypeFor[host.Report](), reflect.TypeFor[projects.Report]()},
		{reflect.TypeFor[schedule.Report](), reflect.TypeFor[jobs.Report]()},
		{reflect.TypeFor[measured.Service](), reflect.TypeFor[fit.Measured]()},
		{reflect.TypeFor[past.Report](), reflect.TypeFor[record.Past]()},
		{reflect.TypeFor[doctor.Report](), reflect.TypeFor[examine.Report]()},
		{reflect.TypeFor[doctor.FixReport](), reflect.TypeFor[fix.Report]()},
		{reflect.TypeFor[backup.Plan](), reflect.TypeFor[plans.Plan]()},
		{reflect.TypeFor[backup.DrillPlan](), reflect.TypeFor[drill.Plan]()},
		{reflect.TypeFor[backup.Drilled](), reflect.TypeFor[drill.Result]()},
		{reflect.TypeFor[backup.Restored](), reflect.TypeFor[restore.Restored]()},
		{reflect.TypeFor[backup.Snapshot](), reflect.TypeFor[snapshots.Snapshot]()},
	} {
		if text := stack.Differing(pair[0], pair[1]); text != "" {
			t.Error(text)
		}
	}
}
