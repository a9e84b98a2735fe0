//go:build ignore
// +build ignore

package main

import (
	_context "context"
	_flag "flag"
	_fmt "fmt"
	_io "io"
	_log "log"
	_os "os"
	_signal "os/signal"
	_filepath "path/filepath"
	_sort "sort"
	_strconv "strconv"
	_strings "strings"
	_syscall "syscall"
	_tabwriter "text/tabwriter"
	_time "time"
	self_mageimport "github.com/25eloquence/compose-mage/magefiles/self"
	targets_mageimport "github.com/25eloquence/compose-mage/magefiles/targets"
	voice_mageimport "github.com/25eloquence/compose-mage/magefiles/voice"
	
)

func main() {
	// Use local types and functions in order to avoid name conflicts with additional magefiles.
	type arguments struct {
		Verbose       bool          // print out log statements
		List          bool          // print out a list of targets
		Help          bool          // print out help for a specific target
		Timeout       _time.Duration // set a timeout to running the targets
		Args          []string      // args contain the non-flag command-line arguments
	}

	parseBool := func(env string) bool {
		val := _os.Getenv(env)
		if val == "" {
			return false
		}		
		b, err := _strconv.ParseBool(val)
		if err != nil {
			_log.Printf("warning: environment variable %s is not a valid bool value: %v", env, val)
			return false
		}
		return b
	}

	parseDuration := func(env string) _time.Duration {
		val := _os.Getenv(env)
		if val == "" {
			return 0
		}		
		d, err := _time.ParseDuration(val)
		if err != nil {
			_log.Printf("warning: environment variable %s is not a valid duration value: %v", env, val)
			return 0
		}
		return d
	}
	args := arguments{}
	fs := _flag.FlagSet{}
	fs.SetOutput(_os.Stdout)

	// default flag set with ExitOnError and auto generated PrintDefaults should be sufficient
	fs.BoolVar(&args.Verbose, "v", parseBool("MAGEFILE_VERBOSE"), "show verbose output when running targets")
	fs.BoolVar(&args.List, "l", parseBool("MAGEFILE_LIST"), "list targets for this binary")
	fs.BoolVar(&args.Help, "h", parseBool("MAGEFILE_HELP"), "print out help for a specific target")
	fs.DurationVar(&args.Timeout, "t", parseDuration("MAGEFILE_TIMEOUT"), "timeout in duration parsable format (e.g. 5m30s)")
	fs.Usage = func() {
		_fmt.Fprintf(_os.Stdout, `
%s [options] [target]

Commands:
  -l    list targets in this binary
  -h    show this help

Options:
  -h    show description of a target
  -t <string>
        timeout in duration parsable format (e.g. 5m30s)
  -v    show verbose output when running targets
 `[1:], _filepath.Base(_os.Args[0]))
	}
	if err := fs.Parse(_os.Args[1:]); err != nil {
		// flag will have printed out an error already.
		return
	}
	args.Args = fs.Args()
	if args.Help && len(args.Args) == 0 {
		fs.Usage()
		return
	}
		
	var printName = func(str string) string {
	// color is ANSI color type
	type color int

	// If you add/change/remove any items in this constant,
	// you will need to run "stringer -type=color" in this directory again.
	// NOTE: Please keep the list in an alphabetical order.
	const (
		black color = iota
		red
		green
		yellow
		blue
		magenta
		cyan
		white
		brightblack
		brightred
		brightgreen
		brightyellow
		brightblue
		brightmagenta
		brightcyan
		brightwhite
	)

	// AnsiColor are ANSI color codes for supported terminal colors.
	var ansiColor = map[color]string{
		black:         "\u001b[30m",
		red:           "\u001b[31m",
		green:         "\u001b[32m",
		yellow:        "\u001b[33m",
		blue:          "\u001b[34m",
		magenta:       "\u001b[35m",
		cyan:          "\u001b[36m",
		white:         "\u001b[37m",
		brightblack:   "\u001b[30;1m",
		brightred:     "\u001b[31;1m",
		brightgreen:   "\u001b[32;1m",
		brightyellow:  "\u001b[33;1m",
		brightblue:    "\u001b[34;1m",
		brightmagenta: "\u001b[35;1m",
		brightcyan:    "\u001b[36;1m",
		brightwhite:   "\u001b[37;1m",
	}

	const colorName = "blackredgreenyellowbluemagentacyanwhitebrightblackbrightredbrightgreenbrightyellowbrightbluebrightmagentabrightcyanbrightwhite"

	var colorIndex = [...]uint8{0, 5, 8, 13, 19, 23, 30, 34, 39, 50, 59, 70, 82, 92, 105, 115, 126}

	colorToLowerString := func(i color) string {
		if i < 0 || i >= color(len(colorIndex)-1) {
			return "color(" + _strconv.FormatInt(int64(i), 10) + ")"
		}
		return colorName[colorIndex[i]:colorIndex[i+1]]
	}

	// ansiColorReset is an ANSI color code to reset the terminal color.
	const ansiColorReset = "\033[0m"

	// defaultTargetAnsiColor is a default ANSI color for colorizing targets.
	// It is set to Cyan as an arbitrary color, because it has a neutral meaning
	var defaultTargetAnsiColor = ansiColor[cyan]

	getAnsiColor := func(color string) (string, bool) {
		colorLower := _strings.ToLower(color)
		for k, v := range ansiColor {
			colorConstLower := colorToLowerString(k)
			if colorConstLower == colorLower {
				return v, true
			}
		}
		return "", false
	}

	// Terminals which  don't support color:
	//
	//	TERM=vt100
	//	TERM=cygwin
	//	TERM=xterm-mono
	var noColorTerms = map[string]bool{
		"vt100":      false,
		"cygwin":     false,
		"xterm-mono": false,
	}

	// terminalSupportsColor checks if the current console supports color output
	//
	// Supported:
	//
	//	linux, mac, or windows's ConEmu, Cmder, putty, git-bash.exe, pwsh.exe
	//
	// Not supported:
	//
	//	windows cmd.exe, powerShell.exe
	terminalSupportsColor := func() bool {
		envTerm := _os.Getenv("TERM")
		if _, ok := noColorTerms[envTerm]; ok {
			return false
		}
		return true
	}

	// enableColor reports whether the user has requested to enable a color output.
	enableColor := func() bool {
		b, _ := _strconv.ParseBool(_os.Getenv("MAGEFILE_ENABLE_COLOR"))
		return b
	}

	// targetColor returns the ANSI color which should be used to colorize targets.
	targetColor := func() string {
		s, exists := _os.LookupEnv("MAGEFILE_TARGET_COLOR")
		if exists {
			if c, ok := getAnsiColor(s); ok {
				return c
			}
		}
		return defaultTargetAnsiColor
	}

	// store the color terminal variables, so that the detection isn't repeated for each target
	var enableColorValue = enableColor() && terminalSupportsColor()
	var targetColorValue = targetColor()

	if enableColorValue {
		return _fmt.Sprintf("%s%s%s", targetColorValue, str, ansiColorReset)
	}

	return str
}


	list := func() error {
		_fmt.Println(`Build, start, watch and clean a Docker Compose stack. Service names may follow a target: mage logs redis livekit.
`)
		targets := map[string]string{
			"lint": "runs go vet for three systems and the pinned linters.",
			"test": "runs unit, integration and smoke tests, with the race detector.",
			"backup": "saves the volumes with data, so that they can be restored.",
			"build": "builds the images in parallel and loads what changed.",
			"check": "looks for what would make a build or a start fail.",
			"cleanup": "removes what is no longer used; never a volume with data.",
			"deploy": "has a Docker Swarm run the stack, on several machines.",
			"explain": "says which build steps ran again, or would, and why.",
			"fit": "shows the tier, limits and settings that suit this machine.",
			"full": "checks, cleans, builds, starts, tests and shows the stack.",
			"lock": "updates docker/bases.lock to the registry's digests.",
			"logs": "shows the services' logs.",
			"menu*": "asks what to do on a terminal, and lists the targets elsewhere.",
			"monitor": "shows CPU, memory, health, restarts, OOM kills and disk use.",
			"nodes": "shows what a Docker Swarm's nodes have, and what runs on each.",
			"restart": "restarts what changed, in dependency order; volumes stay.",
			"restore": "brings a backup back; nothing that is there is overwritten.",
			"schedule": "lists what runs by itself, or has the machine run a job daily.",
			"setup": "installs what this machine lacks: engine, builder, registry, bases.",
			"smoke": "proves that the started stack does its job, end to end.",
			"start": "starts the services in dependency order and waits until healthy.",
			"status": "shows every service's state, image and ports.",
			"stop": "stops the services, dependants first; nothing is removed.",
			"teardown": "stops what setup started; data and images stay.",
			"models": "downloads a Whisper model into the stack's model volume.",
		}

		keys := make([]string, 0, len(targets))
		for name := range targets {
			keys = append(keys, name)
		}
		_sort.Strings(keys)

		_fmt.Println("Targets:")
		w := _tabwriter.NewWriter(_os.Stdout, 0, 4, 4, ' ', 0)
		for _, name := range keys {
			_fmt.Fprintf(w, "  %v\t%v\n", printName(name), targets[name])
		}
		err := w.Flush()
			if err == nil {
				_fmt.Println("\n* default target")
			}
		return err
	}

	var ctx _context.Context
	ctxCancel := func(){}

	// by deferring in a closure, we let the cancel function get replaced
	// by the getContext function.
	defer func() {
		ctxCancel()
	}()

	getContext := func() (_context.Context, func()) {
		if ctx == nil {
			if args.Timeout != 0 {
				ctx, ctxCancel = _context.WithTimeout(_context.Background(), args.Timeout)
			} else {
				ctx, ctxCancel = _context.WithCancel(_context.Background())
			}
		}

		return ctx, ctxCancel
	}

	runTarget := func(logger *_log.Logger, fn func(_context.Context) error) interface{} {
		var err interface{}
		ctx, cancel := getContext()
		d := make(chan interface{})
		go func() {
			defer func() {
				err := recover()
				d <- err
			}()
			err := fn(ctx)
			d <- err
		}()
		sigCh := make(chan _os.Signal, 1)
		_signal.Notify(sigCh, _syscall.SIGINT)
		select {
		case <-sigCh:
			logger.Println("cancelling mage targets, waiting up to 5 seconds for cleanup...")
			cancel()
			cleanupCh := _time.After(5 * _time.Second)

			select {
			// target exited by itself
			case err = <-d:
				return err
			// cleanup timeout exceeded
			case <-cleanupCh:
				return _fmt.Errorf("cleanup timeout exceeded")
			// second SIGINT received
			case <-sigCh:
				logger.Println("exiting mage")
				return _fmt.Errorf("exit forced")
			}
		case <-ctx.Done():
			cancel()
			e := ctx.Err()
			_fmt.Printf("ctx err: %v\n", e)
			return e
		case err = <-d:
			// we intentionally don't cancel the context here, because
			// the next target will need to run with the same _context.
			return err
		}
	}
	// This is necessary in case there aren't any targets, to avoid an unused
	// variable error.
	_ = runTarget

	handleError := func(logger *_log.Logger, err interface{}) {
		if err != nil {
			logger.Printf("Error: %+v\n", err)
			type code interface {
				ExitStatus() int
			}
			if c, ok := err.(code); ok {
				_os.Exit(c.ExitStatus())
			}
			_os.Exit(1)
		}
	}
	_ = handleError

	// Set MAGEFILE_VERBOSE so mg.Verbose() reflects the flag value.
	if args.Verbose {
		_os.Setenv("MAGEFILE_VERBOSE", "1")
	} else {
		_os.Setenv("MAGEFILE_VERBOSE", "0")
	}

	_log.SetFlags(0)
	if !args.Verbose {
		_log.SetOutput(_io.Discard)
	}
	logger := _log.New(_os.Stderr, "", 0)
	if args.List {
		if err := list(); err != nil {
			_log.Println(err)
			_os.Exit(1)
		}
		return
	}

	if args.Help {
		if len(args.Args) < 1 {
			logger.Println("no target specified")
			_os.Exit(2)
		}
		switch _strings.ToLower(args.Args[0]) {
			case "lint":
				_fmt.Println("Lint runs go vet for three systems and the pinned linters.")
				_fmt.Println()
				
				_fmt.Print("Usage:\n\n\ttargets lint\n\n")
				var aliases []string
				if len(aliases) > 0 {
					_sort.Strings(aliases)
					_fmt.Printf("Aliases: %s\n\n", _strings.Join(aliases, ", "))
				}
				return
				case "test":
				_fmt.Println("Test runs unit, integration and smoke tests, with the race detector.\n\nIt builds and starts the stack, runs the services' tests in the builder, the Go modules' unit and integration\ntests against the engine, builder and registry, and the smoke test.")
				_fmt.Println()
				
				_fmt.Print("Usage:\n\n\ttargets test\n\n")
				var aliases []string
				if len(aliases) > 0 {
					_sort.Strings(aliases)
					_fmt.Printf("Aliases: %s\n\n", _strings.Join(aliases, ", "))
				}
				return
				case "backup":
				_fmt.Println("Backup saves the volumes with data, so that they can be restored.\n\nIt saves them, the Compose files, .env, the secrets and the images' digests by restic, encrypted, to\nBACKUP_REPOSITORY: all while it runs, then what has changed since, while the services stand still for a moment.\nPrint the recovery sheet once, with -key: without the password nobody can restore.")
				_fmt.Println()
				
				_fmt.Print("Usage:\n\n\ttargets backup [<flags>]\n\n")
				_fmt.Print("Flags:\n\n\t-caches=<string>  comma-separated volumes that are saved though they hold no data\n\t-list=<bool>      list the snapshots\n\t-key=<bool>       print the recovery sheet: repository, password, and how to restore\n\t-prune=<bool>     forget old snapshots, remove what none has, and check the repository\n\t-json=<bool>      with -dry-run or -list: print JSON\n\t-dryRun=<bool>    -dry-run: print what would be saved, and how, and change nothing\n\n")
				var aliases []string
				if len(aliases) > 0 {
					_sort.Strings(aliases)
					_fmt.Printf("Aliases: %s\n\n", _strings.Join(aliases, ", "))
				}
				return
				case "build":
				_fmt.Println("Build builds the images in parallel and loads what changed.\n\nThe build cache is read from and written to CACHE_REGISTRY (default: the registry that setup made; \"none\" for no\ncache; also type=gha or type=local,dest=DIR); CACHE_WRITE=false only reads it. An image that fails stops no\nother; the exit code says so. BUILDKIT_HOST may list several builders, separated by commas.")
				_fmt.Println()
				
				_fmt.Print("Usage:\n\n\ttargets build [<flags>]\n\n")
				_fmt.Print("Flags:\n\n\t-services=<string>  comma-separated services; all by default\n\t-noCache=<bool>     -no-cache: build every step again\n\t-pull=<bool>        ask the registries for newer bases, and move the lock to them\n\t-failFast=<bool>    -fail-fast: end the other images when one fails\n\t-push=<bool>        push to the registries that the image names say, instead of loading\n\t-attest=<bool>      with -push: provenance and SBOM attestations\n\t-platform=<string>  with -push: linux/amd64,linux/arm64, those that the builder has\n\t-progress=<string>  auto, plain, tty, quiet or rawjson\n\t-json=<bool>        results as one line of JSON; progress goes to standard error\n\t-dryRun=<bool>      -dry-run: print what would be built\n\n")
				var aliases []string
				if len(aliases) > 0 {
					_sort.Strings(aliases)
					_fmt.Printf("Aliases: %s\n\n", _strings.Join(aliases, ", "))
				}
				return
				case "check":
				_fmt.Println("Check looks for what would make a build or a start fail.\n\nEngine, builder, registry, disk, memory and CPUs, then the Compose files: build contexts, images, secrets, networks,\nvolumes, devices, limits, names, ports, logs. Each with what was found and the remedy. It changes nothing.")
				_fmt.Println()
				
				_fmt.Print("Usage:\n\n\ttargets check [<flags>]\n\n")
				_fmt.Print("Flags:\n\n\t-services=<string>  comma-separated services; all by default\n\t-json=<bool>        print JSON\n\n")
				var aliases []string
				if len(aliases) > 0 {
					_sort.Strings(aliases)
					_fmt.Printf("Aliases: %s\n\n", _strings.Join(aliases, ", "))
				}
				return
				case "cleanup":
				_fmt.Println("Cleanup removes what is no longer used; never a volume with data.\n\nIt prints its plan, with bytes and reasons, before it acts. By default it touches only what is provably this\nproject's and can be made again: its stopped, orphaned containers, unused networks, and old images that builds\nhere made. What else there is, it lists. Of a deployed stack it removes secrets, configs and networks that no service\nhas any more, and old images on the nodes that can be asked; the stack itself goes only with -remove-stack=NAME.")
				_fmt.Println()
				
				_fmt.Print("Usage:\n\n\ttargets cleanup [<flags>]\n\n")
				_fmt.Print("Flags:\n\n\t-scope=<string>        project (default) or host: also what nobody uses on the whole machine\n\t-keep=<string>         with -scope=host: build cache to keep, 10GB by default\n\t-volumes=<string>      comma-separated volumes to remove with their data\n\t-images=<string>       comma-separated images to remove, by name or ID\n\t-takeOver=<bool>       -take-over: also what another checkout made under this project's name\n\t-deployed=<bool>       the stack on the Swarm, with =false the containers of start; what there is by default\n\t-nodes=<string>        addresses of the nodes' engines for a deployed stack: gpu1=ssh://ops@gpu1, comma-separated\n\t-removeStack=<string>  -remove-stack: remove the stack of this name from the Swarm; volumes stay\n\t-json=<bool>           print the plan as JSON; all other output goes to standard error\n\t-dryRun=<bool>         -dry-run: only print the plan\n\n")
				var aliases []string
				if len(aliases) > 0 {
					_sort.Strings(aliases)
					_fmt.Printf("Aliases: %s\n\n", _strings.Join(aliases, ", "))
				}
				return
				case "deploy":
				_fmt.Println("Deploy has a Docker Swarm run the stack, on several machines.\n\nThe engine is a manager's. Services come in the order of depends_on, each when those before it are healthy; images\nare pinned to their digests, and secrets to their contents. Where a service fails, all that the deploy touched goes\nback to what it was, and the exit code is 1. What is as it should be is not touched.")
				_fmt.Println()
				
				_fmt.Print("Usage:\n\n\ttargets deploy [<flags>]\n\n")
				_fmt.Print("Flags:\n\n\t-timeout=<time.Duration>  for the whole deploy; 0 for none beyond each service's own\n\t-removeOrphans=<bool>     -remove-orphans: also remove services that the Compose files no longer have\n\t-registry=<string>        where images go whose names have no registry: host[:port][/prefix]; DEPLOY_REGISTRY says it too\n\t-nodes=<string>           without a registry: addresses of the nodes' engines, gpu1=ssh://ops@gpu1, comma-separated\n\t-json=<bool>              print what was done as JSON, with -dry-run the plan; all other output goes to standard error\n\t-dryRun=<bool>            -dry-run: print what would be done and why, key by key, and what does not carry over\n\n")
				var aliases []string
				if len(aliases) > 0 {
					_sort.Strings(aliases)
					_fmt.Printf("Aliases: %s\n\n", _strings.Join(aliases, ", "))
				}
				return
				case "explain":
				_fmt.Println("Explain says which build steps ran again, or would, and why.\n\nFor each image: what its last build on this machine did, then what has changed since. Nothing is built, and no\nregistry is asked.")
				_fmt.Println()
				
				_fmt.Print("Usage:\n\n\ttargets explain [-services=<string>]\n\n")
				_fmt.Print("Flags:\n\n\t-services=<string>  comma-separated services; all by default\n\n")
				var aliases []string
				if len(aliases) > 0 {
					_sort.Strings(aliases)
					_fmt.Printf("Aliases: %s\n\n", _strings.Join(aliases, ", "))
				}
				return
				case "fit":
				_fmt.Println("Fit shows the tier, limits and settings that suit this machine.\n\nEach service's limits and reservations as the Compose files have them and as they are started, the variables that its\nruntimes get from them, and why. It changes nothing. With -measured it shows the memory limits and settings that\nfollow from what monitor -serve or -watch recorded, and -write makes a Compose file of them.")
				_fmt.Println()
				
				_fmt.Print("Usage:\n\n\ttargets fit [<flags>]\n\n")
				_fmt.Print("Flags:\n\n\t-services=<string>      comma-separated services and what they depend on; all by default\n\t-measured=<bool>        what follows from what was recorded of the services' memory\n\t-least=<time.Duration>  with -measured, how much history a service needs; 1h by default\n\t-write=<string>         with -measured, the Compose file that is made; none by default\n\t-json=<bool>            print JSON\n\n")
				var aliases []string
				if len(aliases) > 0 {
					_sort.Strings(aliases)
					_fmt.Printf("Aliases: %s\n\n", _strings.Join(aliases, ", "))
				}
				return
				case "full":
				_fmt.Println("Full checks, cleans, builds, starts, tests and shows the stack.\n\nIt is check, cleanup, build, start, smoke and one monitor snapshot, each only after the one before. What is right\nalready stays as it is.")
				_fmt.Println()
				
				_fmt.Print("Usage:\n\n\ttargets full [-services=<string>]\n\n")
				_fmt.Print("Flags:\n\n\t-services=<string>  comma-separated services and what they depend on; all by default\n\n")
				var aliases []string
				if len(aliases) > 0 {
					_sort.Strings(aliases)
					_fmt.Printf("Aliases: %s\n\n", _strings.Join(aliases, ", "))
				}
				return
				case "lock":
				_fmt.Println("Lock updates docker/bases.lock to the registry's digests.\n\nBuilds take the base images of the Dockerfiles by these digests, without asking the registry. It prints what changed;\ncommit the file. Bases that setup made on this machine are left as they are. BASES_LOCK names another file.")
				_fmt.Println()
				
				_fmt.Print("Usage:\n\n\ttargets lock [-check=<bool>]\n\n")
				_fmt.Print("Flags:\n\n\t-check=<bool>  write nothing, and fail where something would change\n\n")
				var aliases []string
				if len(aliases) > 0 {
					_sort.Strings(aliases)
					_fmt.Printf("Aliases: %s\n\n", _strings.Join(aliases, ", "))
				}
				return
				case "logs":
				_fmt.Println("Logs shows the services' logs.")
				_fmt.Println()
				
				_fmt.Print("Usage:\n\n\ttargets logs [<flags>]\n\n")
				_fmt.Print("Flags:\n\n\t-services=<string>  comma-separated services; all by default\n\t-follow=<bool>      go on until Ctrl-C\n\t-tail=<string>      lines of each container; \"all\" for everything\n\t-since=<string>     a duration (10m) or a time\n\t-deployed=<bool>    the stack on the Swarm, with =false the containers of start; what there is by default\n\n")
				var aliases []string
				if len(aliases) > 0 {
					_sort.Strings(aliases)
					_fmt.Printf("Aliases: %s\n\n", _strings.Join(aliases, ", "))
				}
				return
				case "menu":
				_fmt.Println("Menu asks what to do on a terminal, and lists the targets elsewhere.")
				_fmt.Println()
				
				_fmt.Print("Usage:\n\n\ttargets menu\n\n")
				var aliases []string
				if len(aliases) > 0 {
					_sort.Strings(aliases)
					_fmt.Printf("Aliases: %s\n\n", _strings.Join(aliases, ", "))
				}
				return
				case "monitor":
				_fmt.Println("Monitor shows CPU, memory, health, restarts, OOM kills and disk use.\n\nOne snapshot by default, with what is wrong and what to do about it. With -disk it lists what the engine stores\ninstead: every image, container, volume, network and build cache, of all projects. With -all it shows what each\nCompose project on the engine uses, and needs no Compose file. With -since it shows what a watcher recorded. Of a\ndeployed stack it shows tasks and nodes, and what tasks use on the nodes that can be asked.")
				_fmt.Println()
				
				_fmt.Print("Usage:\n\n\ttargets monitor [<flags>]\n\n")
				_fmt.Print("Flags:\n\n\t-services=<string>      comma-separated services; all by default\n\t-watch=<bool>           go on until q or Ctrl-C: a live view on a terminal, lines elsewhere\n\t-every=<time.Duration>  between snapshots; 1s by default in the live view, else 2s\n\t-disk=<bool>            list what is stored, by size and owner\n\t-all=<bool>             every Compose project on the engine, with its memory, CPU and disk\n\t-json=<bool>            print the snapshot or the list as JSON\n\t-serve=<bool>           show the project on a web page until Ctrl-C; a look asks that server meanwhile\n\t-listen=<string>        -listen: with -serve, host and port; 127.0.0.1 and a free port by default\n\t-logs=<bool>            with -serve, the page shows logs too\n\t-testAlerts=<bool>      -test-alerts: tell those who get alerts that it is a test\n\t-since=<time.Duration>  what was recorded in this time, such as 1h: figures of each service, and what went wrong\n\t-deployed=<bool>        the stack on the Swarm, with =false the containers of start; what there is by default\n\t-nodes=<string>         addresses of the nodes' engines for a deployed stack: gpu1=ssh://ops@gpu1, comma-separated\n\n")
				var aliases []string
				if len(aliases) > 0 {
					_sort.Strings(aliases)
					_fmt.Printf("Aliases: %s\n\n", _strings.Join(aliases, ", "))
				}
				return
				case "nodes":
				_fmt.Println("Nodes shows what a Docker Swarm's nodes have, and what runs on each.\n\nThe engine is a manager's. For each node: its role and state, the CPUs and memory that tasks have not reserved, its\nGPUs and other generic resources, labels, the volumes whose data it has, and the tasks of each stack. What is wrong\nwith a node, or will be, is named with the command that helps; labels are set by docker node update.")
				_fmt.Println()
				
				_fmt.Print("Usage:\n\n\ttargets nodes [-json=<bool>]\n\n")
				_fmt.Print("Flags:\n\n\t-json=<bool>  print JSON\n\n")
				var aliases []string
				if len(aliases) > 0 {
					_sort.Strings(aliases)
					_fmt.Printf("Aliases: %s\n\n", _strings.Join(aliases, ", "))
				}
				return
				case "restart":
				_fmt.Println("Restart restarts what changed, in dependency order; volumes stay.\n\nA service is restarted when its image or configuration changed, or when it does not run or is unhealthy; named\nservices are in any case, and what did not change stays up. Replicas go one at a time. With -rolling the new\ncontainer is ready before the old one leaves; a service that can't be replaced like that is refused, with the\nreason, before anything is touched. On a deployed stack what changed is for deploy: what is named, or is not as it\nshould be, is replaced as its update_config says, each service when those before it are healthy.")
				_fmt.Println()
				
				_fmt.Print("Usage:\n\n\ttargets restart [<flags>]\n\n")
				_fmt.Print("Flags:\n\n\t-services=<string>        comma-separated services, changed or not; what changed by default\n\t-all=<bool>               every service, changed or not\n\t-rolling=<bool>           without down-time, where nothing forbids it\n\t-timeout=<time.Duration>  for the whole restart; 0 for none beyond each service's own\n\t-takeOver=<bool>          -take-over: make another checkout's containers of this project name this one's\n\t-deployed=<bool>          the stack on the Swarm, with =false the containers of start; what there is by default\n\t-json=<bool>              with -dry-run: print JSON\n\t-dryRun=<bool>            -dry-run: print what would be restarted, and why\n\n")
				var aliases []string
				if len(aliases) > 0 {
					_sort.Strings(aliases)
					_fmt.Printf("Aliases: %s\n\n", _strings.Join(aliases, ", "))
				}
				return
				case "restore":
				_fmt.Println("Restore brings a backup back; nothing that is there is overwritten.\n\nA volume that is not there gets its data under its own name; beside one that has data a new volume is made, and\nwith -swap the two change their contents, the old one kept. What was written is compared with the snapshot first.")
				_fmt.Println()
				
				_fmt.Print("Usage:\n\n\ttargets restore [<flags>]\n\n")
				_fmt.Print("Flags:\n\n\t-volumes=<string>  comma-separated volumes; all by default\n\t-at=<string>       the newest snapshot at or before this time (2026-11-27 15:04), or a snapshot's ID\n\t-swap=<bool>       put the data in the place of what is there, which is kept in another volume\n\t-file=<string>     comma-separated VOLUME:PATH: only these, into a new directory\n\t-from=<string>     a repository, where it is not BACKUP_REPOSITORY; it asks for the password\n\t-project=<string>  the project's name, where its Compose files are not here\n\n")
				var aliases []string
				if len(aliases) > 0 {
					_sort.Strings(aliases)
					_fmt.Printf("Aliases: %s\n\n", _strings.Join(aliases, ", "))
				}
				return
				case "schedule":
				_fmt.Println("Schedule lists what runs by itself, or has the machine run a job daily.\n\nJobs follow it: schedule cleanup and schedule backup have the machine run that every day, and schedule monitor keeps\nmonitor -serve running, by systemd or, where there is none, the crontab. It prints what it writes, and -remove takes\nall of it away. A run that fails or does not take place is a finding of status, monitor and check.")
				_fmt.Println()
				
				_fmt.Print("Usage:\n\n\ttargets schedule [<flags>]\n\n")
				_fmt.Print("Flags:\n\n\t-jobs=<string>  comma-separated jobs: cleanup, backup, monitor\n\t-at=<string>    the time of day of a daily job; 03:30 by default, and 02:30 of backup\n\t-remove=<bool>  no longer run the jobs\n\t-run=<string>   run this job now, as the machine does\n\t-json=<bool>    print the list as JSON\n\t-dryRun=<bool>  -dry-run: only print what would be written\n\n")
				var aliases []string
				if len(aliases) > 0 {
					_sort.Strings(aliases)
					_fmt.Printf("Aliases: %s\n\n", _strings.Join(aliases, ", "))
				}
				return
				case "setup":
				_fmt.Println("Setup installs what this machine lacks: engine, builder, registry, bases.\n\nIt prints each thing it did or found and touches only what is missing: the Docker engine (Debian and Ubuntu, as\nroot), a BuildKit builder, a local registry, base images where Docker Hub can't be reached, and the secrets and .env\nfile that the Compose file asks for. It can be run again at any time, also after having been killed.")
				_fmt.Println()
				
				_fmt.Print("Usage:\n\n\ttargets setup [<flags>]\n\n")
				_fmt.Print("Flags:\n\n\t-backup=<bool>  restic too, by which go tool mage backup saves the volumes\n\t-dryRun=<bool>  -dry-run: print what would be done, and change nothing\n\n")
				var aliases []string
				if len(aliases) > 0 {
					_sort.Strings(aliases)
					_fmt.Printf("Aliases: %s\n\n", _strings.Join(aliases, ", "))
				}
				return
				case "smoke":
				_fmt.Println("Smoke proves that the started stack does its job, end to end.\n\nIt runs the command that the Compose file names under smoke in a service's container. For 25Eloquence a learner\njoins a session over WebRTC, speaks a sentence, is transcribed, gets a report and hears an answer.")
				_fmt.Println()
				
				_fmt.Print("Usage:\n\n\ttargets smoke\n\n")
				var aliases []string
				if len(aliases) > 0 {
					_sort.Strings(aliases)
					_fmt.Printf("Aliases: %s\n\n", _strings.Join(aliases, ", "))
				}
				return
				case "start":
				_fmt.Println("Start starts the services in dependency order and waits until healthy.\n\nEach service is probed with its own health check at short intervals while it starts, and what waits for it is\nreleased the moment it passes. What is healthy stays up when something fails; running start again goes on.")
				_fmt.Println()
				
				_fmt.Print("Usage:\n\n\ttargets start [<flags>]\n\n")
				_fmt.Print("Flags:\n\n\t-services=<string>        comma-separated services and what they depend on; all by default\n\t-timeout=<time.Duration>  for the whole start; 0 for none beyond each service's own\n\t-removeOrphans=<bool>     -remove-orphans: also remove containers of services that the Compose files no longer have\n\t-takeOver=<bool>          -take-over: make another checkout's containers of this project name this one's\n\t-json=<bool>              one event a line as JSON, with -dry-run the plan; all other output goes to standard error\n\t-dryRun=<bool>            -dry-run: print what would be done, why, and in which order\n\n")
				var aliases []string
				if len(aliases) > 0 {
					_sort.Strings(aliases)
					_fmt.Printf("Aliases: %s\n\n", _strings.Join(aliases, ", "))
				}
				return
				case "status":
				_fmt.Println("Status shows every service's state, image and ports.\n\nThe exit code is 1 where a service is not as it should be. A job that is done, a service scaled to 0 and one that\na provider gives are. Containers of services that the Compose files no longer have are named. With -all it shows\nevery Compose project on the engine, its folder and its ports, and needs no Compose file. Of a deployed stack it\nshows services, tasks and nodes.")
				_fmt.Println()
				
				_fmt.Print("Usage:\n\n\ttargets status [<flags>]\n\n")
				_fmt.Print("Flags:\n\n\t-services=<string>  comma-separated services; all by default\n\t-all=<bool>         every Compose project on the engine\n\t-deployed=<bool>    the stack on the Swarm, with =false the containers of start; what there is by default\n\t-json=<bool>        print JSON\n\n")
				var aliases []string
				if len(aliases) > 0 {
					_sort.Strings(aliases)
					_fmt.Printf("Aliases: %s\n\n", _strings.Join(aliases, ", "))
				}
				return
				case "stop":
				_fmt.Println("Stop stops the services, dependants first; nothing is removed.\n\nOn a deployed stack it is the Swarm that stops them, on every node; restart and deploy bring them back.")
				_fmt.Println()
				
				_fmt.Print("Usage:\n\n\ttargets stop [<flags>]\n\n")
				_fmt.Print("Flags:\n\n\t-services=<string>  comma-separated services; all by default\n\t-takeOver=<bool>    -take-over: also where another checkout made the containers\n\t-deployed=<bool>    the stack on the Swarm, with =false the containers of start; what there is by default\n\n")
				var aliases []string
				if len(aliases) > 0 {
					_sort.Strings(aliases)
					_fmt.Printf("Aliases: %s\n\n", _strings.Join(aliases, ", "))
				}
				return
				case "teardown":
				_fmt.Println("Teardown stops what setup started; data and images stay.\n\nOnly processes that setup recorded as its own are stopped. It says where their data is, for you to remove.")
				_fmt.Println()
				
				_fmt.Print("Usage:\n\n\ttargets teardown\n\n")
				var aliases []string
				if len(aliases) > 0 {
					_sort.Strings(aliases)
					_fmt.Printf("Aliases: %s\n\n", _strings.Join(aliases, ", "))
				}
				return
				case "models":
				_fmt.Println("Models downloads a Whisper model into the stack's model volume.\n\nThe model is tiny, base.en, small, medium, large-v3-turbo or another of whisper.cpp's. A broken download is\nresumed, the file is checked against its published sum. Of several models whisper-stt takes the first by name, or\nthat of STT_MODEL in the .env file; it looks when it is restarted.")
				_fmt.Println()
				
				_fmt.Print("Usage:\n\n\ttargets models <model> [<flags>]\n\n")
				_fmt.Print("Flags:\n\n\t-sum=<string>      SHA-256 or SHA-1 of a model whose sum is not known\n\t-service=<string>  the service that reads the volume; whisper-stt by default\n\t-volume=<string>   the volume; whisper-models by default\n\n")
				var aliases []string
				if len(aliases) > 0 {
					_sort.Strings(aliases)
					_fmt.Printf("Aliases: %s\n\n", _strings.Join(aliases, ", "))
				}
				return
				default:
				logger.Printf("Unknown target: %q\n", args.Args[0])
				_os.Exit(2)
		}
	}
	if len(args.Args) < 1 {
		ignoreDefault, _ := _strconv.ParseBool(_os.Getenv("MAGEFILE_IGNOREDEFAULT"))
		if ignoreDefault {
			if err := list(); err != nil {
				logger.Println("Error:", err)
				_os.Exit(1)
			}
			return
		}
		
				wrapFn := func(ctx _context.Context) error {
					return targets_mageimport.Menu(ctx)
				}
				ret := runTarget(logger, wrapFn)
		handleError(logger, ret)
		return
	}
	for x := 0; x < len(args.Args); {
		target := args.Args[x]
		x++

		// resolve aliases
		switch _strings.ToLower(target) {
		
		}

		switch _strings.ToLower(target) {
		
		
		
			
				case "lint":
					expected := x + 0
					if expected > len(args.Args) {
						// note that expected and args at this point include the arg for the target itself
						// so we subtract 1 here to show the number of args without the target.
						logger.Printf("not enough arguments for target \"Lint\", expected %v, got %v\n", expected-1, len(args.Args)-1)
						_os.Exit(2)
					}
					if args.Verbose {
						logger.Println("Running target:", "Lint")
					}
					
				wrapFn := func(ctx _context.Context) error {
					return self_mageimport.Lint(ctx)
				}
				ret := runTarget(logger, wrapFn)
					handleError(logger, ret)
				case "test":
					expected := x + 0
					if expected > len(args.Args) {
						// note that expected and args at this point include the arg for the target itself
						// so we subtract 1 here to show the number of args without the target.
						logger.Printf("not enough arguments for target \"Test\", expected %v, got %v\n", expected-1, len(args.Args)-1)
						_os.Exit(2)
					}
					if args.Verbose {
						logger.Println("Running target:", "Test")
					}
					
				wrapFn := func(ctx _context.Context) error {
					return self_mageimport.Test(ctx)
				}
				ret := runTarget(logger, wrapFn)
					handleError(logger, ret)
		
			
				case "backup":
					expected := x + 0
					if expected > len(args.Args) {
						// note that expected and args at this point include the arg for the target itself
						// so we subtract 1 here to show the number of args without the target.
						logger.Printf("not enough arguments for target \"Backup\", expected %v, got %v\n", expected-1, len(args.Args)-1)
						_os.Exit(2)
					}
					if args.Verbose {
						logger.Println("Running target:", "Backup")
					}
					
				var arg0 *string
				var arg1 *bool
				var arg2 *bool
				var arg3 *bool
				var arg4 *bool
				var arg5 *bool
				for x < len(args.Args) && _strings.HasPrefix(args.Args[x], "-") {
					_optArg := args.Args[x]
					_eqIdx := _strings.Index(_optArg, "=")
					var _optName, _optVal string
					if _eqIdx < 0 {
						_optName = _strings.ToLower(_optArg[1:])
						switch _optName {
						case "list":
							_optVal = "true"
						case "key":
							_optVal = "true"
						case "prune":
							_optVal = "true"
						case "json":
							_optVal = "true"
						case "dryrun":
							_optVal = "true"
						default:
							logger.Printf("invalid option %q for target \"Backup\", expected -name=value format\n", _optArg)
							_os.Exit(2)
						}
					} else {
						_optName = _strings.ToLower(_optArg[1:_eqIdx])
						_optVal = _optArg[_eqIdx+1:]
					}
					switch _optName {
					case "caches":
						_tmp0 := _optVal
						arg0 = &_tmp0
					case "list":
						_tmp1, err := _strconv.ParseBool(_optVal)
						if err != nil {
							logger.Printf("can't convert option %q value %q to bool\n", _optName, _optVal)
							_os.Exit(2)
						}
						arg1 = &_tmp1
					case "key":
						_tmp2, err := _strconv.ParseBool(_optVal)
						if err != nil {
							logger.Printf("can't convert option %q value %q to bool\n", _optName, _optVal)
							_os.Exit(2)
						}
						arg2 = &_tmp2
					case "prune":
						_tmp3, err := _strconv.ParseBool(_optVal)
						if err != nil {
							logger.Printf("can't convert option %q value %q to bool\n", _optName, _optVal)
							_os.Exit(2)
						}
						arg3 = &_tmp3
					case "json":
						_tmp4, err := _strconv.ParseBool(_optVal)
						if err != nil {
							logger.Printf("can't convert option %q value %q to bool\n", _optName, _optVal)
							_os.Exit(2)
						}
						arg4 = &_tmp4
					case "dryrun":
						_tmp5, err := _strconv.ParseBool(_optVal)
						if err != nil {
							logger.Printf("can't convert option %q value %q to bool\n", _optName, _optVal)
							_os.Exit(2)
						}
						arg5 = &_tmp5
					default:
						logger.Printf("unknown option %q for target \"Backup\"\n", _optName)
						_os.Exit(2)
					}
					x++
				}
				wrapFn := func(ctx _context.Context) error {
					return targets_mageimport.Backup(ctx, arg0, arg1, arg2, arg3, arg4, arg5)
				}
				ret := runTarget(logger, wrapFn)
					handleError(logger, ret)
				case "build":
					expected := x + 0
					if expected > len(args.Args) {
						// note that expected and args at this point include the arg for the target itself
						// so we subtract 1 here to show the number of args without the target.
						logger.Printf("not enough arguments for target \"Build\", expected %v, got %v\n", expected-1, len(args.Args)-1)
						_os.Exit(2)
					}
					if args.Verbose {
						logger.Println("Running target:", "Build")
					}
					
				var arg0 *string
				var arg1 *bool
				var arg2 *bool
				var arg3 *bool
				var arg4 *bool
				var arg5 *bool
				var arg6 *string
				var arg7 *string
				var arg8 *bool
				var arg9 *bool
				for x < len(args.Args) && _strings.HasPrefix(args.Args[x], "-") {
					_optArg := args.Args[x]
					_eqIdx := _strings.Index(_optArg, "=")
					var _optName, _optVal string
					if _eqIdx < 0 {
						_optName = _strings.ToLower(_optArg[1:])
						switch _optName {
						case "nocache":
							_optVal = "true"
						case "pull":
							_optVal = "true"
						case "failfast":
							_optVal = "true"
						case "push":
							_optVal = "true"
						case "attest":
							_optVal = "true"
						case "json":
							_optVal = "true"
						case "dryrun":
							_optVal = "true"
						default:
							logger.Printf("invalid option %q for target \"Build\", expected -name=value format\n", _optArg)
							_os.Exit(2)
						}
					} else {
						_optName = _strings.ToLower(_optArg[1:_eqIdx])
						_optVal = _optArg[_eqIdx+1:]
					}
					switch _optName {
					case "services":
						_tmp0 := _optVal
						arg0 = &_tmp0
					case "nocache":
						_tmp1, err := _strconv.ParseBool(_optVal)
						if err != nil {
							logger.Printf("can't convert option %q value %q to bool\n", _optName, _optVal)
							_os.Exit(2)
						}
						arg1 = &_tmp1
					case "pull":
						_tmp2, err := _strconv.ParseBool(_optVal)
						if err != nil {
							logger.Printf("can't convert option %q value %q to bool\n", _optName, _optVal)
							_os.Exit(2)
						}
						arg2 = &_tmp2
					case "failfast":
						_tmp3, err := _strconv.ParseBool(_optVal)
						if err != nil {
							logger.Printf("can't convert option %q value %q to bool\n", _optName, _optVal)
							_os.Exit(2)
						}
						arg3 = &_tmp3
					case "push":
						_tmp4, err := _strconv.ParseBool(_optVal)
						if err != nil {
							logger.Printf("can't convert option %q value %q to bool\n", _optName, _optVal)
							_os.Exit(2)
						}
						arg4 = &_tmp4
					case "attest":
						_tmp5, err := _strconv.ParseBool(_optVal)
						if err != nil {
							logger.Printf("can't convert option %q value %q to bool\n", _optName, _optVal)
							_os.Exit(2)
						}
						arg5 = &_tmp5
					case "platform":
						_tmp6 := _optVal
						arg6 = &_tmp6
					case "progress":
						_tmp7 := _optVal
						arg7 = &_tmp7
					case "json":
						_tmp8, err := _strconv.ParseBool(_optVal)
						if err != nil {
							logger.Printf("can't convert option %q value %q to bool\n", _optName, _optVal)
							_os.Exit(2)
						}
						arg8 = &_tmp8
					case "dryrun":
						_tmp9, err := _strconv.ParseBool(_optVal)
						if err != nil {
							logger.Printf("can't convert option %q value %q to bool\n", _optName, _optVal)
							_os.Exit(2)
						}
						arg9 = &_tmp9
					default:
						logger.Printf("unknown option %q for target \"Build\"\n", _optName)
						_os.Exit(2)
					}
					x++
				}
				wrapFn := func(ctx _context.Context) error {
					return targets_mageimport.Build(ctx, arg0, arg1, arg2, arg3, arg4, arg5, arg6, arg7, arg8, arg9)
				}
				ret := runTarget(logger, wrapFn)
					handleError(logger, ret)
				case "check":
					expected := x + 0
					if expected > len(args.Args) {
						// note that expected and args at this point include the arg for the target itself
						// so we subtract 1 here to show the number of args without the target.
						logger.Printf("not enough arguments for target \"Check\", expected %v, got %v\n", expected-1, len(args.Args)-1)
						_os.Exit(2)
					}
					if args.Verbose {
						logger.Println("Running target:", "Check")
					}
					
				var arg0 *string
				var arg1 *bool
				for x < len(args.Args) && _strings.HasPrefix(args.Args[x], "-") {
					_optArg := args.Args[x]
					_eqIdx := _strings.Index(_optArg, "=")
					var _optName, _optVal string
					if _eqIdx < 0 {
						_optName = _strings.ToLower(_optArg[1:])
						switch _optName {
						case "json":
							_optVal = "true"
						default:
							logger.Printf("invalid option %q for target \"Check\", expected -name=value format\n", _optArg)
							_os.Exit(2)
						}
					} else {
						_optName = _strings.ToLower(_optArg[1:_eqIdx])
						_optVal = _optArg[_eqIdx+1:]
					}
					switch _optName {
					case "services":
						_tmp0 := _optVal
						arg0 = &_tmp0
					case "json":
						_tmp1, err := _strconv.ParseBool(_optVal)
						if err != nil {
							logger.Printf("can't convert option %q value %q to bool\n", _optName, _optVal)
							_os.Exit(2)
						}
						arg1 = &_tmp1
					default:
						logger.Printf("unknown option %q for target \"Check\"\n", _optName)
						_os.Exit(2)
					}
					x++
				}
				wrapFn := func(ctx _context.Context) error {
					return targets_mageimport.Check(ctx, arg0, arg1)
				}
				ret := runTarget(logger, wrapFn)
					handleError(logger, ret)
				case "cleanup":
					expected := x + 0
					if expected > len(args.Args) {
						// note that expected and args at this point include the arg for the target itself
						// so we subtract 1 here to show the number of args without the target.
						logger.Printf("not enough arguments for target \"Cleanup\", expected %v, got %v\n", expected-1, len(args.Args)-1)
						_os.Exit(2)
					}
					if args.Verbose {
						logger.Println("Running target:", "Cleanup")
					}
					
				var arg0 *string
				var arg1 *string
				var arg2 *string
				var arg3 *string
				var arg4 *bool
				var arg5 *bool
				var arg6 *string
				var arg7 *string
				var arg8 *bool
				var arg9 *bool
				for x < len(args.Args) && _strings.HasPrefix(args.Args[x], "-") {
					_optArg := args.Args[x]
					_eqIdx := _strings.Index(_optArg, "=")
					var _optName, _optVal string
					if _eqIdx < 0 {
						_optName = _strings.ToLower(_optArg[1:])
						switch _optName {
						case "takeover":
							_optVal = "true"
						case "deployed":
							_optVal = "true"
						case "json":
							_optVal = "true"
						case "dryrun":
							_optVal = "true"
						default:
							logger.Printf("invalid option %q for target \"Cleanup\", expected -name=value format\n", _optArg)
							_os.Exit(2)
						}
					} else {
						_optName = _strings.ToLower(_optArg[1:_eqIdx])
						_optVal = _optArg[_eqIdx+1:]
					}
					switch _optName {
					case "scope":
						_tmp0 := _optVal
						arg0 = &_tmp0
					case "keep":
						_tmp1 := _optVal
						arg1 = &_tmp1
					case "volumes":
						_tmp2 := _optVal
						arg2 = &_tmp2
					case "images":
						_tmp3 := _optVal
						arg3 = &_tmp3
					case "takeover":
						_tmp4, err := _strconv.ParseBool(_optVal)
						if err != nil {
							logger.Printf("can't convert option %q value %q to bool\n", _optName, _optVal)
							_os.Exit(2)
						}
						arg4 = &_tmp4
					case "deployed":
						_tmp5, err := _strconv.ParseBool(_optVal)
						if err != nil {
							logger.Printf("can't convert option %q value %q to bool\n", _optName, _optVal)
							_os.Exit(2)
						}
						arg5 = &_tmp5
					case "nodes":
						_tmp6 := _optVal
						arg6 = &_tmp6
					case "removestack":
						_tmp7 := _optVal
						arg7 = &_tmp7
					case "json":
						_tmp8, err := _strconv.ParseBool(_optVal)
						if err != nil {
							logger.Printf("can't convert option %q value %q to bool\n", _optName, _optVal)
							_os.Exit(2)
						}
						arg8 = &_tmp8
					case "dryrun":
						_tmp9, err := _strconv.ParseBool(_optVal)
						if err != nil {
							logger.Printf("can't convert option %q value %q to bool\n", _optName, _optVal)
							_os.Exit(2)
						}
						arg9 = &_tmp9
					default:
						logger.Printf("unknown option %q for target \"Cleanup\"\n", _optName)
						_os.Exit(2)
					}
					x++
				}
				wrapFn := func(ctx _context.Context) error {
					return targets_mageimport.Cleanup(ctx, arg0, arg1, arg2, arg3, arg4, arg5, arg6, arg7, arg8, arg9)
				}
				ret := runTarget(logger, wrapFn)
					handleError(logger, ret)
				case "deploy":
					expected := x + 0
					if expected > len(args.Args) {
						// note that expected and args at this point include the arg for the target itself
						// so we subtract 1 here to show the number of args without the target.
						logger.Printf("not enough arguments for target \"Deploy\", expected %v, got %v\n", expected-1, len(args.Args)-1)
						_os.Exit(2)
					}
					if args.Verbose {
						logger.Println("Running target:", "Deploy")
					}
					
				var arg0 *_time.Duration
				var arg1 *bool
				var arg2 *string
				var arg3 *string
				var arg4 *bool
				var arg5 *bool
				for x < len(args.Args) && _strings.HasPrefix(args.Args[x], "-") {
					_optArg := args.Args[x]
					_eqIdx := _strings.Index(_optArg, "=")
					var _optName, _optVal string
					if _eqIdx < 0 {
						_optName = _strings.ToLower(_optArg[1:])
						switch _optName {
						case "removeorphans":
							_optVal = "true"
						case "json":
							_optVal = "true"
						case "dryrun":
							_optVal = "true"
						default:
							logger.Printf("invalid option %q for target \"Deploy\", expected -name=value format\n", _optArg)
							_os.Exit(2)
						}
					} else {
						_optName = _strings.ToLower(_optArg[1:_eqIdx])
						_optVal = _optArg[_eqIdx+1:]
					}
					switch _optName {
					case "timeout":
						_tmp0, err := _time.ParseDuration(_optVal)
						if err != nil {
							logger.Printf("can't convert option %q value %q to time.Duration\n", _optName, _optVal)
							_os.Exit(2)
						}
						arg0 = &_tmp0
					case "removeorphans":
						_tmp1, err := _strconv.ParseBool(_optVal)
						if err != nil {
							logger.Printf("can't convert option %q value %q to bool\n", _optName, _optVal)
							_os.Exit(2)
						}
						arg1 = &_tmp1
					case "registry":
						_tmp2 := _optVal
						arg2 = &_tmp2
					case "nodes":
						_tmp3 := _optVal
						arg3 = &_tmp3
					case "json":
						_tmp4, err := _strconv.ParseBool(_optVal)
						if err != nil {
							logger.Printf("can't convert option %q value %q to bool\n", _optName, _optVal)
							_os.Exit(2)
						}
						arg4 = &_tmp4
					case "dryrun":
						_tmp5, err := _strconv.ParseBool(_optVal)
						if err != nil {
							logger.Printf("can't convert option %q value %q to bool\n", _optName, _optVal)
							_os.Exit(2)
						}
						arg5 = &_tmp5
					default:
						logger.Printf("unknown option %q for target \"Deploy\"\n", _optName)
						_os.Exit(2)
					}
					x++
				}
				wrapFn := func(ctx _context.Context) error {
					return targets_mageimport.Deploy(ctx, arg0, arg1, arg2, arg3, arg4, arg5)
				}
				ret := runTarget(logger, wrapFn)
					handleError(logger, ret)
				case "explain":
					expected := x + 0
					if expected > len(args.Args) {
						// note that expected and args at this point include the arg for the target itself
						// so we subtract 1 here to show the number of args without the target.
						logger.Printf("not enough arguments for target \"Explain\", expected %v, got %v\n", expected-1, len(args.Args)-1)
						_os.Exit(2)
					}
					if args.Verbose {
						logger.Println("Running target:", "Explain")
					}
					
				var arg0 *string
				for x < len(args.Args) && _strings.HasPrefix(args.Args[x], "-") {
					_optArg := args.Args[x]
					_eqIdx := _strings.Index(_optArg, "=")
					var _optName, _optVal string
					if _eqIdx < 0 {
						_optName = _strings.ToLower(_optArg[1:])
						switch _optName {
						default:
							logger.Printf("invalid option %q for target \"Explain\", expected -name=value format\n", _optArg)
							_os.Exit(2)
						}
					} else {
						_optName = _strings.ToLower(_optArg[1:_eqIdx])
						_optVal = _optArg[_eqIdx+1:]
					}
					switch _optName {
					case "services":
						_tmp0 := _optVal
						arg0 = &_tmp0
					default:
						logger.Printf("unknown option %q for target \"Explain\"\n", _optName)
						_os.Exit(2)
					}
					x++
				}
				wrapFn := func(ctx _context.Context) error {
					return targets_mageimport.Explain(ctx, arg0)
				}
				ret := runTarget(logger, wrapFn)
					handleError(logger, ret)
				case "fit":
					expected := x + 0
					if expected > len(args.Args) {
						// note that expected and args at this point include the arg for the target itself
						// so we subtract 1 here to show the number of args without the target.
						logger.Printf("not enough arguments for target \"Fit\", expected %v, got %v\n", expected-1, len(args.Args)-1)
						_os.Exit(2)
					}
					if args.Verbose {
						logger.Println("Running target:", "Fit")
					}
					
				var arg0 *string
				var arg1 *bool
				var arg2 *_time.Duration
				var arg3 *string
				var arg4 *bool
				for x < len(args.Args) && _strings.HasPrefix(args.Args[x], "-") {
					_optArg := args.Args[x]
					_eqIdx := _strings.Index(_optArg, "=")
					var _optName, _optVal string
					if _eqIdx < 0 {
						_optName = _strings.ToLower(_optArg[1:])
						switch _optName {
						case "measured":
							_optVal = "true"
						case "json":
							_optVal = "true"
						default:
							logger.Printf("invalid option %q for target \"Fit\", expected -name=value format\n", _optArg)
							_os.Exit(2)
						}
					} else {
						_optName = _strings.ToLower(_optArg[1:_eqIdx])
						_optVal = _optArg[_eqIdx+1:]
					}
					switch _optName {
					case "services":
						_tmp0 := _optVal
						arg0 = &_tmp0
					case "measured":
						_tmp1, err := _strconv.ParseBool(_optVal)
						if err != nil {
							logger.Printf("can't convert option %q value %q to bool\n", _optName, _optVal)
							_os.Exit(2)
						}
						arg1 = &_tmp1
					case "least":
						_tmp2, err := _time.ParseDuration(_optVal)
						if err != nil {
							logger.Printf("can't convert option %q value %q to time.Duration\n", _optName, _optVal)
							_os.Exit(2)
						}
						arg2 = &_tmp2
					case "write":
						_tmp3 := _optVal
						arg3 = &_tmp3
					case "json":
						_tmp4, err := _strconv.ParseBool(_optVal)
						if err != nil {
							logger.Printf("can't convert option %q value %q to bool\n", _optName, _optVal)
							_os.Exit(2)
						}
						arg4 = &_tmp4
					default:
						logger.Printf("unknown option %q for target \"Fit\"\n", _optName)
						_os.Exit(2)
					}
					x++
				}
				wrapFn := func(ctx _context.Context) error {
					return targets_mageimport.Fit(ctx, arg0, arg1, arg2, arg3, arg4)
				}
				ret := runTarget(logger, wrapFn)
					handleError(logger, ret)
				case "full":
					expected := x + 0
					if expected > len(args.Args) {
						// note that expected and args at this point include the arg for the target itself
						// so we subtract 1 here to show the number of args without the target.
						logger.Printf("not enough arguments for target \"Full\", expected %v, got %v\n", expected-1, len(args.Args)-1)
						_os.Exit(2)
					}
					if args.Verbose {
						logger.Println("Running target:", "Full")
					}
					
				var arg0 *string
				for x < len(args.Args) && _strings.HasPrefix(args.Args[x], "-") {
					_optArg := args.Args[x]
					_eqIdx := _strings.Index(_optArg, "=")
					var _optName, _optVal string
					if _eqIdx < 0 {
						_optName = _strings.ToLower(_optArg[1:])
						switch _optName {
						default:
							logger.Printf("invalid option %q for target \"Full\", expected -name=value format\n", _optArg)
							_os.Exit(2)
						}
					} else {
						_optName = _strings.ToLower(_optArg[1:_eqIdx])
						_optVal = _optArg[_eqIdx+1:]
					}
					switch _optName {
					case "services":
						_tmp0 := _optVal
						arg0 = &_tmp0
					default:
						logger.Printf("unknown option %q for target \"Full\"\n", _optName)
						_os.Exit(2)
					}
					x++
				}
				wrapFn := func(ctx _context.Context) error {
					return targets_mageimport.Full(ctx, arg0)
				}
				ret := runTarget(logger, wrapFn)
					handleError(logger, ret)
				case "lock":
					expected := x + 0
					if expected > len(args.Args) {
						// note that expected and args at this point include the arg for the target itself
						// so we subtract 1 here to show the number of args without the target.
						logger.Printf("not enough arguments for target \"Lock\", expected %v, got %v\n", expected-1, len(args.Args)-1)
						_os.Exit(2)
					}
					if args.Verbose {
						logger.Println("Running target:", "Lock")
					}
					
				var arg0 *bool
				for x < len(args.Args) && _strings.HasPrefix(args.Args[x], "-") {
					_optArg := args.Args[x]
					_eqIdx := _strings.Index(_optArg, "=")
					var _optName, _optVal string
					if _eqIdx < 0 {
						_optName = _strings.ToLower(_optArg[1:])
						switch _optName {
						case "check":
							_optVal = "true"
						default:
							logger.Printf("invalid option %q for target \"Lock\", expected -name=value format\n", _optArg)
							_os.Exit(2)
						}
					} else {
						_optName = _strings.ToLower(_optArg[1:_eqIdx])
						_optVal = _optArg[_eqIdx+1:]
					}
					switch _optName {
					case "check":
						_tmp0, err := _strconv.ParseBool(_optVal)
						if err != nil {
							logger.Printf("can't convert option %q value %q to bool\n", _optName, _optVal)
							_os.Exit(2)
						}
						arg0 = &_tmp0
					default:
						logger.Printf("unknown option %q for target \"Lock\"\n", _optName)
						_os.Exit(2)
					}
					x++
				}
				wrapFn := func(ctx _context.Context) error {
					return targets_mageimport.Lock(ctx, arg0)
				}
				ret := runTarget(logger, wrapFn)
					handleError(logger, ret)
				case "logs":
					expected := x + 0
					if expected > len(args.Args) {
						// note that expected and args at this point include the arg for the target itself
						// so we subtract 1 here to show the number of args without the target.
						logger.Printf("not enough arguments for target \"Logs\", expected %v, got %v\n", expected-1, len(args.Args)-1)
						_os.Exit(2)
					}
					if args.Verbose {
						logger.Println("Running target:", "Logs")
					}
					
				var arg0 *string
				var arg1 *bool
				var arg2 *string
				var arg3 *string
				var arg4 *bool
				for x < len(args.Args) && _strings.HasPrefix(args.Args[x], "-") {
					_optArg := args.Args[x]
					_eqIdx := _strings.Index(_optArg, "=")
					var _optName, _optVal string
					if _eqIdx < 0 {
						_optName = _strings.ToLower(_optArg[1:])
						switch _optName {
						case "follow":
							_optVal = "true"
						case "deployed":
							_optVal = "true"
						default:
							logger.Printf("invalid option %q for target \"Logs\", expected -name=value format\n", _optArg)
							_os.Exit(2)
						}
					} else {
						_optName = _strings.ToLower(_optArg[1:_eqIdx])
						_optVal = _optArg[_eqIdx+1:]
					}
					switch _optName {
					case "services":
						_tmp0 := _optVal
						arg0 = &_tmp0
					case "follow":
						_tmp1, err := _strconv.ParseBool(_optVal)
						if err != nil {
							logger.Printf("can't convert option %q value %q to bool\n", _optName, _optVal)
							_os.Exit(2)
						}
						arg1 = &_tmp1
					case "tail":
						_tmp2 := _optVal
						arg2 = &_tmp2
					case "since":
						_tmp3 := _optVal
						arg3 = &_tmp3
					case "deployed":
						_tmp4, err := _strconv.ParseBool(_optVal)
						if err != nil {
							logger.Printf("can't convert option %q value %q to bool\n", _optName, _optVal)
							_os.Exit(2)
						}
						arg4 = &_tmp4
					default:
						logger.Printf("unknown option %q for target \"Logs\"\n", _optName)
						_os.Exit(2)
					}
					x++
				}
				wrapFn := func(ctx _context.Context) error {
					return targets_mageimport.Logs(ctx, arg0, arg1, arg2, arg3, arg4)
				}
				ret := runTarget(logger, wrapFn)
					handleError(logger, ret)
				case "menu":
					expected := x + 0
					if expected > len(args.Args) {
						// note that expected and args at this point include the arg for the target itself
						// so we subtract 1 here to show the number of args without the target.
						logger.Printf("not enough arguments for target \"Menu\", expected %v, got %v\n", expected-1, len(args.Args)-1)
						_os.Exit(2)
					}
					if args.Verbose {
						logger.Println("Running target:", "Menu")
					}
					
				wrapFn := func(ctx _context.Context) error {
					return targets_mageimport.Menu(ctx)
				}
				ret := runTarget(logger, wrapFn)
					handleError(logger, ret)
				case "monitor":
					expected := x + 0
					if expected > len(args.Args) {
						// note that expected and args at this point include the arg for the target itself
						// so we subtract 1 here to show the number of args without the target.
						logger.Printf("not enough arguments for target \"Monitor\", expected %v, got %v\n", expected-1, len(args.Args)-1)
						_os.Exit(2)
					}
					if args.Verbose {
						logger.Println("Running target:", "Monitor")
					}
					
				var arg0 *string
				var arg1 *bool
				var arg2 *_time.Duration
				var arg3 *bool
				var arg4 *bool
				var arg5 *bool
				var arg6 *bool
				var arg7 *string
				var arg8 *bool
				var arg9 *bool
				var arg10 *_time.Duration
				var arg11 *bool
				var arg12 *string
				for x < len(args.Args) && _strings.HasPrefix(args.Args[x], "-") {
					_optArg := args.Args[x]
					_eqIdx := _strings.Index(_optArg, "=")
					var _optName, _optVal string
					if _eqIdx < 0 {
						_optName = _strings.ToLower(_optArg[1:])
						switch _optName {
						case "watch":
							_optVal = "true"
						case "disk":
							_optVal = "true"
						case "all":
							_optVal = "true"
						case "json":
							_optVal = "true"
						case "serve":
							_optVal = "true"
						case "logs":
							_optVal = "true"
						case "testalerts":
							_optVal = "true"
						case "deployed":
							_optVal = "true"
						default:
							logger.Printf("invalid option %q for target \"Monitor\", expected -name=value format\n", _optArg)
							_os.Exit(2)
						}
					} else {
						_optName = _strings.ToLower(_optArg[1:_eqIdx])
						_optVal = _optArg[_eqIdx+1:]
					}
					switch _optName {
					case "services":
						_tmp0 := _optVal
						arg0 = &_tmp0
					case "watch":
						_tmp1, err := _strconv.ParseBool(_optVal)
						if err != nil {
							logger.Printf("can't convert option %q value %q to bool\n", _optName, _optVal)
							_os.Exit(2)
						}
						arg1 = &_tmp1
					case "every":
						_tmp2, err := _time.ParseDuration(_optVal)
						if err != nil {
							logger.Printf("can't convert option %q value %q to time.Duration\n", _optName, _optVal)
							_os.Exit(2)
						}
						arg2 = &_tmp2
					case "disk":
						_tmp3, err := _strconv.ParseBool(_optVal)
						if err != nil {
							logger.Printf("can't convert option %q value %q to bool\n", _optName, _optVal)
							_os.Exit(2)
						}
						arg3 = &_tmp3
					case "all":
						_tmp4, err := _strconv.ParseBool(_optVal)
						if err != nil {
							logger.Printf("can't convert option %q value %q to bool\n", _optName, _optVal)
							_os.Exit(2)
						}
						arg4 = &_tmp4
					case "json":
						_tmp5, err := _strconv.ParseBool(_optVal)
						if err != nil {
							logger.Printf("can't convert option %q value %q to bool\n", _optName, _optVal)
							_os.Exit(2)
						}
						arg5 = &_tmp5
					case "serve":
						_tmp6, err := _strconv.ParseBool(_optVal)
						if err != nil {
							logger.Printf("can't convert option %q value %q to bool\n", _optName, _optVal)
							_os.Exit(2)
						}
						arg6 = &_tmp6
					case "listen":
						_tmp7 := _optVal
						arg7 = &_tmp7
					case "logs":
						_tmp8, err := _strconv.ParseBool(_optVal)
						if err != nil {
							logger.Printf("can't convert option %q value %q to bool\n", _optName, _optVal)
							_os.Exit(2)
						}
						arg8 = &_tmp8
					case "testalerts":
						_tmp9, err := _strconv.ParseBool(_optVal)
						if err != nil {
							logger.Printf("can't convert option %q value %q to bool\n", _optName, _optVal)
							_os.Exit(2)
						}
						arg9 = &_tmp9
					case "since":
						_tmp10, err := _time.ParseDuration(_optVal)
						if err != nil {
							logger.Printf("can't convert option %q value %q to time.Duration\n", _optName, _optVal)
							_os.Exit(2)
						}
						arg10 = &_tmp10
					case "deployed":
						_tmp11, err := _strconv.ParseBool(_optVal)
						if err != nil {
							logger.Printf("can't convert option %q value %q to bool\n", _optName, _optVal)
							_os.Exit(2)
						}
						arg11 = &_tmp11
					case "nodes":
						_tmp12 := _optVal
						arg12 = &_tmp12
					default:
						logger.Printf("unknown option %q for target \"Monitor\"\n", _optName)
						_os.Exit(2)
					}
					x++
				}
				wrapFn := func(ctx _context.Context) error {
					return targets_mageimport.Monitor(ctx, arg0, arg1, arg2, arg3, arg4, arg5, arg6, arg7, arg8, arg9, arg10, arg11, arg12)
				}
				ret := runTarget(logger, wrapFn)
					handleError(logger, ret)
				case "nodes":
					expected := x + 0
					if expected > len(args.Args) {
						// note that expected and args at this point include the arg for the target itself
						// so we subtract 1 here to show the number of args without the target.
						logger.Printf("not enough arguments for target \"Nodes\", expected %v, got %v\n", expected-1, len(args.Args)-1)
						_os.Exit(2)
					}
					if args.Verbose {
						logger.Println("Running target:", "Nodes")
					}
					
				var arg0 *bool
				for x < len(args.Args) && _strings.HasPrefix(args.Args[x], "-") {
					_optArg := args.Args[x]
					_eqIdx := _strings.Index(_optArg, "=")
					var _optName, _optVal string
					if _eqIdx < 0 {
						_optName = _strings.ToLower(_optArg[1:])
						switch _optName {
						case "json":
							_optVal = "true"
						default:
							logger.Printf("invalid option %q for target \"Nodes\", expected -name=value format\n", _optArg)
							_os.Exit(2)
						}
					} else {
						_optName = _strings.ToLower(_optArg[1:_eqIdx])
						_optVal = _optArg[_eqIdx+1:]
					}
					switch _optName {
					case "json":
						_tmp0, err := _strconv.ParseBool(_optVal)
						if err != nil {
							logger.Printf("can't convert option %q value %q to bool\n", _optName, _optVal)
							_os.Exit(2)
						}
						arg0 = &_tmp0
					default:
						logger.Printf("unknown option %q for target \"Nodes\"\n", _optName)
						_os.Exit(2)
					}
					x++
				}
				wrapFn := func(ctx _context.Context) error {
					return targets_mageimport.Nodes(ctx, arg0)
				}
				ret := runTarget(logger, wrapFn)
					handleError(logger, ret)
				case "restart":
					expected := x + 0
					if expected > len(args.Args) {
						// note that expected and args at this point include the arg for the target itself
						// so we subtract 1 here to show the number of args without the target.
						logger.Printf("not enough arguments for target \"Restart\", expected %v, got %v\n", expected-1, len(args.Args)-1)
						_os.Exit(2)
					}
					if args.Verbose {
						logger.Println("Running target:", "Restart")
					}
					
				var arg0 *string
				var arg1 *bool
				var arg2 *bool
				var arg3 *_time.Duration
				var arg4 *bool
				var arg5 *bool
				var arg6 *bool
				var arg7 *bool
				for x < len(args.Args) && _strings.HasPrefix(args.Args[x], "-") {
					_optArg := args.Args[x]
					_eqIdx := _strings.Index(_optArg, "=")
					var _optName, _optVal string
					if _eqIdx < 0 {
						_optName = _strings.ToLower(_optArg[1:])
						switch _optName {
						case "all":
							_optVal = "true"
						case "rolling":
							_optVal = "true"
						case "takeover":
							_optVal = "true"
						case "deployed":
							_optVal = "true"
						case "json":
							_optVal = "true"
						case "dryrun":
							_optVal = "true"
						default:
							logger.Printf("invalid option %q for target \"Restart\", expected -name=value format\n", _optArg)
							_os.Exit(2)
						}
					} else {
						_optName = _strings.ToLower(_optArg[1:_eqIdx])
						_optVal = _optArg[_eqIdx+1:]
					}
					switch _optName {
					case "services":
						_tmp0 := _optVal
						arg0 = &_tmp0
					case "all":
						_tmp1, err := _strconv.ParseBool(_optVal)
						if err != nil {
							logger.Printf("can't convert option %q value %q to bool\n", _optName, _optVal)
							_os.Exit(2)
						}
						arg1 = &_tmp1
					case "rolling":
						_tmp2, err := _strconv.ParseBool(_optVal)
						if err != nil {
							logger.Printf("can't convert option %q value %q to bool\n", _optName, _optVal)
							_os.Exit(2)
						}
						arg2 = &_tmp2
					case "timeout":
						_tmp3, err := _time.ParseDuration(_optVal)
						if err != nil {
							logger.Printf("can't convert option %q value %q to time.Duration\n", _optName, _optVal)
							_os.Exit(2)
						}
						arg3 = &_tmp3
					case "takeover":
						_tmp4, err := _strconv.ParseBool(_optVal)
						if err != nil {
							logger.Printf("can't convert option %q value %q to bool\n", _optName, _optVal)
							_os.Exit(2)
						}
						arg4 = &_tmp4
					case "deployed":
						_tmp5, err := _strconv.ParseBool(_optVal)
						if err != nil {
							logger.Printf("can't convert option %q value %q to bool\n", _optName, _optVal)
							_os.Exit(2)
						}
						arg5 = &_tmp5
					case "json":
						_tmp6, err := _strconv.ParseBool(_optVal)
						if err != nil {
							logger.Printf("can't convert option %q value %q to bool\n", _optName, _optVal)
							_os.Exit(2)
						}
						arg6 = &_tmp6
					case "dryrun":
						_tmp7, err := _strconv.ParseBool(_optVal)
						if err != nil {
							logger.Printf("can't convert option %q value %q to bool\n", _optName, _optVal)
							_os.Exit(2)
						}
						arg7 = &_tmp7
					default:
						logger.Printf("unknown option %q for target \"Restart\"\n", _optName)
						_os.Exit(2)
					}
					x++
				}
				wrapFn := func(ctx _context.Context) error {
					return targets_mageimport.Restart(ctx, arg0, arg1, arg2, arg3, arg4, arg5, arg6, arg7)
				}
				ret := runTarget(logger, wrapFn)
					handleError(logger, ret)
				case "restore":
					expected := x + 0
					if expected > len(args.Args) {
						// note that expected and args at this point include the arg for the target itself
						// so we subtract 1 here to show the number of args without the target.
						logger.Printf("not enough arguments for target \"Restore\", expected %v, got %v\n", expected-1, len(args.Args)-1)
						_os.Exit(2)
					}
					if args.Verbose {
						logger.Println("Running target:", "Restore")
					}
					
				var arg0 *string
				var arg1 *string
				var arg2 *bool
				var arg3 *string
				var arg4 *string
				var arg5 *string
				for x < len(args.Args) && _strings.HasPrefix(args.Args[x], "-") {
					_optArg := args.Args[x]
					_eqIdx := _strings.Index(_optArg, "=")
					var _optName, _optVal string
					if _eqIdx < 0 {
						_optName = _strings.ToLower(_optArg[1:])
						switch _optName {
						case "swap":
							_optVal = "true"
						default:
							logger.Printf("invalid option %q for target \"Restore\", expected -name=value format\n", _optArg)
							_os.Exit(2)
						}
					} else {
						_optName = _strings.ToLower(_optArg[1:_eqIdx])
						_optVal = _optArg[_eqIdx+1:]
					}
					switch _optName {
					case "volumes":
						_tmp0 := _optVal
						arg0 = &_tmp0
					case "at":
						_tmp1 := _optVal
						arg1 = &_tmp1
					case "swap":
						_tmp2, err := _strconv.ParseBool(_optVal)
						if err != nil {
							logger.Printf("can't convert option %q value %q to bool\n", _optName, _optVal)
							_os.Exit(2)
						}
						arg2 = &_tmp2
					case "file":
						_tmp3 := _optVal
						arg3 = &_tmp3
					case "from":
						_tmp4 := _optVal
						arg4 = &_tmp4
					case "project":
						_tmp5 := _optVal
						arg5 = &_tmp5
					default:
						logger.Printf("unknown option %q for target \"Restore\"\n", _optName)
						_os.Exit(2)
					}
					x++
				}
				wrapFn := func(ctx _context.Context) error {
					return targets_mageimport.Restore(ctx, arg0, arg1, arg2, arg3, arg4, arg5)
				}
				ret := runTarget(logger, wrapFn)
					handleError(logger, ret)
				case "schedule":
					expected := x + 0
					if expected > len(args.Args) {
						// note that expected and args at this point include the arg for the target itself
						// so we subtract 1 here to show the number of args without the target.
						logger.Printf("not enough arguments for target \"Schedule\", expected %v, got %v\n", expected-1, len(args.Args)-1)
						_os.Exit(2)
					}
					if args.Verbose {
						logger.Println("Running target:", "Schedule")
					}
					
				var arg0 *string
				var arg1 *string
				var arg2 *bool
				var arg3 *string
				var arg4 *bool
				var arg5 *bool
				for x < len(args.Args) && _strings.HasPrefix(args.Args[x], "-") {
					_optArg := args.Args[x]
					_eqIdx := _strings.Index(_optArg, "=")
					var _optName, _optVal string
					if _eqIdx < 0 {
						_optName = _strings.ToLower(_optArg[1:])
						switch _optName {
						case "remove":
							_optVal = "true"
						case "json":
							_optVal = "true"
						case "dryrun":
							_optVal = "true"
						default:
							logger.Printf("invalid option %q for target \"Schedule\", expected -name=value format\n", _optArg)
							_os.Exit(2)
						}
					} else {
						_optName = _strings.ToLower(_optArg[1:_eqIdx])
						_optVal = _optArg[_eqIdx+1:]
					}
					switch _optName {
					case "jobs":
						_tmp0 := _optVal
						arg0 = &_tmp0
					case "at":
						_tmp1 := _optVal
						arg1 = &_tmp1
					case "remove":
						_tmp2, err := _strconv.ParseBool(_optVal)
						if err != nil {
							logger.Printf("can't convert option %q value %q to bool\n", _optName, _optVal)
							_os.Exit(2)
						}
						arg2 = &_tmp2
					case "run":
						_tmp3 := _optVal
						arg3 = &_tmp3
					case "json":
						_tmp4, err := _strconv.ParseBool(_optVal)
						if err != nil {
							logger.Printf("can't convert option %q value %q to bool\n", _optName, _optVal)
							_os.Exit(2)
						}
						arg4 = &_tmp4
					case "dryrun":
						_tmp5, err := _strconv.ParseBool(_optVal)
						if err != nil {
							logger.Printf("can't convert option %q value %q to bool\n", _optName, _optVal)
							_os.Exit(2)
						}
						arg5 = &_tmp5
					default:
						logger.Printf("unknown option %q for target \"Schedule\"\n", _optName)
						_os.Exit(2)
					}
					x++
				}
				wrapFn := func(ctx _context.Context) error {
					return targets_mageimport.Schedule(ctx, arg0, arg1, arg2, arg3, arg4, arg5)
				}
				ret := runTarget(logger, wrapFn)
					handleError(logger, ret)
				case "setup":
					expected := x + 0
					if expected > len(args.Args) {
						// note that expected and args at this point include the arg for the target itself
						// so we subtract 1 here to show the number of args without the target.
						logger.Printf("not enough arguments for target \"Setup\", expected %v, got %v\n", expected-1, len(args.Args)-1)
						_os.Exit(2)
					}
					if args.Verbose {
						logger.Println("Running target:", "Setup")
					}
					
				var arg0 *bool
				var arg1 *bool
				for x < len(args.Args) && _strings.HasPrefix(args.Args[x], "-") {
					_optArg := args.Args[x]
					_eqIdx := _strings.Index(_optArg, "=")
					var _optName, _optVal string
					if _eqIdx < 0 {
						_optName = _strings.ToLower(_optArg[1:])
						switch _optName {
						case "backup":
							_optVal = "true"
						case "dryrun":
							_optVal = "true"
						default:
							logger.Printf("invalid option %q for target \"Setup\", expected -name=value format\n", _optArg)
							_os.Exit(2)
						}
					} else {
						_optName = _strings.ToLower(_optArg[1:_eqIdx])
						_optVal = _optArg[_eqIdx+1:]
					}
					switch _optName {
					case "backup":
						_tmp0, err := _strconv.ParseBool(_optVal)
						if err != nil {
							logger.Printf("can't convert option %q value %q to bool\n", _optName, _optVal)
							_os.Exit(2)
						}
						arg0 = &_tmp0
					case "dryrun":
						_tmp1, err := _strconv.ParseBool(_optVal)
						if err != nil {
							logger.Printf("can't convert option %q value %q to bool\n", _optName, _optVal)
							_os.Exit(2)
						}
						arg1 = &_tmp1
					default:
						logger.Printf("unknown option %q for target \"Setup\"\n", _optName)
						_os.Exit(2)
					}
					x++
				}
				wrapFn := func(ctx _context.Context) error {
					return targets_mageimport.Setup(ctx, arg0, arg1)
				}
				ret := runTarget(logger, wrapFn)
					handleError(logger, ret)
				case "smoke":
					expected := x + 0
					if expected > len(args.Args) {
						// note that expected and args at this point include the arg for the target itself
						// so we subtract 1 here to show the number of args without the target.
						logger.Printf("not enough arguments for target \"Smoke\", expected %v, got %v\n", expected-1, len(args.Args)-1)
						_os.Exit(2)
					}
					if args.Verbose {
						logger.Println("Running target:", "Smoke")
					}
					
				wrapFn := func(ctx _context.Context) error {
					return targets_mageimport.Smoke(ctx)
				}
				ret := runTarget(logger, wrapFn)
					handleError(logger, ret)
				case "start":
					expected := x + 0
					if expected > len(args.Args) {
						// note that expected and args at this point include the arg for the target itself
						// so we subtract 1 here to show the number of args without the target.
						logger.Printf("not enough arguments for target \"Start\", expected %v, got %v\n", expected-1, len(args.Args)-1)
						_os.Exit(2)
					}
					if args.Verbose {
						logger.Println("Running target:", "Start")
					}
					
				var arg0 *string
				var arg1 *_time.Duration
				var arg2 *bool
				var arg3 *bool
				var arg4 *bool
				var arg5 *bool
				for x < len(args.Args) && _strings.HasPrefix(args.Args[x], "-") {
					_optArg := args.Args[x]
					_eqIdx := _strings.Index(_optArg, "=")
					var _optName, _optVal string
					if _eqIdx < 0 {
						_optName = _strings.ToLower(_optArg[1:])
						switch _optName {
						case "removeorphans":
							_optVal = "true"
						case "takeover":
							_optVal = "true"
						case "json":
							_optVal = "true"
						case "dryrun":
							_optVal = "true"
						default:
							logger.Printf("invalid option %q for target \"Start\", expected -name=value format\n", _optArg)
							_os.Exit(2)
						}
					} else {
						_optName = _strings.ToLower(_optArg[1:_eqIdx])
						_optVal = _optArg[_eqIdx+1:]
					}
					switch _optName {
					case "services":
						_tmp0 := _optVal
						arg0 = &_tmp0
					case "timeout":
						_tmp1, err := _time.ParseDuration(_optVal)
						if err != nil {
							logger.Printf("can't convert option %q value %q to time.Duration\n", _optName, _optVal)
							_os.Exit(2)
						}
						arg1 = &_tmp1
					case "removeorphans":
						_tmp2, err := _strconv.ParseBool(_optVal)
						if err != nil {
							logger.Printf("can't convert option %q value %q to bool\n", _optName, _optVal)
							_os.Exit(2)
						}
						arg2 = &_tmp2
					case "takeover":
						_tmp3, err := _strconv.ParseBool(_optVal)
						if err != nil {
							logger.Printf("can't convert option %q value %q to bool\n", _optName, _optVal)
							_os.Exit(2)
						}
						arg3 = &_tmp3
					case "json":
						_tmp4, err := _strconv.ParseBool(_optVal)
						if err != nil {
							logger.Printf("can't convert option %q value %q to bool\n", _optName, _optVal)
							_os.Exit(2)
						}
						arg4 = &_tmp4
					case "dryrun":
						_tmp5, err := _strconv.ParseBool(_optVal)
						if err != nil {
							logger.Printf("can't convert option %q value %q to bool\n", _optName, _optVal)
							_os.Exit(2)
						}
						arg5 = &_tmp5
					default:
						logger.Printf("unknown option %q for target \"Start\"\n", _optName)
						_os.Exit(2)
					}
					x++
				}
				wrapFn := func(ctx _context.Context) error {
					return targets_mageimport.Start(ctx, arg0, arg1, arg2, arg3, arg4, arg5)
				}
				ret := runTarget(logger, wrapFn)
					handleError(logger, ret)
				case "status":
					expected := x + 0
					if expected > len(args.Args) {
						// note that expected and args at this point include the arg for the target itself
						// so we subtract 1 here to show the number of args without the target.
						logger.Printf("not enough arguments for target \"Status\", expected %v, got %v\n", expected-1, len(args.Args)-1)
						_os.Exit(2)
					}
					if args.Verbose {
						logger.Println("Running target:", "Status")
					}
					
				var arg0 *string
				var arg1 *bool
				var arg2 *bool
				var arg3 *bool
				for x < len(args.Args) && _strings.HasPrefix(args.Args[x], "-") {
					_optArg := args.Args[x]
					_eqIdx := _strings.Index(_optArg, "=")
					var _optName, _optVal string
					if _eqIdx < 0 {
						_optName = _strings.ToLower(_optArg[1:])
						switch _optName {
						case "all":
							_optVal = "true"
						case "deployed":
							_optVal = "true"
						case "json":
							_optVal = "true"
						default:
							logger.Printf("invalid option %q for target \"Status\", expected -name=value format\n", _optArg)
							_os.Exit(2)
						}
					} else {
						_optName = _strings.ToLower(_optArg[1:_eqIdx])
						_optVal = _optArg[_eqIdx+1:]
					}
					switch _optName {
					case "services":
						_tmp0 := _optVal
						arg0 = &_tmp0
					case "all":
						_tmp1, err := _strconv.ParseBool(_optVal)
						if err != nil {
							logger.Printf("can't convert option %q value %q to bool\n", _optName, _optVal)
							_os.Exit(2)
						}
						arg1 = &_tmp1
					case "deployed":
						_tmp2, err := _strconv.ParseBool(_optVal)
						if err != nil {
							logger.Printf("can't convert option %q value %q to bool\n", _optName, _optVal)
							_os.Exit(2)
						}
						arg2 = &_tmp2
					case "json":
						_tmp3, err := _strconv.ParseBool(_optVal)
						if err != nil {
							logger.Printf("can't convert option %q value %q to bool\n", _optName, _optVal)
							_os.Exit(2)
						}
						arg3 = &_tmp3
					default:
						logger.Printf("unknown option %q for target \"Status\"\n", _optName)
						_os.Exit(2)
					}
					x++
				}
				wrapFn := func(ctx _context.Context) error {
					return targets_mageimport.Status(ctx, arg0, arg1, arg2, arg3)
				}
				ret := runTarget(logger, wrapFn)
					handleError(logger, ret)
				case "stop":
					expected := x + 0
					if expected > len(args.Args) {
						// note that expected and args at this point include the arg for the target itself
						// so we subtract 1 here to show the number of args without the target.
						logger.Printf("not enough arguments for target \"Stop\", expected %v, got %v\n", expected-1, len(args.Args)-1)
						_os.Exit(2)
					}
					if args.Verbose {
						logger.Println("Running target:", "Stop")
					}
					
				var arg0 *string
				var arg1 *bool
				var arg2 *bool
				for x < len(args.Args) && _strings.HasPrefix(args.Args[x], "-") {
					_optArg := args.Args[x]
					_eqIdx := _strings.Index(_optArg, "=")
					var _optName, _optVal string
					if _eqIdx < 0 {
						_optName = _strings.ToLower(_optArg[1:])
						switch _optName {
						case "takeover":
							_optVal = "true"
						case "deployed":
							_optVal = "true"
						default:
							logger.Printf("invalid option %q for target \"Stop\", expected -name=value format\n", _optArg)
							_os.Exit(2)
						}
					} else {
						_optName = _strings.ToLower(_optArg[1:_eqIdx])
						_optVal = _optArg[_eqIdx+1:]
					}
					switch _optName {
					case "services":
						_tmp0 := _optVal
						arg0 = &_tmp0
					case "takeover":
						_tmp1, err := _strconv.ParseBool(_optVal)
						if err != nil {
							logger.Printf("can't convert option %q value %q to bool\n", _optName, _optVal)
							_os.Exit(2)
						}
						arg1 = &_tmp1
					case "deployed":
						_tmp2, err := _strconv.ParseBool(_optVal)
						if err != nil {
							logger.Printf("can't convert option %q value %q to bool\n", _optName, _optVal)
							_os.Exit(2)
						}
						arg2 = &_tmp2
					default:
						logger.Printf("unknown option %q for target \"Stop\"\n", _optName)
						_os.Exit(2)
					}
					x++
				}
				wrapFn := func(ctx _context.Context) error {
					return targets_mageimport.Stop(ctx, arg0, arg1, arg2)
				}
				ret := runTarget(logger, wrapFn)
					handleError(logger, ret)
				case "teardown":
					expected := x + 0
					if expected > len(args.Args) {
						// note that expected and args at this point include the arg for the target itself
						// so we subtract 1 here to show the number of args without the target.
						logger.Printf("not enough arguments for target \"Teardown\", expected %v, got %v\n", expected-1, len(args.Args)-1)
						_os.Exit(2)
					}
					if args.Verbose {
						logger.Println("Running target:", "Teardown")
					}
					
				wrapFn := func(ctx _context.Context) error {
					return targets_mageimport.Teardown(ctx)
				}
				ret := runTarget(logger, wrapFn)
					handleError(logger, ret)
		
			
				case "models":
					expected := x + 1
					if expected > len(args.Args) {
						// note that expected and args at this point include the arg for the target itself
						// so we subtract 1 here to show the number of args without the target.
						logger.Printf("not enough arguments for target \"Models\", expected %v, got %v\n", expected-1, len(args.Args)-1)
						_os.Exit(2)
					}
					if args.Verbose {
						logger.Println("Running target:", "Models")
					}
					
			arg0 := args.Args[x]
			x++
				var arg1 *string
				var arg2 *string
				var arg3 *string
				for x < len(args.Args) && _strings.HasPrefix(args.Args[x], "-") {
					_optArg := args.Args[x]
					_eqIdx := _strings.Index(_optArg, "=")
					var _optName, _optVal string
					if _eqIdx < 0 {
						_optName = _strings.ToLower(_optArg[1:])
						switch _optName {
						default:
							logger.Printf("invalid option %q for target \"Models\", expected -name=value format\n", _optArg)
							_os.Exit(2)
						}
					} else {
						_optName = _strings.ToLower(_optArg[1:_eqIdx])
						_optVal = _optArg[_eqIdx+1:]
					}
					switch _optName {
					case "sum":
						_tmp1 := _optVal
						arg1 = &_tmp1
					case "service":
						_tmp2 := _optVal
						arg2 = &_tmp2
					case "volume":
						_tmp3 := _optVal
						arg3 = &_tmp3
					default:
						logger.Printf("unknown option %q for target \"Models\"\n", _optName)
						_os.Exit(2)
					}
					x++
				}
				wrapFn := func(ctx _context.Context) error {
					return voice_mageimport.Models(ctx, arg0, arg1, arg2, arg3)
				}
				ret := runTarget(logger, wrapFn)
					handleError(logger, ret)
		default:
			logger.Printf("Unknown target specified: %q\n", target)
			_os.Exit(2)
		}
	}
}




