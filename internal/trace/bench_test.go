package trace

import (
	"context"
	"fmt"
	"path/filepath"
	"testing"

	"github.com/25eloquence/compose-mage/internal/operation"
)

// sixServices is a start of a chain of six services.
func sixServices() []operation.Operation {
	var all []operation.Operation
	for i := range 6 {
		name := fmt.Sprintf("service-%d", i)
		begin := []operation.Need{{Operation: len(all)}}
		if i > 0 {
			begin = append(begin, operation.Need{Operation: len(all) - 1, Healthy: true})
		}
		ms := i * 400
		all = append(all,
			operation.Operation{Kind: operation.Create, Service: name, Began: at(0), Ended: at(50)},
			operation.Operation{
				Kind: operation.Start, Service: name, Began: at(ms), Admitted: at(ms + 10), Ended: at(ms + 100),
				Needs: begin,
			},
			operation.Operation{
				Kind: operation.Wait, Service: name, Began: at(ms + 100), Ended: at(ms + 400),
				Needs: []operation.Need{{Operation: len(all) + 1}},
			})
	}
	return all
}

// BenchmarkSixServices is all that a trace adds to a start of six services: its file is opened, 60 probes are noted,
// and it is written to the disk.
func BenchmarkSixServices(b *testing.B) {
	path, all := filepath.Join(b.TempDir(), "start.json"), sixServices()
	for b.Loop() {
		f, err := Open(path, "start")
		if err != nil {
			b.Fatal(err)
		}
		_, l := Begin(With(context.Background(), f), "start", "shop")
		for range 60 {
			l.Add(span("service-1", "probe", Probe, 0, 1))
		}
		l.AddAll(Operations(all, at(0)))
		l.End(false, "service-0 0.4s")
		if err := f.Close(context.Background(), nil); err != nil {
			b.Fatal(err)
		}
	}
}
