package cluster

import (
	"fmt"
	"strings"
	"testing"

	"github.com/moby/moby/api/types/swarm"

	"github.com/25eloquence/compose-mage/internal/swarmspec"
)

func TestServicesTakeRoomFromThoseAfterThem(t *testing.T) {
	c := nodes(node("n1"), node("n2", memory(4*gib)))
	stack := swarmspec.Stack{Services: map[string]swarm.ServiceSpec{
		"a": service("a", 1, reserve(0, 5*gib)), "b": service("b", 2, reserve(0, 3*gib)),
		"c": service("c", 1, reserve(0, 2*gib)), "j": service("j", 1, reserve(0, 8*gib), job),
	}}
	texts := func(order []string, c Cluster, kept map[string]bool) string {
		var out []string
		for _, f := range c.Place(stack, order, kept) {
			out = append(out, f.Service+" "+fmt.Sprint(f.Placed, "/", f.Copies))
		}
		return strings.Join(out, ", ")
	}
	if got := texts([]string{"j", "a", "b", "c"}, c, nil); got != "j 1/1, a 1/1, b 2/2, c 0/1" {
		t.Errorf("got %s", got)
	}
	if got := texts([]string{"c", "b", "a"}, c, nil); got != "c 1/1, b 2/2, a 0/1" {
		t.Errorf("got %s", got)
	}
	err := Unfit(c.Place(stack, []string{"a", "b", "c"}, nil))
	if err == nil || !strings.Contains(err.Error(), `service "c" fits no node`) ||
		!strings.Contains(err.Error(), "n1: 2GiB memory asked for, 0B of 8GiB free") {
		t.Errorf("got %v", err)
	}
	if err := Unfit(c.Place(stack, []string{"a", "b"}, nil)); err != nil {
		t.Error(err)
	}
	// A service that is not updated keeps its room where it is, also where it would not fit any more.
	old := withTasks(c, service("a", 1, reserve(0, 3*gib)), "n2")
	if got := texts([]string{"a", "b"}, old, map[string]bool{"a": true}); got != "a 1/1, b 2/2" {
		t.Errorf("got %s", got)
	}
	if f := old.Place(stack, []string{"a"}, map[string]bool{"a": true})[0]; f.On["id-n2"] != 1 || len(f.On) != 1 {
		t.Errorf("got %v", f.On)
	}
}

func TestWhatIsAskedIsNotChanged(t *testing.T) {
	c := withTasks(nodes(node("n1"), node("n2")), service("a", 2, reserve(1e9, gib)), "n1", "n2")
	first := verdict(c.Fit("a", service("a", 3, reserve(1e9, gib))))
	for range 20 {
		if got := verdict(c.Fit("a", service("a", 3, reserve(1e9, gib)))); got != first {
			t.Fatalf("got %s, then %s", first, got)
		}
	}
}

func TestAServiceOfAnotherModeIsMadeAnew(t *testing.T) {
	c := withTasks(nodes(node("n1"), node("n2")), service("a", 1, global, reserve(0, 5*gib)), "n1", "n2")
	c.Services = map[string]swarm.Service{"a": c.AllServices[0]}
	f := c.Fit("a", service("a", 1, reserve(0, 5*gib), startFirst))
	if f.Err() != nil || f.Placed != 1 || len(f.Nodes) != 2 {
		t.Errorf("%s, %v", verdict(f), f.Err())
	}
}
