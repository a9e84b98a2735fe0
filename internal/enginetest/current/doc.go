// Package current runs a current Docker Engine, built from its Go modules, beside the machine's own, for tests and
// benches.
//
// The engine and all that it starts live in a process, a mount and a network namespace of their own: its bridges and
// firewall rules are no one else's, and when it ends, even when this process is killed, every process and mount of it
// is gone. It needs root, runc and iptables, and works on Linux alone. Only tests and benches import it.
package current
