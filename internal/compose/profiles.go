package compose

import (
	"errors"
	"strings"

	"github.com/compose-spec/compose-go/v2/types"

	"github.com/25eloquence/compose-mage/internal/fault"
	"github.com/25eloquence/compose-mage/internal/regular"
)

// maxProfileBytes is the largest seccomp profile that is read, in bytes.
const maxProfileBytes = 8 << 20

// checkProfiles refuses a seccomp profile that is no regular file: Compose's library reads the profile whole when it
// makes a container.
func checkProfiles(project *types.Project) error {
	for _, s := range project.Services {
		for _, option := range s.SecurityOpt {
			kind, path, found := strings.Cut(option, "=")
			if !found {
				kind, path, _ = strings.Cut(option, ":")
			}
			if kind != "seccomp" || path == "unconfined" || path == "builtin" {
				continue
			}
			path = project.RelativePath(path)
			var refusal *regular.Refusal
			if _, err := regular.Read(path, maxProfileBytes); errors.As(err, &refusal) && !refusal.Dir {
				return fault.New(fault.Config, "ls -lL "+fault.Quote(path), "service %q: its seccomp profile %w",
					s.Name, refusal)
			}
		}
	}
	return nil
}
