package metrics

import (
	"cmp"
	"regexp"
	"slices"
	"strings"
	"unicode/utf8"

	dto "github.com/prometheus/client_model/go"

	"github.com/25eloquence/compose-mage/internal/container"
	"github.com/25eloquence/compose-mage/internal/monitor"
)

// maxLabel is the most of a label's value, in bytes: more than the name of a container or an image has.
const maxLabel = 512

// labels are those of one metric, by their names. Metrics of one container share them.
type labels []*dto.LabelPair

// labelled makes labels of names and values, name to value. Values are from outside: what is no UTF-8, or very long,
// would lose the whole scrape.
func labelled(values map[string]string) labels {
	out := make(labels, 0, len(values))
	for name, value := range values {
		value = labelValue(value)
		out = append(out, &dto.LabelPair{Name: &name, Value: &value})
	}
	slices.SortFunc(out, func(a, b *dto.LabelPair) int { return cmp.Compare(a.GetName(), b.GetName()) })
	return out
}

func labelValue(value string) string {
	value = strings.ToValidUTF8(value, "\ufffd")
	if len(value) <= maxLabel {
		return value
	}
	cut := maxLabel
	for !utf8.RuneStart(value[cut]) {
		cut--
	}
	return value[:cut]
}

var notInLabelName = regexp.MustCompile(`[^a-zA-Z0-9_]`)

// containerLabel is the name that cAdvisor gives to a label of a container.
func containerLabel(label string) string {
	return "container_label_" + notInLabelName.ReplaceAllString(label, "_")
}

var (
	projectLabel = containerLabel(container.ProjectLabel)
	serviceLabel = containerLabel(container.ServiceLabel)
)

// cadvisor are the labels that cAdvisor gives a container. Its id is the path of the container's cgroup where Docker
// makes that itself.
func cadvisor(project string, r monitor.Replica) labels {
	return labelled(map[string]string{
		"id": "/docker/" + r.ID, "name": r.Container, "image": r.Image, projectLabel: project, serviceLabel: r.Service,
	})
}

// ofContainer are the labels of what only we know of a container.
func ofContainer(project string, r monitor.Replica) labels {
	return labelled(map[string]string{
		"project": project, "service": r.Service, "id": "/docker/" + r.ID, "name": r.Container,
	})
}
