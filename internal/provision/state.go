package provision

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"path/filepath"
	"slices"

	"github.com/25eloquence/compose-mage/internal/daemon"
	"github.com/25eloquence/compose-mage/internal/fault"
	"github.com/25eloquence/compose-mage/internal/state"
	"github.com/25eloquence/compose-mage/internal/stepnet"
)

// EngineBuilder is the State.Builder that means the engine's own BuildKit.
const EngineBuilder = "docker"

// State is what setup made or found; it lies in <state directory>/state.json, which is replaced atomically.
type State struct {
	// Builder is the address of BuildKit: "unix:///…/buildkitd.sock", "docker-container://…", what BUILDKIT_HOST
	// said, or EngineBuilder. Empty where none was made.
	Builder string `json:"builder,omitempty"`
	// Registry is the local registry's host:port; empty where none was made.
	Registry string `json:"registry,omitempty"`
	// Network is that of the builder's steps; nil where they share the host's.
	Network *stepnet.Network `json:"network,omitempty"`
	// Loaded are the IDs of the base images that setup has given the engine, by name.
	Loaded map[string]string `json:"loaded,omitempty"`
	// StartAgain are the IDs of the containers that ran before setup restarts the engine, until they run again.
	StartAgain []string `json:"startAgain,omitempty"`
	// Processes are the daemons that setup started, and that Teardown stops.
	Processes []daemon.Process `json:"processes,omitempty"`
	// Container is the builder's container, where setup made one.
	Container string `json:"container,omitempty"`
	// Note says what was wrong with the file that Load read; empty where nothing was.
	Note string `json:"-"`

	file string // that Load could not read
}

// Load reads the state, the zero State where there is none. A file that is not JSON is no error: the State is zero and
// its Note says so, for setup finds again what it started.
func Load() (State, error) {
	dir, err := state.Dir()
	if err != nil {
		return State{}, err
	}
	return loadFrom(dir)
}

func loadFrom(dir string) (State, error) {
	path := filepath.Join(dir, "state.json")
	var s State
	err := state.ReadJSON(path, &s)
	if errors.Is(err, fs.ErrNotExist) {
		return State{}, nil
	}
	if errors.Is(err, fs.ErrPermission) {
		return State{}, fault.New(fault.Config,
			"sudo chown -R $(id -u) "+fault.Quote(dir)+", or another directory in "+state.Variable,
			"reading what setup made: %w", err)
	}
	if err != nil {
		return State{Note: fmt.Sprintf("%v: what setup made is not known until go tool mage setup has found it again",
			err), file: path}, nil
	}
	return s, nil
}

// setAsideDamaged makes room for a new file where Load could not read the old one, which is kept: it may name what is
// still running.
func (s *setup) setAsideDamaged() error {
	if s.state.file == "" {
		return nil
	}
	to, err := state.SetAside(s.state.file)
	if err != nil {
		return fmt.Errorf("setting the damaged state aside: %w", err)
	}
	s.out.Info("it is now %q", to)
	s.state.file = ""
	return nil
}

func (s State) save(dir string) error {
	data, err := json.MarshalIndent(s, "", "  ")
	if err != nil {
		return fmt.Errorf("encoding the state: %w", err)
	}
	return state.Keep(filepath.Join(dir, "state.json"), append(data, '\n'))
}

// StepNetwork is the network of the steps of what is built on that builder; nil where they share the builder's.
func (s State) StepNetwork(builder string) *stepnet.Network {
	if p, ok := s.process("builder"); ok && p.Address == builder {
		return s.Network
	}
	return nil
}

func (s State) process(name string) (daemon.Process, bool) {
	i := slices.IndexFunc(s.Processes, func(p daemon.Process) bool { return p.Name == name })
	if i < 0 {
		return daemon.Process{}, false
	}
	return s.Processes[i], true
}

// Process gives what the state says of a daemon.
func (s *setup) Process(name string) (daemon.Process, bool) { return s.state.process(name) }

// Record writes down a daemon in place of what was known of one of its name.
func (s *setup) Record(p daemon.Process) error {
	s.state.forget(p.Name)
	s.state.Processes = append(s.state.Processes, p)
	return s.state.save(s.dir)
}

// Forget writes down that a daemon is gone.
func (s *setup) Forget(name string) error {
	s.state.forget(name)
	return s.state.save(s.dir)
}

func (s *State) forget(name string) {
	s.Processes = slices.DeleteFunc(s.Processes, func(p daemon.Process) bool { return p.Name == name })
}
