package extension

import (
	"errors"
	"fmt"
	"net/url"
	"slices"
	"strconv"

	"github.com/compose-spec/compose-go/v2/types"
	"go.yaml.in/yaml/v4"

	"github.com/25eloquence/compose-mage/internal/fault"
)

// Answers is where monitor asks a service how quickly it answers, and which answers are good ones.
type Answers struct {
	// Address is http://127.0.0.1:8000/health, or https://… or tcp://…. Without a host, as in http://:8000/health, the
	// port is the container's own, and is asked wherever it can be reached.
	Address string `yaml:"address"`
	Status  []int  `yaml:"status"` // the HTTP statuses that are good; empty for all below 500
}

// UnmarshalYAML reads an address alone, or a map with the address and the statuses.
func (a *Answers) UnmarshalYAML(n *yaml.Node) error {
	if n.Kind == yaml.ScalarNode {
		a.Address = n.Value
		return nil
	}
	type plain Answers
	return n.Decode((*plain)(a))
}

// AnswersOf gives where the service is asked; ok is false where its Compose file does not say. Check has refused what
// the key can't mean.
func AnswersOf(s types.ServiceConfig) (a Answers, ok bool) {
	var e onService
	if decode(s.Extensions[Key], &e) != nil || e.Answers == nil || e.Answers.Address == "" {
		return Answers{}, false
	}
	return *e.Answers, true
}

var answersSchemes = []string{"http", "https", "tcp"}

// check says what is wrong with the key. The texts don't repeat the address: it may have a password in it.
func (a Answers) check() error {
	if a.Address == "" {
		return errors.New("there is no address, such as http://127.0.0.1:8000/health")
	}
	u, err := url.Parse(a.Address)
	if err != nil || u.Opaque != "" {
		return errors.New("this is no address such as http://127.0.0.1:8000/health")
	}
	if !slices.Contains(answersSchemes, u.Scheme) {
		return fmt.Errorf("%q is neither http, https nor tcp%s", u.Scheme, fault.DidYouMean(u.Scheme, answersSchemes))
	}
	port, err := strconv.ParseUint(u.Port(), 10, 16)
	switch {
	case u.User != nil:
		return errors.New("the address has a user or a password in it, and none is sent")
	case u.Port() != "" && (err != nil || port == 0):
		return fmt.Errorf("%q is no port", u.Port())
	case u.Port() == "" && (u.Hostname() == "" || u.Scheme == "tcp"):
		return errors.New("the address has no port, such as http://:8000/health")
	case u.Scheme == "tcp" && (u.Path != "" || u.RawQuery != ""):
		return errors.New("an address of tcp has a port, and no path")
	case u.Scheme == "tcp" && len(a.Status) > 0:
		return errors.New("a connection over tcp has no status")
	}
	for _, status := range a.Status {
		if status < 100 || status > 599 {
			return fmt.Errorf("%d is no HTTP status such as 200", status)
		}
	}
	return nil
}
