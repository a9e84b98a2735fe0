package logerrors

import "strings"

// Level is how bad a line says that it is.
type Level int

// The levels. A line that names none has None.
const (
	None Level = iota
	Trace
	Debug
	Info
	Warn
	Error
)

// Levels are the names of the levels, from Trace on.
var Levels = []string{"trace", "debug", "info", "warn", "error"}

// String is the level's name; "" for None.
func (l Level) String() string {
	if l == None {
		return ""
	}
	return Levels[l-Trace]
}

// AtLeast says whether a line of this level is to be shown where least is asked for. One that names no level is what a
// program says when all is well.
func (l Level) AtLeast(least Level) bool {
	if l == None {
		l = Info
	}
	return l >= least
}

// levelNames have the levels by the names that programs give them, in lower case.
var levelNames = func() map[string]Level {
	out := map[string]Level{}
	for level, names := range map[Level]string{
		Trace: "trace trc finest finer",
		Debug: "debug dbg fine verbose vrb detail",
		Info:  "info information inf log notice note hint statement config",
		Warn:  "warn warning wrn",
		Error: "alert crit critical dpanic emerg emergency eror err error fatal ftl panic severe",
	} {
		for name := range strings.FieldsSeq(names) {
			out[name] = level
		}
	}
	return out
}()

// LevelOf gives the level that has this name; None for a name of none.
func LevelOf(name string) Level { return levelNames[strings.ToLower(name)] }
