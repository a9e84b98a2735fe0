package explain

import (
	"crypto/sha256"
	"fmt"
	"regexp"
	"strings"

	"github.com/25eloquence/compose-mage/internal/fault"
)

// secret is the name of an argument whose value is nobody's business.
var secret = regexp.MustCompile(`(?i)token|secret|passw|key|credential`)

// disguised gives the arguments with the values that may be secret as digests: they can be compared, and not be read. So is the user info
// of a URL in any argument.
func disguised(args map[string]string) map[string]string {
	out := make(map[string]string, len(args))
	for name, value := range args {
		if secret.MatchString(name) {
			value = fmt.Sprintf("sha256:%x", sha256.Sum256([]byte(name+"="+value)))
		}
		out[name] = disguisedURL(value)
	}
	return out
}

// disguisedURL gives an address, or a text with some, with the user info as a digest. What is left is an address still.
func disguisedURL(text string) string {
	return fault.ReplaceUserInfo(text, func(info string) string {
		if strings.HasPrefix(info, "sha256.") { // it has been here
			return info
		}
		return fmt.Sprintf("sha256.%.16x", sha256.Sum256([]byte(info)))
	})
}

// assignment is NAME=value in a Dockerfile's line, or the older ENV NAME value.
var assignment = regexp.MustCompile(`(?i)([A-Za-z0-9_-]*(?:token|secret|passw|key|credential)[A-Za-z0-9_-]*)=("[^"]*"|'[^']*'|[^\s'"]+)`)

var oldAssignment = regexp.MustCompile(`(?i)^(\s*ENV\s+[A-Za-z0-9_]*(?:token|secret|passw|key|credential)[A-Za-z0-9_]*)\s+.*`)

// masked hides what a Dockerfile's line assigns to such names, and the user info of its URLs.
func masked(line string) string {
	return oldAssignment.ReplaceAllString(assignment.ReplaceAllString(fault.Redact(line), "$1=…"), "$1 …")
}

// maskedReasons hides the same wherever reasons have it: a step's name may be the builder's, and a detail a line with its arguments put in.
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
