// Package commandline owns what a command line of the Mage targets may say: the targets and options that are ours,
// service names after a target, and how all that is spelled for Mage. It works on words and tables alone: which
// targets a magefile has, and which services a stack has, its callers say.
package commandline

import (
	"cmp"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/25eloquence/compose-mage/internal/fault"
)

// part is a target on the command line with all that belongs to it.
type part struct {
	Command
	table   Table
	name    string // as the user wrote it
	key     string // in the table
	words   []string
	named   []string // services
	options []string // -name=value, as Mage reads them
}

// Settle gives a command line as Mage reads it: service names after a target become its -services option (`logs
// redis livekit` is `logs -services=redis,livekit`), dashes inside an option's name are dropped (`-dry-run` is
// `-dryrun`), and a word or option that nobody knows is an error of code Usage, before anything has run. So is a
// word that names both a target and a service of the stack, where it may be either; services lists them, and is
// called in that doubt alone.
func (t Table) Settle(args []string, services func() ([]string, error)) ([]string, error) {
	if len(args) > 0 && strings.HasPrefix(args[0], "-") {
		return args, nil // a compiled magefile's own flags; `mage -h x` passes them as variables instead
	}
	var parts []*part
	for i, arg := range args {
		var p *part
		if len(parts) > 0 {
			p = parts[len(parts)-1]
		}
		switch {
		case p != nil && p.takesAsValue(arg):
			p.words = append(p.words, arg)
		case p != nil && strings.HasPrefix(arg, "-"):
			if err := p.addOption(arg, args[i+1:]); err != nil {
				return nil, err
			}
		default:
			next, err := t.addWord(p, arg, services)
			if err != nil {
				return nil, err
			}
			if next != nil {
				parts = append(parts, next)
			}
		}
	}
	var out []string
	for _, p := range parts {
		if len(p.words) < len(p.Values) {
			missing := p.Values[len(p.words)]
			return nil, fault.New(fault.Usage, "go tool mage "+p.key+" -h", "%s needs a %s", p.key, missing)
		}
		out = append(append(out, p.name), p.words...)
		if len(p.named) > 0 {
			out = append(out, "-"+p.namesOption()+"="+strings.Join(p.named, ","))
		}
		out = append(out, p.options...)
	}
	return out, nil
}

// namesOption is the option that the names which follow the target are; "" where none may.
func (p *part) namesOption() string {
	switch {
	case p.Services:
		return "services"
	case len(p.Jobs) > 0:
		return "jobs"
	}
	return ""
}

// takesAsJob says whether the word is a job of the target: one word can be a job and a target, and after schedule it
// is the job.
func (p *part) takesAsJob(word string) bool {
	return p != nil && slices.Contains(p.Jobs, strings.ToLower(word))
}

// takesAsValue says whether the word is one of those that the target needs. Of a target that is not ours it may
// begin with a dash, as a negative number does, unless it is an option.
func (p *part) takesAsValue(word string) bool {
	if len(p.words) == len(p.Values) {
		return false
	}
	if !strings.HasPrefix(word, "-") {
		return true
	}
	name, _, _ := strings.Cut(strings.TrimLeft(word, "-"), "=")
	_, _, known := p.option(name)
	return p.Foreign && !known
}

// addWord takes a word after the target p (nil for none yet): a service of it, or a further target, which it returns.
func (t Table) addWord(p *part, word string, services func() ([]string, error)) (*part, error) {
	key := strings.ToLower(word)
	known, isTarget := t.Commands[key]
	takes := p != nil && p.Services
	_, isOther := OtherWords[key]
	isService := false
	if takes && (isTarget || isOther) {
		all, err := services()
		if err != nil {
			return nil, err
		}
		isService = slices.ContainsFunc(all, func(name string) bool { return strings.EqualFold(name, word) })
	}
	switch {
	case strings.TrimSpace(word) == "":
		return nil, emptyName(p)
	case p.takesAsJob(word):
		p.named = append(p.named, key)
		return nil, nil
	case isTarget && isService:
		return nil, fault.New(fault.Usage, fmt.Sprintf(
			"go tool mage %s -services=%s for the service, or go tool mage %s by itself for the target",
			p.key, fault.Quote(word), fault.Quote(key)),
			"%q after %s may be the service or the target of that name", word, p.key)
	case isTarget:
		return &part{Command: known, table: t, name: word, key: key}, nil
	case takes && (isService || !isOther && !strings.Contains(word, namespace)):
		p.named = append(p.named, word)
		return nil, nil
	case t.Open:
		return &part{Command: Command{Foreign: true}, table: t, name: word, key: key}, nil
	case p != nil && !takes && !isOther:
		if len(p.Jobs) > 0 {
			return nil, fault.New(fault.Usage, "go tool mage "+p.key+", which lists the jobs", "no job %q%s", word,
				fault.DidYouMean(word, p.Jobs))
		}
		return nil, fault.New(fault.Usage, "go tool mage "+p.key+" -h",
			"no target %q%s, and %s takes no service names", word, t.didYouMean(word), p.key)
	}
	return nil, t.Unknown(word)
}

