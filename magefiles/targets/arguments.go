package targets

import (
	"slices"
	"strings"

	"github.com/25eloquence/compose-mage/internal/fault"
)

// takesServices says for every target whether service names may follow it. TestEveryTargetIsKnown holds it against
// what Mage lists.
var takesServices = map[string]bool{
	"build": true, "check": true, "cleanup": false, "explain": true, "fit": true, "full": true, "lint": false, "lock": false, "logs": true, "menu": false,
	"models": false, "monitor": true, "restart": true, "setup": false, "smoke": false, "start": true, "status": true, "stop": true,
	"teardown": false, "test": false,
}

// takesValues counts the words that belong to a target and are neither targets nor services.
var takesValues = map[string]int{"models": 1}

// Arguments settles a command line before Mage reads it: service names after a target become its -services option
// (`logs redis livekit` is `logs -services=redis,livekit`), dashes inside an option's name are dropped (`-dry-run` is
// `-dryrun`), and a word that is neither target nor service is an error, before anything has run.
func Arguments(args []string) ([]string, error) {
	var out []string
	at, target := 0, "" // index in out just after the current target, and its name
	values := 0
	for _, arg := range args {
		name := strings.ToLower(arg)
		_, known := takesServices[name]
		switch {
		case values > 0 && !strings.HasPrefix(arg, "-"):
			values--
			out = append(out, arg)
		case strings.HasPrefix(arg, "-") && target == "":
			return args, nil // a compiled magefile's own flags; `mage -h x` passes them as variables instead
		case strings.HasPrefix(arg, "-"):
			out = append(out, undashed(arg))
		case known:
			out = append(out, arg)
			at, target, values = len(out), name, takesValues[name]
		case takesServices[target]:
			out = withService(out, at, arg)
		default:
			return nil, unknown(arg)
		}
	}
	return out, nil
}

func unknown(word string) error {
	known := make([]string, 0, len(takesServices))
	for name := range takesServices {
		known = append(known, name)
	}
	slices.Sort(known)
	return fault.New(fault.Usage, "go tool mage -l", "no target %q%s", word, fault.DidYouMean(word, known))
}

// withService adds a service to the -services option that directly follows the target, making it where needed.
func withService(out []string, at int, service string) []string {
	const option = "-services="
	if at < len(out) && strings.HasPrefix(out[at], option) {
		out[at] += "," + service
		return out
	}
	return slices.Insert(out, at, option+service)
}

// undashed turns --dry-run=x and -dry-run=x into -dryrun=x.
func undashed(option string) string {
	name, value, hasValue := strings.Cut(strings.TrimLeft(option, "-"), "=")
	name = "-" + strings.ReplaceAll(name, "-", "")
	if hasValue {
		return name + "=" + value
	}
	return name
}
