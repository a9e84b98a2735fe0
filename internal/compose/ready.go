package compose

import "github.com/compose-spec/compose-go/v2/types"

// extension is the key under which a Compose file speaks to these targets: on the project, a service, a volume or a secret.
const extension = "x-compose-mage"

// The key of a service under x-compose-mage that says when it is ready where it has no health check, and its values.
const (
	readyKey     = "ready"
	readyPort    = "port"    // it accepts connections on one of the TCP ports that it publishes; the default
	readyStarted = "started" // it runs
)

// ReadyOnceStarted says whether the Compose file wants no port of the service to be waited for.
func ReadyOnceStarted(s types.ServiceConfig) bool {
	return extensionOf(s.Extensions)[readyKey] == readyStarted
}

// extensionOf gives what is under x-compose-mage; nil for nothing.
func extensionOf(e types.Extensions) map[string]any {
	m, _ := e[extension].(map[string]any)
	return m
}
