package model

import (
	"maps"
	"path"
	"slices"
	"strings"

	"github.com/compose-spec/compose-go/v2/types"

	"github.com/25eloquence/compose-mage/internal/doctor/check"
	"github.com/25eloquence/compose-mage/internal/fault"
	"github.com/25eloquence/compose-mage/internal/finding"
)

// imageRules are about services together with their images.
var imageRules = []rule{
	modelRule("health.missing", "a service that others use, without a health check", finding.Warning, startOrder,
		check.NoFix, healthMissing),
	modelRule("volume.anonymous", "data of an image in a volume without a name", finding.Warning,
		"docs.docker.com/engine/storage/volumes/", check.NoFix, volumeAnonymous),
	modelRule("user.root", "a service that runs as root", finding.Info, cis+"4.1", check.NoFix, userRoot),
}

func healthMissing(l Look) []check.Finding {
	jobs, waiting := completing(l.Project), map[string][]string{}
	for _, s := range l.services() {
		for name := range s.DependsOn {
			waiting[name] = append(waiting[name], s.Name)
		}
	}
	var out []check.Finding
	for _, s := range l.services() {
		image, here := l.Images.Of(l.Project.Name, s)
		if s.HealthCheck != nil || jobs[s.Name] || !here || image.Config != nil && image.Config.Healthcheck != nil &&
			len(image.Config.Healthcheck.Test) > 0 && image.Config.Healthcheck.Test[0] != "NONE" {
			continue
		}
		remedy := "healthcheck: of " + fault.Quote(s.Name) + " in the Compose file"
		who := slices.Sorted(slices.Values(waiting[s.Name]))
		switch {
		case len(who) > 0:
			out = append(out, check.Warn("health.missing", remedy,
				"others depend on it (%s), and neither it nor its image has a health check", strings.Join(who, ", ")).
				Of(s.Name).At(l.at(s.Name)).Because("nobody can tell when it is ready, or that it no longer answers"))
		case len(s.Ports) > 0:
			out = append(out, check.Tell("health.missing", remedy,
				"it publishes ports, and neither it nor its image has a health check").Of(s.Name).At(l.at(s.Name)).
				Because("that it no longer answers is not noticed"))
		}
	}
	return out
}

// precious are directories in which well-known data stores keep what nobody can make again.
var precious = []string{
	"/var/lib/postgresql", "/var/lib/mysql", "/data/db", "/var/lib/mongodb", "/var/lib/influxdb", "/var/lib/influxdb2",
	"/var/lib/cassandra", "/opt/couchdb/data", "/var/lib/rabbitmq", "/var/opt/mssql",
}

func volumeAnonymous(l Look) []check.Finding {
	var out []check.Finding
	for _, s := range l.services() {
		image, here := l.Images.Of(l.Project.Name, s)
		if !here || image.Config == nil {
			continue
		}
		for _, target := range slices.Sorted(maps.Keys(image.Config.Volumes)) {
			if mounted(s, target) {
				continue
			}
			remedy := "volumes: " + fault.Quote(s.Name+"-data:"+target)
			say := check.Tell
			if slices.ContainsFunc(precious, func(p string) bool { return strings.HasPrefix(target+"/", p+"/") }) {
				say = check.Warn
			}
			out = append(out, say("volume.anonymous", remedy,
				"the image keeps data in %s, and no volume with a name is mounted there", target).Of(s.Name).
				At(l.at(s.Name)).
				Because("the data are in a volume without a name: after docker compose down a start begins empty"))
		}
	}
	return out
}

// mounted says whether something of the Compose file is at the target, or above or below it.
func mounted(s types.ServiceConfig, target string) bool {
	within := func(a, b string) bool { return a == b || strings.HasPrefix(b, strings.TrimSuffix(a, "/")+"/") }
	target = path.Clean(target)
	for _, v := range s.Volumes {
		if v.Source != "" || v.Type == types.VolumeTypeTmpfs {
			if at := path.Clean(v.Target); within(at, target) || within(target, at) {
				return true
			}
		}
	}
	return slices.ContainsFunc(s.Tmpfs, func(t string) bool {
		at, _, _ := strings.Cut(t, ":")
		return within(path.Clean(at), target)
	}) || len(s.VolumesFrom) > 0
}

func userRoot(l Look) []check.Finding {
	var root []string
	var at []check.Place
	for _, s := range l.services() {
		image, here := l.Images.Of(l.Project.Name, s)
		user := s.User
		if user == "" && here && image.Config != nil {
			user = image.Config.User
		}
		name, _, _ := strings.Cut(user, ":")
		if here && (name == "" || name == "root" || name == "0") {
			root, at = append(root, s.Name), append(at, l.at(s.Name))
		}
	}
	if len(root) == 0 {
		return nil
	}
	return []check.Finding{check.Tell("user.root", "USER in the Dockerfile, or user: in the Compose file",
		"no other user is named, in the Compose file or the image").Of(root...).At(at...).
		Because("whoever breaks into it is root within the container; many images change the user by themselves")}
}
