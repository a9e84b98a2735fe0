package readiness

import (
	"encoding/json"
	"sync"

	"github.com/25eloquence/compose-mage/internal/state"
)

// SilentPorts remembers of which services nothing listened on the published ports for as long as a start waited, so
// that the next start does not wait as long again. A nil one remembers nothing.
type SilentPorts struct {
	mu       sync.Mutex
	path     string
	services map[string]silence
	changed  bool
}

// silence is what the file holds of one service.
type silence struct {
	Silent bool `json:"silent"`
}

// silentFile is the file's content.
type silentFile struct {
	Services map[string]silence `json:"services"`
}

// ReadSilentPorts reads what earlier starts of one project have found; a file that is missing or damaged holds
// nothing. "" is no file.
func ReadSilentPorts(path string) *SilentPorts {
	var file silentFile
	if state.ReadJSON(path, &file) != nil || file.Services == nil {
		file.Services = map[string]silence{}
	}
	return &SilentPorts{path: path, services: file.Services}
}

// has says whether an earlier start waited in vain for something to listen on the service's ports.
func (p *SilentPorts) has(service string) bool {
	if p == nil {
		return false
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.services[service].Silent
}

// set takes down whether the service's ports are silent.
func (p *SilentPorts) set(service string, silent bool) {
	if p == nil {
		return
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.services[service].Silent == silent {
		return
	}
	p.changed = true
	if silent {
		p.services[service] = silence{Silent: true}
	} else {
		delete(p.services, service)
	}
}

// Save writes the file where anything has changed. A failure costs the next start a wait, and is none of this one.
func (p *SilentPorts) Save() {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.path == "" || !p.changed {
		return
	}
	if data, err := json.Marshal(silentFile{Services: p.services}); err == nil {
		_ = state.Keep(p.path, data)
	}
}
