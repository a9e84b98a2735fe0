package image

import (
	"errors"
	"fmt"
	"testing"

	"github.com/25eloquence/compose-mage/internal/builder"
)

func TestPoolShares(t *testing.T) {
	var services []string
	for i := range 30 {
		services = append(services, fmt.Sprint("service", i))
	}
	p := &builderPool{}
	for _, id := range []string{"a", "b", "c"} {
		p.members = append(p.members, &member{Builder: &builder.Builder{ID: id}})
	}
	first := p.share(services)
	count := map[string]int{}
	for _, s := range services {
		count[first[s].ID]++
	}
	if count["a"] != 10 || count["b"] != 10 || count["c"] != 10 {
		t.Errorf("30 images on three builders: %v", count)
	}
	died := p.members[0]
	moved, err := p.next("service0", died)
	if err != nil || moved == died {
		t.Errorf("%v, %v", moved, err)
	}
	_, _ = p.next("service0", p.members[1])
	if _, err := p.next("service0", p.members[2]); !errors.Is(err, errNoBuilder) {
		t.Errorf("with every builder dead: %v", err)
	}
}
