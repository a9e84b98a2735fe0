package check

import "fmt"

// Unseen is the error of a check that could not look.
type Unseen struct{ Why string }

// Error says why.
func (u *Unseen) Error() string { return u.Why }

// NotSeen is the error of a check that could not look.
func NotSeen(format string, args ...any) error { return &Unseen{Why: fmt.Sprintf(format, args...)} }
