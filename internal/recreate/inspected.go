package recreate

import (
	"cmp"
	"strings"

	"github.com/compose-spec/compose-go/v2/types"
	"github.com/moby/moby/api/types/mount"

	"github.com/25eloquence/compose-mage/internal/container"
	"github.com/25eloquence/compose-mage/internal/secret"
)

// inspectedKeys names the keys in which the service's model is not what the engine says of a container without a
// record, such as one that docker compose made. Only what the model sets is compared, as the rest may be the image's;
// what is gone from the model is seen of files and folders that are mounted.
func inspectedKeys(s types.ServiceConfig, c container.Replica) []string {
	if c.Config == nil || c.HostConfig == nil {
		return nil
	}
	// A container has always some secret.Variables and labels: one more is one, not the first.
	old, now := Keys{secret.Variables: "", "labels.": ""}, Keys{secret.Variables: "", "labels.": ""}
	both := func(key, was, is string) {
		if is != "" {
			old.add(key, was, c.ID)
			now.add(key, is, c.ID)
		}
	}
	both("image", c.Config.Image, s.Image)
	both("user", c.Config.User, s.User)
	both("working_dir", c.Config.WorkingDir, s.WorkingDir)
	both("hostname", c.Config.Hostname, s.Hostname)
	both("command", strings.Join(c.Config.Cmd, "\x00"), strings.Join(s.Command, "\x00"))
	both("entrypoint", strings.Join(c.Config.Entrypoint, "\x00"), strings.Join(s.Entrypoint, "\x00"))
	policy, _, _ := strings.Cut(s.Restart, ":")
	both("restart", string(c.HostConfig.RestartPolicy.Name), policy)
	have := map[string]string{}
	for _, variable := range c.Config.Env {
		name, value, _ := strings.Cut(variable, "=")
		have[name] = value
	}
	for name, value := range s.Environment {
		if value != nil {
			compare(old, now, secret.Variables+name, have, name, *value, c.ID)
		}
	}
	for name, value := range s.Labels {
		compare(old, now, "labels."+name, c.Config.Labels, name, value, c.ID)
	}
	limit, key := int64(s.MemLimit), "mem_limit"
	if s.Deploy != nil && s.Deploy.Resources.Limits != nil {
		limit = cmp.Or(int64(s.Deploy.Resources.Limits.MemoryBytes), limit)
		key = "deploy.resources.limits.memory"
	}
	if limit != c.HostConfig.Memory {
		old.add(key, c.HostConfig.Memory, c.ID)
		now.add(key, limit, c.ID)
	}
	compareMounts(old, now, s, c)
	return Differences(old, now)
}

// compare puts one value of a map into both models; where the container lacks it, into the new one alone.
func compare(old, now Keys, key string, have map[string]string, name, value, salt string) {
	now.add(key, value, salt)
	if was, there := have[name]; there {
		old.add(key, was, salt)
	}
}

// compareMounts compares the files and folders of the machine that are mounted, and whether a volume is at its place.
func compareMounts(old, now Keys, s types.ServiceConfig, c container.Replica) {
	at := map[string]string{}
	for _, m := range c.Mounts {
		at[m.Destination] = m.Source
		if m.Type == mount.TypeBind {
			old["volumes["+m.Destination+"].source"] = m.Source
		}
	}
	for _, v := range s.Volumes {
		key := "volumes[" + v.Target + "].source"
		source, there := at[v.Target]
		switch {
		case v.Type == types.VolumeTypeBind:
			now[key] = v.Source
		case !there && v.Type == types.VolumeTypeVolume:
			now[key] = v.Source
		case there: // a volume's source is the engine's folder
			old[key], now[key] = source, source
		}
	}
	// configs and secrets are mounted as files too, at places of their own
	for key := range old {
		if strings.HasPrefix(key, "volumes[") && now[key] == "" && ofProject(s, strings.TrimSuffix(
			strings.TrimPrefix(key, "volumes["), "].source")) {
			delete(old, key)
		}
	}
}

// ofProject says whether a config or a secret of the service is mounted there.
func ofProject(s types.ServiceConfig, target string) bool {
	for _, c := range s.Configs {
		if target == cmp.Or(c.Target, "/"+c.Source) {
			return true
		}
	}
	for _, c := range s.Secrets {
		if at := cmp.Or(c.Target, c.Source); target == at || target == "/run/secrets/"+at {
			return true
		}
	}
	return false
}
