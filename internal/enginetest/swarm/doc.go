// Package swarm runs several of the machine's own Docker Engine as the nodes of a Swarm, for tests and benches.
//
// Each engine has a network, a process, a mount and a host name of its own; a bridge in a further network namespace
// joins them. The machine has one more interface to that bridge, nothing is forwarded and no firewall rule of it is
// touched. When this process ends, even killed, every process, mount and interface is gone. It works on Linux alone and
// needs root, dockerd, runc and iptables. Only tests and benches import it.
package swarm
