package extension

import (
	"errors"
	"fmt"
	"net/url"
	"slices"

	"github.com/compose-spec/compose-go/v2/types"

	"github.com/25eloquence/compose-mage/internal/fault"
)

// Nodes gives the addresses of the engines of a Swarm's nodes, by the nodes' host names: images go there without a
// registry. Check has refused what is no address.
func Nodes(project *types.Project) map[string]string {
	var e onProject
	if decode(project.Extensions[Key], &e) != nil {
		return nil
	}
	return e.Nodes
}

// How the services of a deployed stack are found, and their ports published: by a virtual address and on every node,
// which needs IPVS in the kernel of each, or by the addresses of their tasks and on the nodes that run those.
const (
	EndpointVIP   = "vip"
	EndpointDNSRR = "dnsrr"
)

var endpoints = []string{EndpointVIP, EndpointDNSRR}

// Endpoint gives which of the two the Compose file asks for; "" where it does not say.
func Endpoint(project *types.Project) string {
	var e onProject
	if decode(project.Extensions[Key], &e) != nil {
		return ""
	}
	return e.Endpoint
}

var nodeSchemes = []string{"ssh", "tcp", "unix"}

// CheckNode says what is wrong with the address of a node's engine. The texts don't repeat the address: it may have a
// password in it.
func CheckNode(address string) error {
	u, err := url.Parse(address)
	if err != nil || u.Opaque != "" {
		return errors.New("this is no address of an engine, such as ssh://ops@gpu1")
	}
	_, password := u.User.Password()
	switch {
	case !slices.Contains(nodeSchemes, u.Scheme):
		return fmt.Errorf("%q is none of ssh, tcp, unix%s", u.Scheme, fault.DidYouMean(u.Scheme, nodeSchemes))
	case password:
		return errors.New("the address has a password in it: ssh asks its agent, or has a key")
	case u.Scheme != "ssh" && u.User != nil:
		return errors.New("the address has a user in it, and only ssh has one")
	case u.Scheme == "unix" && (u.Host != "" || u.Path == ""):
		return errors.New("a socket is named by its whole path: unix:///var/run/docker.sock")
	case u.Scheme != "unix" && u.Hostname() == "":
		return errors.New("the address has no host, such as ssh://ops@gpu1")
	case u.Scheme == "tcp" && u.Port() == "":
		return errors.New("the address has no port, such as tcp://gpu1:2376")
	case u.RawQuery != "" || u.Fragment != "":
		return errors.New("this is no address of an engine, such as ssh://ops@gpu1")
	}
	return nil
}
