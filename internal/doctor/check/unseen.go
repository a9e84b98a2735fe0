package check

import "fmt"

// Unseen is the error of a check that could not look.
type Unseen struct {
	Why string
	IDs []string // of what it could not look for; empty is all that it looks for
}

// Error says why.
func (u *Unseen) Error() string { return u.Why }

// NotSeen is the error of a check that could not look.
func NotSeen(format string, args ...any) error { return &Unseen{Why: fmt.Sprintf(format, args...)} }

// NotSeenOf is NotSeen of a part of what a check looks for.
func NotSeenOf(ids []string, format string, args ...any) error {
	return &Unseen{Why: fmt.Sprintf(format, args...), IDs: ids}
}
