package targets

import (
	"cmp"
	"context"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/25eloquence/compose-mage/internal/compose"
	"github.com/25eloquence/compose-mage/internal/engine"
	"github.com/25eloquence/compose-mage/internal/fault"
)

// Arguments settles a command line before Mage reads it: service names after a target become its -services option
// (`logs redis livekit` is `logs -services=redis,livekit`), dashes inside an option's name are dropped (`-dry-run` is
// `-dryrun`), and a word or option that nobody knows is an error, before anything has run. So is a word that names both
// a target and a service of the stack, where it may be either.
func Arguments(args []string) ([]string, error) {
	return arguments(args, sync.OnceValues(serviceNames))
}

// serviceNames gives the services of the stack, those of every profile. An error is as good as a doubt: a stack that can't be
// read may have a service of any name.
func serviceNames() ([]string, error) {
	ctx := context.Background()
	r := compose.Request{AllProfiles: true, NoEnvFiles: true}
	if e, err := engine.Connect(ctx); err == nil {
		r.CLI = e.CLI // by which remote Compose files are read
	}
	model, err := compose.Load(ctx, r)
	if err != nil {
		return nil, err
	}
	return model.Project.ServiceNames(), nil
}

// part is a target on the command line with all that belongs to it.
type part struct {
	command
	name    string // as the user wrote it
	key     string // in commands
	words   []string
	named   []string // services
	options []string // -name=value, as Mage reads them
}

func arguments(args []string, services func() ([]string, error)) ([]string, error) {
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
		case p != nil && strings.HasPrefix(arg, "-"):
			if err := p.addOption(arg, args[i+1:]); err != nil {
				return nil, err
			}
		case p != nil && len(p.words) < len(p.values):
			p.words = append(p.words, arg)
		default:
			next, err := p.addWord(arg, services)
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
		if len(p.words) < len(p.values) {
			return nil, fault.New(fault.Usage, "go tool mage "+p.key+" -h", "%s needs a %s", p.key, p.values[len(p.words)])
		}
		out = append(append(out, p.name), p.words...)
		if len(p.named) > 0 {
			out = append(out, "-services="+strings.Join(p.named, ","))
		}
		out = append(out, p.options...)
	}
	return out, nil
}

// addWord takes a word after the target p (nil for none yet): a service of it, or a further target, which it returns.
func (p *part) addWord(word string, services func() ([]string, error)) (*part, error) {
	key := strings.ToLower(word)
	known, isTarget := commands[key]
	takes := p != nil && p.services
	_, isOther := otherWords[key]
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
	case isTarget && isService:
		return nil, fault.New(fault.Usage, fmt.Sprintf("go tool mage %s -services=%s for the service, or go tool mage %s by itself for the target", p.key, fault.Quote(word), fault.Quote(key)),
			"%q after %s may be the service or the target of that name", word, p.key)
	case isTarget:
		return &part{command: known, name: word, key: key}, nil
	case takes && (isService || !isOther):
		p.named = append(p.named, word)
		return nil, nil
	case p != nil && !takes && !isOther:
		return nil, fault.New(fault.Usage, "go tool mage "+p.key+" -h", "no target %q%s, and %s takes no service names", word, fault.DidYouMean(word, targetNames()), p.key)
	}
	return nil, unknown(word)
}

// emptyName refuses a name that is not there, as of a variable that is not set: it is not "all".
func emptyName(p *part) error {
	if p == nil {
		return fault.New(fault.Usage, "go tool mage -l", "no target %q", "")
	}
	return fault.New(fault.Usage, "go tool mage "+p.key+" without a name for all", "an empty service name after %s: nothing was done", p.key)
}

// unknown says that there is no such target, and what does that here.
func unknown(word string) error {
	if here, ok := otherWords[strings.ToLower(word)]; ok {
		return fault.New(fault.Usage, here, "no target %q", word)
	}
	return fault.New(fault.Usage, "go tool mage -l", "no target %q%s", word, fault.DidYouMean(word, targetNames()))
}

// addOption takes -name, -name=value or --na-me=value; following is what comes after it on the command line.
func (p *part) addOption(arg string, following []string) error {
	name, value, hasValue := strings.Cut(strings.TrimLeft(arg, "-"), "=")
	known, k, ok := p.option(name)
	if !ok {
		return p.unknownOption(arg, name)
	}
	if !hasValue && k != aFlag {
		example := map[kind]string{aText: "…", aList: "a,b", aDuration: "30s"}[k]
		if len(following) > 0 && following[0] != "" && !strings.HasPrefix(following[0], "-") {
			example = following[0]
		}
		return fault.New(fault.Usage, fmt.Sprintf("go tool mage %s -%s=%s", p.key, known, example), "-%s of %s takes its value after an equals sign", known, p.key)
	}
	if err := p.checkValue(known, k, value, hasValue); err != nil {
		return err
	}
	if known == "services" {
		all, err := names(&value)
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
func (p *part) checkValue(name string, k kind, value string, has bool) error {
	if !has {
		return nil
	}
	if value == "" {
		return fault.New(fault.Usage, "go tool mage "+p.key+" -h", "-%s of %s has an empty value: nothing was done", name, p.key)
	}
	switch k {
	case aFlag:
		if _, err := strconv.ParseBool(value); err != nil {
			return fault.New(fault.Usage, fmt.Sprintf("go tool mage %s -%s", p.key, fault.Quote(name)), "-%s=%s of %s is neither true nor false", name, value, p.key)
		}
	case aDuration:
		if d, err := time.ParseDuration(value); err != nil || d < 0 {
			return fault.New(fault.Usage, fmt.Sprintf("go tool mage %s -%s=30s", p.key, fault.Quote(name)), "-%s=%s of %s is not a duration, such as 30s or 5m", name, value, p.key)
		}
	case aList:
		_, err := names(&value)
		return err
	case aText:
	}
	return nil
}

func (p *part) unknownOption(arg, name string) error {
	var known []string
	for option := range p.command.options {
		known = append(known, option)
	}
	slices.Sort(known)
	next := "go tool mage " + p.key + " -h"
	name = strings.ToLower(name)
	if here := cmp.Or(otherOptions[p.key+" "+name], otherOptions[name]); here != "" {
		next = strings.ReplaceAll(here, "%s", p.key)
	}
	return fault.New(fault.Usage, next, "no option %q of %s%s", arg, p.key, fault.DidYouMean(name, known))
}
