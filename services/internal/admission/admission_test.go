package admission

import (
	"encoding/binary"
	"net/netip"
	"os"
	"path/filepath"
	"testing"
	"testing/synctest"
	"time"
)

func address(n uint32) netip.Addr {
	var b [4]byte
	binary.BigEndian.PutUint32(b[:], n)
	return netip.AddrFrom4(b)
}

func TestBudgetKeepsHalfForOthers(t *testing.T) {
	b := NewBudget(100)
	greedy, other := address(1), address(2)
	var held []func()
	for {
		release, ok := b.Take(greedy, 10)
		if !ok {
			break
		}
		held = append(held, release)
	}
	if len(held) != 5 {
		t.Errorf("one client got %d times a tenth, want 5", len(held))
	}
	release, ok := b.Take(other, 50)
	if !ok {
		t.Fatal("another client found no room")
	}
	if _, ok := b.Take(address(3), 1); ok {
		t.Error("more than the budget was given out")
	}
	release()
	for _, release := range held {
		release()
	}
	if b.Taken() != 0 || len(b.clients) != 0 {
		t.Errorf("after all is over %d bytes and %d clients are left", b.Taken(), len(b.clients))
	}
	if _, ok := b.Take(greedy, 1000); !ok {
		t.Error("a request larger than a share never gets in")
	}
}

func TestRateOfEachClient(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := NewRate(2, 10)
		let := 0
		for range 1000 {
			if r.Take(address(1)) == 0 {
				let++
			}
		}
		if wait := r.Take(address(1)); let != 10 || wait != time.Second {
			t.Errorf("%d of 1000 at once were let in, then wait %s; want 10 and 1s", let, wait)
		}
		if r.Take(address(2)) != 0 {
			t.Error("the flood of one client kept another out")
		}
		time.Sleep(time.Second)
		let = 0
		for range 10 {
			if r.Take(address(1)) == 0 {
				let++
			}
		}
		if let != 2 {
			t.Errorf("%d were let in a second after the burst, want 2", let)
		}
	})
}

func TestRateForgetsClients(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := NewRate(1, 2)
		for n := range uint32(5 * mostClients) {
			r.Take(address(n))
		}
		if len(r.clients) > mostClients+1 {
			t.Errorf("%d clients are remembered, want at most %d", len(r.clients), mostClients+1)
		}
		time.Sleep(time.Minute)
		r.Take(address(1 << 30))
		if len(r.clients) != 1 {
			t.Errorf("%d clients are remembered after a minute without them", len(r.clients))
		}
	})
}

func TestMemoryFollowsTheLimit(t *testing.T) {
	for name, c := range map[string]struct {
		file, text string
		want       int64
	}{
		"version 2":               {"memory.max", "1073741824\n", 256 << 20},
		"version 2, large":        {"memory.max", "17179869184\n", 1 << 30},
		"version 2, tiny":         {"memory.max", "67108864\n", 64 << 20},
		"version 2 without limit": {"memory.max", "max\n", 1 << 30},
		"version 1":               {"memory/memory.limit_in_bytes", "2147483648\n", 512 << 20},
		"version 1 without limit": {"memory/memory.limit_in_bytes", "9223372036854771712\n", 1 << 30},
		"none":                    {"elsewhere", "1\n", 1 << 30},
	} {
		path := filepath.Join(t.TempDir(), c.file)
		if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, []byte(c.text), 0o600); err != nil {
			t.Fatal(err)
		}
		root := filepath.Dir(path)
		if filepath.Base(root) == "memory" {
			root = filepath.Dir(root)
		}
		if got := memory(root); got != c.want {
			t.Errorf("%s: got %d, want %d", name, got, c.want)
		}
	}
}