// namespace stands between the parts of a target's name, and in no service's.
const namespace = ":"

// emptyName refuses a name that is not there, as of a variable that is not set: it is not "all".
func emptyName(p *part) error {
	if p == nil {
		return fault.New(fault.Usage, "go tool mage -l", "no target %q", "")
	}
	return fault.New(fault.Usage, "go tool mage "+p.key+" without a name for all",
		"an empty service name after %s: nothing was done", p.key)
}

// Unknown says that there is no such target, and what does that here.
func (t Table) Unknown(word string) error {
	if here, ok := OtherWords[strings.ToLower(word)]; ok {
		return fault.New(fault.Usage, here, "no target %q", word)
	}
	return fault.New(fault.Usage, "go tool mage -l", "no target %q%s", word, t.didYouMean(word))
}

// addOption takes -name, -name=value or --na-me=value; following is what comes after it on the command line.
func (p *part) addOption(arg string, following []string) error {
	name, value, hasValue := strings.Cut(strings.TrimLeft(arg, "-"), "=")
	known, k, ok := p.option(name)
	if !ok && p.Foreign {
		p.options = append(p.options, arg)
		return nil
	}
	if !ok {
		return p.unknownOption(arg, name)
	}
	if !hasValue && k != Flag {
		example := map[Kind]string{Text: "…", List: "a,b", Duration: "30s"}[k]
		if len(following) > 0 && following[0] != "" && !strings.HasPrefix(following[0], "-") {
			example = fault.Quote(following[0])
		}
		return fault.New(fault.Usage, fmt.Sprintf("go tool mage %s -%s=%s", p.key, known, example),
			"-%s of %s takes its value after an equals sign", known, p.key)
	}
	if err := p.checkValue(known, k, value, hasValue); err != nil {
		return err
	}
	if known == p.namesOption() {
		all, err := Names(value)
		p.named = append(p.named, all...)
		return err
	}
	option := "-" + plain(known)
	if hasValue {
		option += "=" + value
	}
	p.options = append(p.options, option)
	return nil
}

// checkValue refuses a value that Mage would refuse without a word about the target, or take for "none given".
func (p *part) checkValue(name string, k Kind, value string, has bool) error {
	if !has || p.Foreign && k == Text {
		return nil
	}
	if value == "" {
		return fault.New(fault.Usage, "go tool mage "+p.key+" -h",
			"-%s of %s has an empty value: nothing was done", name, p.key)
	}
	switch k {
	case Flag:
		if _, err := strconv.ParseBool(value); err != nil {
			return fault.New(fault.Usage, fmt.Sprintf("go tool mage %s -%s", p.key, fault.Quote(name)),
				"-%s=%s of %s is neither true nor false", name, value, p.key)
		}
	case Duration:
		if d, err := time.ParseDuration(value); err != nil || d < 0 {
			return fault.New(fault.Usage, fmt.Sprintf("go tool mage %s -%s=30s", p.key, fault.Quote(name)),
				"-%s=%s of %s is not a duration, such as 30s or 5m", name, value, p.key)
		}
	case List:
		_, err := Names(value)
		return err
	case Text:
	}
	return nil
}

func (p *part) unknownOption(arg, name string) error {
	var known []string
	for option := range p.Options {
		known = append(known, option)
	}
	slices.Sort(known)
	next := "go tool mage " + p.key + " -h"
	name = strings.ToLower(name)
	if here := cmp.Or(OtherOptions[p.key+" "+name], OtherOptions[name]); here != "" {
		next = strings.ReplaceAll(here, "%s", p.key)
	}
	return fault.New(fault.Usage, next, "no option %q of %s%s", arg, p.key, fault.DidYouMean(name, known))
}

// Names splits a comma-separated list of names. A name that is empty, as of a variable that is not set, is an
// error: it never means all.
func Names(list string) ([]string, error) {
	var all []string
	for name := range strings.SplitSeq(list, ",") {
		name = strings.TrimSpace(name)
		if name == "" {
			return nil, fault.New(fault.Usage, "leave the option out for all",
				"an empty name in the list %q: nothing was done", list)
		}
		all = append(all, name)
	}
	return all, nil
}
