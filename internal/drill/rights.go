package drill

import (
	"slices"
	"strings"
)

// usualRights are the capabilities that the engine gives to each container by itself: one that has dropped all of them
// may have these again in a drill.
var usualRights = func() map[string]bool {
	out := map[string]bool{}
	for name := range strings.FieldsSeq(`AUDIT_WRITE CHOWN DAC_OVERRIDE FOWNER FSETID KILL MKNOD NET_BIND_SERVICE
NET_RAW SETFCAP SETGID SETPCAP SETUID SYS_CHROOT`) {
		out[name] = true
	}
	return out
}()

// plainRight is a capability's name as usualRights has it.
func plainRight(name string) string { return strings.TrimPrefix(strings.ToUpper(name), "CAP_") }

// loosens says whether a security option takes away what keeps a container apart.
func loosens(option string) bool {
	_, value, _ := strings.Cut(strings.ReplaceAll(option, "=", ":"), ":")
	return slices.Contains([]string{"unconfined", "disable", "false"}, value) ||
		strings.HasPrefix(option, "systempaths") || option == "writable-cgroups" || option == "writable-cgroups=true"
}

// without are those of a container's rights that a drill leaves, and says which it takes.
func (i *isolation) without(service string, all []string, taken func(string) bool) []string {
	return slices.DeleteFunc(slices.Clone(all), func(one string) bool {
		if !taken(one) {
			return false
		}
		i.note("%s does not have %s in the drill", service, one)
		return true
	})
}
