package monitor

import (
	"testing"

	"github.com/25eloquence/compose-mage/internal/diskspace"
)

func TestNearly(t *testing.T) {
	s := Snapshot{
		Services: []Replica{
			{
				Service: "far", State: "running", MemoryPercent: 84.9, CPULimit: 1, CPULimitPercent: 84,
				ThrottledPercent: 44,
			},
			{Service: "near", State: "running", MemoryPercent: 85, CPULimit: 1, CPULimitPercent: 85},
		},
		Disk: Disk{Space: &diskspace.Space{Free: 12 << 30, Total: 100 << 30}},
	}
	got := map[string]bool{}
	for _, f := range s.Nearly() {
		if len(f.Subjects) > 0 {
			got[f.ID+" "+f.Subjects[0]] = true
		} else {
			got[f.ID] = true
		}
	}
	for id, want := range map[string]bool{
		"memory.high far": false, "cpu.limited far": false, "memory.high near": true, "cpu.limited near": true,
		"disk.low": true,
	} {
		if got[id] != want {
			t.Errorf("%s is %t", id, got[id])
		}
	}
	if len(findings(s)) != 0 || s.Services[0].MemoryPercent != 84.9 || s.Disk.Space.Free != 12<<30 {
		t.Error("the snapshot was changed, or says so already")
	}
}
