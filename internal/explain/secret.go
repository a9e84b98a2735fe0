package explain

import (
	"regexp"

	"github.com/25eloquence/compose-mage/internal/fault"
)

// assignment is NAME=value in a Dockerfile's line, or the older ENV NAME value.
var assignment = regexp.MustCompile(`(?i)([A-Za-z0-9_-]*(?:token|secret|passw|key|credential)[A-Za-z0-9_-]*)=` +
	`("[^"]*"|'[^']*'|[^\s'"]+)`)

var oldAssignment = regexp.MustCompile(
	`(?i)^(\s*ENV\s+[A-Za-z0-9_]*(?:token|secret|passw|key|credential)[A-Za-z0-9_]*)\s+.*`)

// masked hides what a Dockerfile's line assigns to such names, and the user info of its URLs.
func masked(line string) string {
	return oldAssignment.ReplaceAllString(assignment.ReplaceAllString(fault.Redact(line), "$1=…"), "$1 …")
}

// maskedReasons hides secrets in all parts of reasons: a step's name may be the builder's, and a detail may be a line
// with its arguments put in.
func maskedReasons(reasons []Reason) []Reason {
	for i, r := range reasons {
		reasons[i].Step, reasons[i].Why = masked(r.Step), fault.Redact(r.Why)
		reasons[i].Detail = nil
		for _, d := range r.Detail {
			reasons[i].Detail = append(reasons[i].Detail, masked(d))
		}
	}
	return reasons
}
