package explain

import (
	"crypto/sha256"
	"fmt"
	"regexp"
)

// secret is the name of an argument whose value is nobody's business.
var secret = regexp.MustCompile(`(?i)token|secret|passw|key|credential`)

// disguised gives the arguments with the values that may be secret as digests: they can be compared, and not be read.
func disguised(args map[string]string) map[string]string {
	out := make(map[string]string, len(args))
	for name, value := range args {
		if secret.MatchString(name) {
			value = fmt.Sprintf("sha256:%x", sha256.Sum256([]byte(name+"="+value)))
		}
		out[name] = value
	}
	return out
}

// assignment is NAME=value in a Dockerfile's line, or the older ENV NAME value.
var assignment = regexp.MustCompile(`(?i)([A-Za-z0-9_-]*(?:token|secret|passw|key|credential)[A-Za-z0-9_-]*)=("[^"]*"|'[^']*'|[^\s'"]+)`)

var oldAssignment = regexp.MustCompile(`(?i)^(\s*ENV\s+[A-Za-z0-9_]*(?:token|secret|passw|key|credential)[A-Za-z0-9_]*)\s+.*`)

// masked hides what a Dockerfile's line assigns to such names.
func masked(line string) string {
	return oldAssignment.ReplaceAllString(assignment.ReplaceAllString(line, "$1=…"), "$1 …")
}
