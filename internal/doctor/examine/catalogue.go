package examine

import (
	"slices"

	"github.com/25eloquence/compose-mage/internal/doctor/check"
	"github.com/25eloquence/compose-mage/internal/doctor/dockerfiles"
	"github.com/25eloquence/compose-mage/internal/doctor/model"
	"github.com/25eloquence/compose-mage/internal/doctor/records"
	"github.com/25eloquence/compose-mage/internal/doctor/running"
	"github.com/25eloquence/compose-mage/internal/finding"
)

const worstWarning = finding.Warning

// Checks are all checks that need nothing from above this package.
func Checks() []Check {
	return slices.Concat([]Check{projectCheck, monitorCheck}, model.Checks(), dockerfiles.Checks(), running.Checks(),
		records.Checks())
}

// Rules are the rules of checks, and those of this package.
func Rules(checks []Check) []check.Rule {
	var all []check.Rule
	for _, c := range checks {
		all = append(all, c.Rules...)
	}
	return append(all, ignoreRules...)
}
