package compose

import (
	"errors"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"

	"github.com/25eloquence/compose-mage/internal/fault"
)

// redacted gives a loading error without text of files that are not the project's to show: an env file has secrets,
// and a Compose file may include, extend or link to any file. known is err as it would be shown; files are those that
// the user or the search named.
func (i *inspection) redacted(files []string, known, err error) error {
	var shown *fault.Error
	if !errors.As(known, &shown) {
		return known
	}
	message := err.Error()
	for _, file := range i.env {
		if strings.Contains(message, file) || strings.HasPrefix(shown.Err.Error(), file+":") {
			return fault.New(fault.Config, fault.Correct, "%s: %s", i.namedBy(file, message), envReason(message))
		}
	}
	where, text, _ := strings.Cut(shown.Err.Error(), ": ")
	outside := i.outside(slices.Concat(files, i.compose))
	if len(outside) == 0 {
		return known
	}
	for _, file := range outside {
		if strings.HasPrefix(where, file+":") || strings.Contains(message, file) &&
			!strings.Contains(message, "include cycle") {
			return fault.New(fault.Config, fault.Correct,
				"%s: it is not a valid Compose file (what is in it is not shown: it lies outside of the project)",
				placeIn(file, where))
		}
	}
	if !lineAtEnd.MatchString(where) { // it may be about a value from there
		return fault.New(fault.Config, fault.Correct,
			"%s: not valid together with %s (what is in there is not shown: it lies outside of the project)",
			where, strings.Join(outside, ", "))
	}
	return fault.New(fault.Config, fault.Correct, "%s: %s", where, withoutValues(text))
}

var lineAtEnd = regexp.MustCompile(`:\d+$`)

// placeIn is where, if that is in the file, else the file.
func placeIn(file, where string) string {
	if strings.HasPrefix(where, file+":") {
		return where
	}
	return file
}

// namedBy gives the file:line of an env file as far as the message has it.
func (i *inspection) namedBy(file, message string) string {
	if m := regexp.MustCompile(regexp.QuoteMeta(file) + `: (?:.*?)line (\d+)\b`).FindStringSubmatch(message); m != nil {
		return file + ":" + m[1]
	}
	return file
}

// envReasons are what the parsers of env files say of a line without quoting the line.
var envReasons = regexp.MustCompile(`key cannot contain a space|unexpected character|unterminated quoted value|zero ` +
	`length string|` +
	`required variable [A-Za-z_]\w* is missing a value|invalid template|invalid utf8 bytes|no variable name ` +
	`on|contains whitespaces|` +
	`is a directory|not found|permission denied`)

func envReason(message string) string {
	if why := envReasons.FindString(message); why != "" {
		return why + " (the line is not shown: env files have secrets)"
	}
	return "it can't be read as variables (the line is not shown: env files have secrets)"
}

// quotedValue matches a quoted part of a message.
var quotedValue = regexp.MustCompile("\"[^\"\n]*\"|'[^'\n]*'|`[^`\n]*`")

func withoutValues(text string) string { return quotedValue.ReplaceAllString(text, "…") }

// Outside says whether a file lies, links followed, outside of the project in dir, so that its text is not the
// project's to show.
func Outside(dir, file string) bool {
	return len((&inspection{dir: dir, compose: []string{file}}).outside([]string{file})) > 0
}

// outside gives the files that lie, links followed, outside of the project's directory, of the current directory, and
// of the repositories that these are in.
func (i *inspection) outside(files []string) []string {
	roots := []string{repository(resolved(i.dir))}
	if here, err := os.Getwd(); err == nil {
		roots = append(roots, repository(resolved(here)))
	}
	var out []string
	for _, file := range files {
		real := resolved(file)
		if !filepath.IsAbs(file) || slices.ContainsFunc(roots, func(root string) bool {
			rel, err := filepath.Rel(root, real)
			return err == nil && filepath.IsLocal(rel)
		}) {
			continue
		}
		// A file that the user named is the user's to see, unless it is a link to another place.
		if slices.Contains(files, file) && !slices.Contains(i.compose, file) &&
			filepath.Dir(real) == resolved(filepath.Dir(file)) {
			continue
		}
		out = append(out, file)
	}
	return out
}

func resolved(path string) string {
	real, err := filepath.EvalSymlinks(path)
	if err != nil {
		return path
	}
	return real
}

// repository is the nearest directory above dir, or dir itself, that is a Git work tree; dir where there is none.
func repository(dir string) string {
	for up := dir; ; up = filepath.Dir(up) {
		if _, err := os.Lstat(filepath.Join(up, ".git")); err == nil {
			return up
		}
		if up == filepath.Dir(up) {
			return dir
		}
	}
}
