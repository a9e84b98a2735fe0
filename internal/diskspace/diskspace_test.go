package diskspace

import (
	"path/filepath"
	"testing"
)

func TestOfAPathThatIsNotThereYet(t *testing.T) {
	dir := t.TempDir()
	is, err := Of(dir)
	if err != nil {
		t.Fatal(err)
	}
	if is.Total <= 0 || is.Free < 0 || is.Free > is.Total {
		t.Errorf("implausible space %+v", is)
	}
	will, err := Of(filepath.Join(dir, "state", "not", "made"))
	if err != nil {
		t.Fatal(err)
	}
	if will.Total != is.Total {
		t.Errorf("a path to be made has %d bytes in all, its parent %d", will.Total, is.Total)
	}
}

func TestFreePercent(t *testing.T) {
	for _, c := range []struct {
		space Space
		want  float64
	}{{Space{Free: 25, Total: 100}, 25}, {Space{Free: 0, Total: 100}, 0}, {Space{}, 100}} {
		if got := c.space.FreePercent(); got != c.want {
			t.Errorf("%+v: %v %%, want %v %%", c.space, got, c.want)
		}
	}
}
