package cluster

import (
	"bytes"
	"compress/gzip"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/compose-spec/compose-go/v2/types"

	"github.com/25eloquence/compose-mage/internal/bounded"
	"github.com/25eloquence/compose-mage/internal/engine"
	"github.com/25eloquence/compose-mage/internal/extension"
)

// NoVIP says whether the stack has to do without virtual addresses and the routing mesh, and why, in a sentence for the
// plan. They need IPVS in the kernel of every node, which a Swarm does not report: the Compose file may say so, and the
// manager's own kernel is looked at where it is this machine's.
func NoVIP(project *types.Project, e *engine.Engine) (without bool, why string) {
	switch extension.Endpoint(project) {
	case extension.EndpointDNSRR:
		return true, "the Compose file says endpoint: dnsrr"
	case extension.EndpointVIP:
		return false, ""
	}
	if LacksIPVS(e) {
		return true, "the kernel of this node has no IPVS, which virtual addresses and the routing mesh need"
	}
	return false, ""
}

// LacksIPVS says whether the kernel of the engine's machine is known to be without IPVS.
func LacksIPVS(e *engine.Engine) bool { return e.Local() && lacksIPVS("/", e.Info.KernelVersion) }

// lacksIPVS says whether the kernel below a root directory, of that release, is known to be without IPVS. Where its
// modules can't be seen, as from within a container, and its configuration neither, that is not known.
func lacksIPVS(root, release string) bool {
	read := func(parts ...string) []byte {
		text, err := bounded.ReadFile(filepath.Join(append([]string{root}, parts...)...))
		if err != nil {
			return nil
		}
		return text
	}
	if running := strings.TrimSpace(string(read("proc", "sys", "kernel", "osrelease"))); running != release {
		return false // another machine's kernel, as with Docker Desktop
	}
	if _, err := os.Stat(filepath.Join(root, "proc", "net", "ip_vs")); err == nil {
		return false
	}
	config := string(unzipped(read("proc", "config.gz")))
	if config == "" {
		config = string(read("boot", "config-"+release))
	}
	lines := strings.Split(config, "\n")
	switch {
	case slices.Contains(lines, "CONFIG_IP_VS=y"):
		return false
	case config != "" && !slices.Contains(lines, "CONFIG_IP_VS=m"):
		return true
	}
	if slices.Contains(strings.Fields(string(read("proc", "cmdline"))), "nomodule") {
		return true // none can be loaded
	}
	modules := read("lib", "modules", release, "modules.dep")
	builtin := read("lib", "modules", release, "modules.builtin")
	if modules == nil {
		return false
	}
	return !bytes.Contains(modules, []byte("/ip_vs.ko")) && !bytes.Contains(builtin, []byte("/ip_vs.ko"))
}

// unzipped is what a compressed file of the kernel's holds; nil where it can't be read.
func unzipped(zipped []byte) []byte {
	r, err := gzip.NewReader(bytes.NewReader(zipped))
	if err != nil {
		return nil
	}
	text, err := bounded.Limit{Bytes: 4 << 20, What: "the kernel's configuration"}.ReadAll(r)
	if err != nil {
		return nil
	}
	return text
}

// GPU is the kind under which nodes of the Swarm offer GPUs as a generic resource; "" where none does. NVIDIA-GPU is
// what NVIDIA's documentation has people write; of other kinds it is the one that most nodes have.
func (c Cluster) GPU() string {
	count := map[string]int{}
	for _, n := range c.Nodes {
		for kind := range generics(n.Description.Resources.GenericResources) {
			if strings.Contains(strings.ToLower(kind), "gpu") {
				count[kind]++
			}
		}
	}
	best := ""
	for kind, n := range count {
		switch {
		case best == "NVIDIA-GPU":
		case best == "", kind == "NVIDIA-GPU", n > count[best], n == count[best] && kind < best:
			best = kind
		}
	}
	return best
}
