package buildplan

import (
	"fmt"
	"strings"

	"github.com/compose-spec/compose-go/v2/types"
)

// Problem is what keeps one service's image from being built.
type Problem struct {
	Service string
	What    string // what is wrong, and where
}

// Problems looks at the build sections as Make does, and gives every one that Make would refuse, by service.
func Problems(project *types.Project) []Problem {
	var out []Problem
	for _, service := range withNeeded(project) {
		if service.Build == nil {
			continue
		}
		if _, err := target(project, service, Options{}); err != nil {
			out = append(out,
				Problem{service.Name, strings.TrimPrefix(err.Error(), fmt.Sprintf("building %q: ", service.Name))})
		}
	}
	return out
}
