package extension

import (
	"path"
	"slices"
	"strings"
	"time"

	"github.com/compose-spec/compose-go/v2/types"

	"github.com/25eloquence/compose-mage/internal/fault"
)

// Alert is one who is told of what is wrong and lasts: a webhook or a command.
type Alert struct {
	Webhook *Webhook      `yaml:"webhook"`
	Command []string      `yaml:"command"` // a program and its arguments; no shell
	For     time.Duration `yaml:"for"`     // how long a finding lasts before it is told; 0 for the default
	IDs     nameList      `yaml:"ids"`     // of findings, or patterns such as memory.*; none for all
}

// Webhook is where an address is kept, which is a secret, and what is sent there. Just one of the first three is set.
type Webhook struct {
	Secret      string `yaml:"secret"`      // of the Compose file
	File        string `yaml:"file"`        // a path, from the project's directory
	Environment string `yaml:"environment"` // the name of a variable
	Format      string `yaml:"format"`      // json, slack or ntfy; "" is json
}

// The formats of a webhook.
const (
	FormatJSON  = "json"
	FormatSlack = "slack"
	FormatNtfy  = "ntfy"
)

var knownFormats = []string{FormatJSON, FormatSlack, FormatNtfy}

// longestFor bounds how long a finding may have to last: what takes longer nobody waits for.
const longestFor = 24 * time.Hour

// Alerts gives those who are to be told of what is wrong with the project, in the order of the Compose file.
func Alerts(project *types.Project) []Alert {
	var e onProject
	if decode(project.Extensions[Key], &e) != nil {
		return nil
	}
	return e.Alerts
}

// problem is what is wrong with a value, and the keys that lead to it from where it was looked at.
type problem struct {
	path []string
	text string
}

// check says what is wrong with an alert; nil for nothing.
func (a Alert) check(project *types.Project) *problem {
	switch {
	case (a.Webhook == nil) == (len(a.Command) == 0):
		return &problem{nil, "needs a webhook or a command, and not both"}
	case len(a.Command) > 0 && strings.TrimSpace(a.Command[0]) == "":
		return &problem{[]string{"command"}, "names no program"}
	case a.For < 0 || a.For > longestFor:
		return &problem{[]string{"for"}, "is between 0s and 24h"}
	}
	for _, id := range a.IDs {
		if _, err := path.Match(id, ""); err != nil || id == "" {
			return &problem{[]string{"ids"}, "has a pattern that can't be read; memory.* is one"}
		}
	}
	if a.Webhook == nil {
		return nil
	}
	if p := a.Webhook.check(project); p != nil {
		return &problem{append([]string{"webhook"}, p.path...), p.text}
	}
	return nil
}

func (w Webhook) check(project *types.Project) *problem {
	named := slices.DeleteFunc([]string{w.Secret, w.File, w.Environment}, func(s string) bool { return s == "" })
	if len(named) != 1 {
		return &problem{nil, "names one place that holds its address: secret, file or environment"}
	}
	if w.Format != "" && !slices.Contains(knownFormats, w.Format) {
		return &problem{
			[]string{"format"},
			"is one of " + strings.Join(knownFormats, ", ") + fault.DidYouMean(w.Format, knownFormats),
		}
	}
	if w.Secret == "" {
		return nil
	}
	var secrets []string
	for name, s := range project.Secrets {
		if name == w.Secret {
			if s.File == "" && s.Environment == "" {
				return &problem{[]string{"secret"}, "names a secret without a file and without an environment"}
			}
			return nil
		}
		secrets = append(secrets, name)
	}
	return &problem{[]string{"secret"}, "names no secret of the project" + fault.DidYouMean(w.Secret, secrets)}
}
