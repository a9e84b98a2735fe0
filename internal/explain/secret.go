package explain

import (
	"github.com/25eloquence/compose-mage/internal/fault"
	"github.com/25eloquence/compose-mage/internal/secret"
)

// maskedReasons hides secrets in all parts of reasons: a step's name may be the builder's, and a detail may be a line
// with its arguments put in.
func maskedReasons(reasons []Reason) []Reason {
	for i, r := range reasons {
		reasons[i].Step, reasons[i].Why = secret.Masked(r.Step), fault.Redact(r.Why)
		reasons[i].Detail = nil
		for _, d := range r.Detail {
			reasons[i].Detail = append(reasons[i].Detail, secret.Masked(d))
		}
	}
	return reasons
}
