package buildinputs

import (
	"crypto/sha256"
	"fmt"
	"regexp"
	"strings"

	"github.com/25eloquence/compose-mage/internal/fault"
)

// secretName is the name of an argument whose value may be secret. It is less than package secret's, which is for what
// is shown: a value that is kept as a digest is lost to the paths of files that an argument is part of.
var secretName = regexp.MustCompile(`(?i)token|secret|passw|key|credential`)

// IsSecret says whether the name of an argument is one whose value may be secret.
func IsSecret(name string) bool { return secretName.MatchString(name) }

// disguised gives the arguments with the values that may be secret as digests: they can be compared, and not be read.
// So is the user info of a URL in any argument.
func disguised(args map[string]string) map[string]string {
	out := make(map[string]string, len(args))
	for name, value := range args {
		if IsSecret(name) {
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
