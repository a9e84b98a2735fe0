package running

import (
	"fmt"
	"slices"
	"time"

	"github.com/25eloquence/compose-mage/internal/container"
	"github.com/25eloquence/compose-mage/internal/doctor/check"
	"github.com/25eloquence/compose-mage/internal/fault"
	"github.com/25eloquence/compose-mage/internal/finding"
	"github.com/25eloquence/compose-mage/internal/ui"
)

// containerRules are about containers that are there.
var containerRules = []rule{
	engineRule("image.stale", "a container of another image than its name has now", finding.Warning,
		"docker compose up makes it anew", imageStale),
	engineRule("image.architecture", "an image of another architecture than the engine's", finding.Warning,
		"docs.docker.com/build/building/multi-platform/", imageArchitecture),
	engineRule("health.slow", "a health check that takes most of its timeout", finding.Warning,
		"docs.docker.com/reference/dockerfile/#healthcheck", healthSlow),
	engineRule("health.stuck", "unhealthy, and no restart policy helps", finding.Warning, "moby/moby#28400",
		healthStuck),
	engineRule("disk.layer", "much data in a container's own layer", finding.Warning,
		"docs.docker.com/engine/storage/", diskLayer),
}

// imageStale gives a finding for each image, with all services whose containers are of an older one.
func imageStale(l look) []check.Finding {
	var out []check.Finding
	l.each(func(service string, c container.Replica) {
		name := l.imageOf(service)
		now, here := l.Images[name]
		if !here || !c.Runs() || c.Image == "" || c.Image == now.ID || slices.Contains(now.RepoDigests, c.Image) {
			return
		}
		evidence := fmt.Sprintf("%s is %.19s now, and what runs is older", name, now.ID)
		i := slices.IndexFunc(out, func(f check.Finding) bool { return f.Evidence == evidence })
		if i < 0 {
			i = len(out)
			out = append(out, check.Warn("image.stale", "", "%s", evidence).
				Because("the image was built or pulled after the containers were made"))
		}
		if !slices.Contains(out[i].Subjects, service) {
			out[i].Subjects = append(out[i].Subjects, service)
		}
		out[i].Containers = append(out[i].Containers, c.Name())
		out[i].Remedy = "go tool mage restart " + fault.Quote(out[i].Subjects...)
		out[i] = out[i].At(l.at(service, "image"))
	})
	return out
}

// architectures are the names that the engine gives to what images call otherwise.
var architectures = map[string]string{
	"x86_64": "amd64", "aarch64": "arm64", "armv7l": "arm", "armv6l": "arm", "i686": "386", "i386": "386",
}

func imageArchitecture(l look) []check.Finding {
	engine := l.Info.Architecture
	if known := architectures[engine]; known != "" {
		engine = known
	}
	var out []check.Finding
	l.each(func(service string, c container.Replica) {
		image, here := l.Images[l.imageOf(service)]
		if !here || image.Architecture == "" || engine == "" || image.Architecture == engine || c.Image != image.ID {
			return
		}
		out = append(out, check.Warn("image.architecture", "build or pull it for linux/"+engine,
			"its image is for %s, and the engine's machine is %s", image.Architecture, engine).Of(service).In(c.Name()).
			At(l.at(service, "image")).Because("it runs in an emulator, many times slower, or not at all"))
	})
	return out
}

// fewestChecks is how many checks have to have been slow.
const fewestChecks = 3

func healthSlow(l look) []check.Finding {
	var out []check.Finding
	l.each(func(service string, c container.Replica) {
		if c.State.Health == nil || c.Config.Healthcheck == nil || !c.Runs() {
			return
		}
		timeout := c.Config.Healthcheck.Timeout
		if timeout == 0 {
			timeout = 30 * time.Second // the engine's own
		}
		slow, most := 0, time.Duration(0)
		for _, r := range c.State.Health.Log {
			if took := r.End.Sub(r.Start); took > timeout/2 {
				slow, most = slow+1, max(most, took)
			}
		}
		if slow < fewestChecks || slow*2 < len(c.State.Health.Log) {
			return
		}
		remedy := "healthcheck.timeout of " + fault.Quote(service) + ", or a lighter check"
		out = append(out, check.Warn("health.slow", remedy,
			"%d of its last %d health checks took up to %s, of %s", slow, len(c.State.Health.Log), ui.Seconds(most),
			timeout).Of(service).In(c.Name()).At(l.at(service, "healthcheck")).
			Because("a little more load, and it counts as unhealthy"))
	})
	return out
}

// stuck is for how long a container has to have been unhealthy.
const stuck = time.Minute

func healthStuck(l look) []check.Finding {
	var out []check.Finding
	l.each(func(service string, c container.Replica) {
		if !c.Unhealthy() || !c.Runs() || len(c.State.Health.Log) == 0 {
			return
		}
		interval := 30 * time.Second
		if c.Config.Healthcheck != nil && c.Config.Healthcheck.Interval > 0 {
			interval = c.Config.Healthcheck.Interval
		}
		since := time.Duration(c.State.Health.FailingStreak) * interval
		if since < stuck {
			return
		}
		last := c.State.Health.Log[len(c.State.Health.Log)-1]
		remedy := "go tool mage restart " + fault.Quote(service) + ", or each time: go tool mage heal " +
			fault.Quote(service)
		f := check.Warn("health.stuck", remedy,
			"its last %d health checks have failed, for %s or longer", c.State.Health.FailingStreak, since).
			Of(service).In(c.Name()).At(l.at(service, "healthcheck")).
			Because("the engine restarts what ends, not what is unhealthy")
		if last.Output != "" {
			f.Lines = []string{firstOf(last.Output)}
		}
		out = append(out, f)
	})
	return out
}

// muchWritten is how many bytes in a container's own layer are worth a word.
const muchWritten = 1 << 30

func diskLayer(l look) []check.Finding {
	var out []check.Finding
	l.each(func(service string, c container.Replica) {
		if n := l.Written[c.ID]; n >= muchWritten {
			out = append(out, check.Warn("disk.layer", "a volume where it writes; docker diff "+fault.Quote(c.Name())+
				" says where that is", "it has written %s into its own layer", ui.Bytes(n)).Of(service).In(c.Name()).
				At(l.at(service)).Because("that is slower than a volume, and gone when the container is made anew"))
		}
	})
	return out
}
