package ipvs

import (
	"bytes"
	"compress/gzip"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/moby/moby/api/types/system"

	"github.com/25eloquence/compose-mage/internal/composetest"
	"github.com/25eloquence/compose-mage/internal/engine"
)

func zipped(t *testing.T, text string) string {
	var b bytes.Buffer
	w := gzip.NewWriter(&b)
	if _, err := w.Write([]byte(text)); err != nil {
		t.Fatal(err)
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	return b.String()
}

func TestAKernelWithoutIPVS(t *testing.T) {
	const (
		release   = "6.1.0"
		osrelease = "proc/sys/kernel/osrelease"
		config    = "proc/config.gz"
		dep       = "lib/modules/6.1.0/modules.dep"
		builtin   = "lib/modules/6.1.0/modules.builtin"
		module    = "kernel/net/netfilter/ipvs/ip_vs.ko.xz: kernel/net/x.ko\n"
	)
	without := zipped(t, "CONFIG_MODULES=y\n# CONFIG_IP_VS is not set\nCONFIG_IP_VS_X=y\n")
	asModule := zipped(t, "CONFIG_IP_VS=m\n")
	for name, c := range map[string]struct {
		files map[string]string
		lacks bool
	}{
		"nothing is known":    {map[string]string{}, false},
		"another machine's":   {map[string]string{osrelease: "6.2.0\n", config: without}, false},
		"not configured":      {map[string]string{config: without}, true},
		"not in /boot's":      {map[string]string{"boot/config-6.1.0": "CONFIG_X=y\n"}, true},
		"loaded":              {map[string]string{config: asModule, "proc/net/ip_vs": ""}, false},
		"built in":            {map[string]string{config: zipped(t, "CONFIG_IP_VS=y\n")}, false},
		"in the modules":      {map[string]string{config: asModule, dep: module}, false},
		"no configuration":    {map[string]string{dep: module}, false},
		"in no module":        {map[string]string{dep: "kernel/net/x.ko:\n"}, true},
		"in the kernel":       {map[string]string{dep: "", builtin: "kernel/net/netfilter/ipvs/ip_vs.ko\n"}, false},
		"modules not seen":    {map[string]string{config: asModule}, false},
		"no module is loaded": {map[string]string{config: asModule, "proc/cmdline": "quiet nomodule\n"}, true},
		"broken":              {map[string]string{config: "x"}, false},
	} {
		root := t.TempDir()
		if c.files[osrelease] == "" {
			c.files[osrelease] = release + "\n"
		}
		for path, text := range c.files {
			path = filepath.Join(root, path)
			if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
				t.Fatal(err)
			}
			if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
				t.Fatal(err)
			}
		}
		if got := lacks(root, release); got != c.lacks {
			t.Errorf("%s: %t", name, got)
		}
	}
}

func TestTheFileSaysHowServicesAreFound(t *testing.T) {
	remote := &engine.Engine{Host: "ssh://a", Info: system.Info{KernelVersion: "6.1.0"}}
	for text, want := range map[string]bool{
		"": false, "x-compose-mage: {endpoint: vip}": false, "x-compose-mage: {endpoint: dnsrr}": true,
	} {
		project := composetest.Load(t, text+"\nservices: {a: {image: x}}\n")
		if got, why := NoVIP(project, remote); got != want || got != (why != "") {
			t.Errorf("%q: %t, %q", text, got, why)
		}
	}
}

// TestThisMachinesKernelCounts can fail only where the kernel lacks IPVS.
func TestThisMachinesKernelCounts(t *testing.T) {
	release, err := os.ReadFile("/proc/sys/kernel/osrelease")
	if err != nil {
		t.Skip("no Linux")
	}
	local := &engine.Engine{Host: "unix:///e", Info: system.Info{KernelVersion: strings.TrimSpace(string(release))}}
	project := composetest.Load(t, "services: {a: {image: x}}\n")
	if got, _ := NoVIP(project, local); got != lacks("/", local.Info.KernelVersion) {
		t.Errorf("got %t", got)
	}
}
