package running

import (
	"context"
	"slices"
	"strconv"
	"strings"

	"github.com/compose-spec/compose-go/v2/types"

	"github.com/25eloquence/compose-mage/internal/doctor/check"
	"github.com/25eloquence/compose-mage/internal/doctor/subject"
	"github.com/25eloquence/compose-mage/internal/fault"
	"github.com/25eloquence/compose-mage/internal/finding"
)

var mtuCheck = check.Check[*subject.Subject]{
	Rules: []check.Rule{ruleOf("network.mtu", "packets larger than the machine's network takes", check.Kernel,
		finding.Info, "docs.docker.com/engine/network/drivers/bridge/#options")},
	Look: func(_ context.Context, s *subject.Subject) ([]check.Finding, error) {
		if err := s.Local(); err != nil {
			return nil, err
		}
		project, err := s.Project()
		if err != nil {
			return nil, err
		}
		device := uplink(read("/proc/net/route"))
		mtu, err := strconv.Atoi(strings.TrimSpace(read("/sys/class/net/" + device + "/mtu")))
		if device == "" || err != nil {
			return nil, check.NotSeen("this machine has no route to the world, or does not tell its MTU")
		}
		return largePackets(project, device, mtu), nil
	},
}

// uplink is the device of the default route in /proc/net/route; "" for none.
func uplink(routes string) string {
	for line := range strings.Lines(routes) {
		fields := strings.Fields(line)
		if len(fields) > 7 && fields[1] == "00000000" && fields[7] == "00000000" {
			return fields[0]
		}
	}
	return ""
}

// The option of a bridge, and what it is without it.
const (
	mtuOption  = "com.docker.network.driver.mtu"
	defaultMTU = 1500
)

// largePackets finds the project's bridges whose packets are larger than what the uplink takes.
func largePackets(p *types.Project, device string, mtu int) []check.Finding {
	var names []string
	for _, key := range p.NetworkNames() {
		n := p.Networks[key]
		if bool(n.External) || n.Internal || n.Driver != "" && n.Driver != "bridge" {
			continue
		}
		its := defaultMTU
		if text, set := n.DriverOpts[mtuOption]; set {
			its, _ = strconv.Atoi(text)
		}
		if its > mtu {
			names = append(names, key)
		}
	}
	if len(names) == 0 {
		return nil
	}
	slices.Sort(names)
	return []check.Finding{check.Tell("network.mtu",
		"driver_opts: {"+mtuOption+": "+fault.Quote(strconv.Itoa(mtu))+"} under networks: of "+fault.Quote(names...),
		"packets of %s are larger than the %d bytes that %s takes", strings.Join(names, ", "), mtu, device).
		Because("where a firewall drops the answer that says so, large transfers hang and small ones work")}
}
