// Package finding owns what a look at a machine or a project finds: one fact with how bad it is, whom it concerns,
// and what to do about it. It looks at nothing itself.
package finding

import (
	"errors"
	"fmt"
	"strings"

	"github.com/25eloquence/compose-mage/internal/fault"
)

// Severity is how bad a finding is.
type Severity int

// The severities, from good to bad.
const (
	OK      Severity = iota // looked at, and well
	Info                    // worth knowing; nothing fails of it
	Warning                 // works, but not as the Compose file says, or not for long
	Failure                 // a build or a start fails of it
)

// String gives the word that JSON has.
func (s Severity) String() string { return [...]string{"ok", "info", "warning", "failure"}[s] }

// MarshalText makes it a word in JSON.
func (s Severity) MarshalText() ([]byte, error) { return []byte(s.String()), nil }

// UnmarshalText reads the word.
func (s *Severity) UnmarshalText(word []byte) error {
	for _, known := range []Severity{OK, Info, Warning, Failure} {
		if known.String() == string(word) {
			*s = known
			return nil
		}
	}
	return fmt.Errorf("%q is no severity", word)
}

// Finding is one fact.
type Finding struct {
	ID       string   `json:"id"`       // which rule found it, dotted and stable: image.missing
	Severity Severity `json:"severity"` // ok, info, warning or failure
	// the services that it is about; none where it is about the machine or the project
	Subjects []string   `json:"subjects,omitempty"`
	Evidence string     `json:"evidence"`            // what was seen, a sentence
	Remedy   string     `json:"remedy,omitempty"`    // what to do or type next
	Code     fault.Code `json:"exit_code,omitempty"` // of a failure
}

// Text gives subjects and evidence in one line.
func (f Finding) Text() string {
	if len(f.Subjects) == 0 {
		return f.Evidence
	}
	return strings.Join(f.Subjects, ", ") + ": " + f.Evidence
}

// Good is a finding of severity OK; id is the rule's.
func Good(id, format string, args ...any) Finding {
	return Finding{ID: id, Evidence: fault.Redact(fmt.Sprintf(format, args...))}
}

// Fail is a Failure. code is the exit code of a command that ends because of it.
func Fail(code fault.Code, id, remedy, format string, args ...any) Finding {
	return Finding{
		ID: id, Severity: Failure, Evidence: fault.Redact(fmt.Sprintf(format, args...)), Remedy: remedy, Code: code,
	}
}

// Warn is a Warning.
func Warn(id, remedy, format string, args ...any) Finding {
	return Finding{ID: id, Severity: Warning, Evidence: fault.Redact(fmt.Sprintf(format, args...)), Remedy: remedy}
}

// Tell is an Info.
func Tell(id, remedy, format string, args ...any) Finding {
	return Finding{ID: id, Severity: Info, Evidence: fault.Redact(fmt.Sprintf(format, args...)), Remedy: remedy}
}

// Of gives the finding subjects.
func (f Finding) Of(services ...string) Finding {
	f.Subjects = services
	return f
}

// Error gives the failures among the findings as one error that says what could not be done ("starting"); nil where
// there is none.
func Error(doing string, findings []Finding) error {
	var failed []error
	for _, f := range findings {
		if f.Severity != Failure {
			continue
		}
		what := doing
		if len(f.Subjects) > 0 {
			what += ` "` + strings.Join(f.Subjects, `", "`) + `"`
		}
		failed = append(failed, fault.New(f.Code, f.Remedy, "%s: %s", what, f.Evidence))
	}
	return errors.Join(failed...)
}
