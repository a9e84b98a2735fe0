// Package logsearch finds entries of containers' logs by their text and by their level, in the order of time over all
// containers, and prints them, or how often each kind of them occurs.
package logsearch

import (
	"cmp"
	"regexp"
	"strconv"
	"strings"
	"time"

	"github.com/25eloquence/compose-mage/internal/bounded"
	"github.com/25eloquence/compose-mage/internal/fault"
	"github.com/25eloquence/compose-mage/internal/logerrors"
)

// Entry is a line of a log, with the lines that continue it, such as a stack trace.
type Entry struct {
	Time      time.Time `json:"time"` // of its first line, as the engine read it
	Service   string    `json:"service"`
	Container string    `json:"container"`
	Stream    string    `json:"stream"`          // stdout or stderr; of a container with a terminal always stdout
	Level     string    `json:"level,omitempty"` // trace, debug, info, warn or error, where it names one
	Message   string    `json:"message"`         // lines after the first each after a newline

	level   logerrors.Level
	arrived time.Time // when its first line was read here
}

// Request is what a user asks of logs.
type Request struct {
	Services []string // only these; empty is all
	Follow   bool     // go on until the context ends
	Tail     string   // lines of each container, or "all"; "" is 100, and all where entries are picked or counted
	Since    string   // a duration or a time, as docker logs takes it

	Grep  string // only entries of which a stretch matches this regular expression of Go
	Level string // only entries of this level or worse
	JSON  bool   // an object a line
	Group bool   // how often each kind of entry occurs, at the end
}

// Searches says whether more is asked for than the lines as they are.
func (r Request) Searches() bool { return r.picks() || r.JSON }

func (r Request) picks() bool { return r.Grep != "" || r.Level != "" || r.Group }

// lines is how many lines of each container are looked at.
func (r Request) lines() string {
	if r.picks() {
		return cmp.Or(r.Tail, "all")
	}
	return cmp.Or(r.Tail, "100")
}

// Validate refuses a tail that is neither a number nor all, a wrong regular expression and a level that does not exist.
func (r Request) Validate() error {
	if _, err := strconv.Atoi(r.Tail); err != nil && r.Tail != "all" && r.Tail != "" {
		return fault.New(fault.Usage, "go tool mage logs -tail=100", "-tail=%s is neither a number of lines nor all",
			r.Tail)
	}
	_, err := r.filter()
	return err
}

// filter says which entries are wanted. Its zero value wants all.
type filter struct {
	pattern *regexp.Regexp
	least   logerrors.Level
}

func (r Request) filter() (filter, error) {
	var f filter
	if r.Grep != "" {
		if _, err := regexp.Compile(r.Grep); err != nil {
			return f, fault.New(fault.Usage, "go tool mage logs -grep='refused|timed? out'",
				"-grep: %s; the syntax is that of https://golang.org/s/re2syntax", bounded.Line(err.Error()))
		}
		f.pattern = regexp.MustCompile("(?m)" + r.Grep)
	}
	if r.Level != "" {
		if f.least = logerrors.LevelOf(r.Level); f.least == logerrors.None {
			return f, fault.New(fault.Usage, "go tool mage logs -level=warn", "-level=%s is none of %s", r.Level,
				strings.Join(logerrors.Levels, ", "))
		}
	}
	return f, nil
}

// wants says whether the filter lets an entry through.
func (f filter) wants(e Entry) bool {
	return e.level.AtLeast(f.least) && (f.pattern == nil || f.pattern.MatchString(e.Message))
}
