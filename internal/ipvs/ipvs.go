// Package ipvs owns whether the kernel of this machine has IPVS, without which a Swarm has no virtual addresses and no
// routing mesh.
package ipvs

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
	if Lacks(e) {
		return true, "the kernel of this node has no IPVS, which virtual addresses and the routing mesh need"
	}
	return false, ""
}

// Lacks says whether the kernel of the engine's machine is known to be without IPVS.
func Lacks(e *engine.Engine) bool { return e.Local() && lacks("/", e.Info.KernelVersion) }

// lacks says whether the kernel below a root directory, of that release, is known to be without IPVS. Where its
// modules can't be seen, as from within a container, and its configuration neither, that is not known.
func lacks(root, release string) bool {
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
