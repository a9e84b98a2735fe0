package monitor

import (
	"net/netip"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/compose-spec/compose-go/v2/types"
	moby "github.com/moby/moby/api/types/container"
	"github.com/moby/moby/api/types/network"

	"github.com/25eloquence/compose-mage/internal/answer"
	"github.com/25eloquence/compose-mage/internal/container"
	"github.com/25eloquence/compose-mage/internal/extension"
)

// TestWhoIsAsked has the services that are asked: by what the Compose file says and by how they are.
func TestWhoIsAsked(t *testing.T) {
	says := func(keys map[string]any) types.ServiceConfig {
		return types.ServiceConfig{Extensions: types.Extensions{extension.Key: keys}}
	}
	project := &types.Project{
		Services: types.Services{
			"named": says(map[string]any{"answers": "tcp://10.0.0.1:1"}), "plain": {},
			"debugger": says(map[string]any{"ready": "started"}),
		},
		DisabledServices: types.Services{"off": says(map[string]any{"ready": "started"})},
	}
	with := func(service, state, health string) *row {
		ports := network.PortMap{network.MustParsePort("80/tcp"): []network.PortBinding{
			{HostIP: netip.MustParseAddr("10.0.0.1"), HostPort: "80"},
		}}
		return &row{Replica: Replica{
			Service: service, ID: service + " " + state + " " + health, State: state, Health: health,
			seen: &container.Replica{InspectResponse: moby.InspectResponse{
				NetworkSettings: &moby.NetworkSettings{Ports: ports},
			}},
		}}
	}
	unseen := with("plain", "running", "unseen")
	unseen.seen = nil
	rows := []*row{
		with("named", "running", ""), with("named", "running", "healthy"), with("named", "running", "unhealthy"),
		with("named", "running", "starting"), with("named", "paused", ""), with("named", "exited", ""),
		with("plain", "running", ""), with("debugger", "running", ""), with("off", "running", ""),
		with("orphan", "running", ""), unseen,
	}
	var got []string
	s := newSignals(nil)
	s.reach = answer.Reach{Local: true}
	for id := range s.answerTargets(rows, project) {
		got = append(got, strings.TrimSpace(id))
	}
	slices.Sort(got)
	want := "named running, named running healthy, named running unhealthy, orphan running, plain running"
	if got := strings.Join(got, ", "); got != want {
		t.Errorf("got %s\nwant %s", got, want)
	}
}

func TestAnswersThatAreTakenDown(t *testing.T) {
	bad, good := Answer{Of: "tcp://a", Error: "refuses"}, Answer{Of: "tcp://a", MS: 1}
	for name, c := range map[string]struct {
		health string
		up     time.Duration
		answer Answer
		taken  bool
	}{
		"good":                          {"", time.Second, good, true},
		"bad":                           {"", time.Minute, bad, true},
		"bad, started a moment ago":     {"", 29 * time.Second, bad, false},
		"bad, and it is healthy":        {"healthy", time.Second, bad, true},
		"bad, and it has just had time": {"", 30 * time.Second, bad, true},
	} {
		r := Replica{Health: c.health, Started: noon.Add(-c.up)}
		r.takeAnswer(c.answer, noon)
		if (r.Answer == c.answer) != c.taken || !c.taken && r.Answer != (Answer{}) {
			t.Errorf("%s: got %+v", name, r.Answer)
		}
	}
}

func TestAnswerFindings(t *testing.T) {
	row := func(state string, a Answer) Replica { return Replica{Service: "web 1", State: state, Answer: a} }
	named := Answer{Of: "http://10.0.0.1:80/", Error: "HTTP 503 Service Unavailable", MS: 3, Named: true}
	port := Answer{Of: "tcp://10.0.0.1:80", Error: "refuses the connection"}
	got := answerFindings([]Replica{
		row("running", named), row("running", named), row("running", port), row("exited", named),
		row("running", Answer{}),
		row("running", Answer{Of: "tcp://x", MS: 1}), row("running", Answer{Of: "tcp://x", Pending: true, MS: 1}),
	})
	want := []string{
		"answer.failed web 1 does not answer as it should: http://10.0.0.1:80/ HTTP 503 Service Unavailable" +
			" | go tool mage logs 'web 1'",
		"answer.failed web 1 does not answer as it should: tcp://10.0.0.1:80 refuses the connection" +
			" | go tool mage logs 'web 1'; x-compose-mage: {ready: started} on the service, if nothing has to listen" +
			" there",
	}
	var texts []string
	for _, f := range got {
		texts = append(texts, f.ID+" "+f.Evidence+" | "+f.Remedy)
		if !slices.Equal(f.Subjects, []string{"web 1"}) {
			t.Errorf("it is about %q", f.Subjects)
		}
	}
	if !slices.Equal(texts, want) {
		t.Errorf("got\n%s\nwant\n%s", strings.Join(texts, "\n"), strings.Join(want, "\n"))
	}
	if all := findings(Snapshot{Services: []Replica{row("running", named)}}); len(all) != 1 {
		t.Errorf("a snapshot has %+v", all)
	}
}

func TestAnswerCell(t *testing.T) {
	for want, r := range map[string]Replica{
		"-":        {State: "running"},
		"0.4 ms":   {State: "running", Answer: Answer{Of: "x", MS: 0.42}},
		"12 ms":    {State: "running", Answer: Answer{Of: "x", MS: 12.3}},
		"> 490 ms": {State: "running", Answer: Answer{Of: "x", MS: 490, Pending: true}},
		"failed":   {State: "running", Answer: Answer{Of: "x", MS: 12, Error: "HTTP 500"}},
	} {
		if got := r.answerCell(); got != want {
			t.Errorf("got %s, want %s", got, want)
		}
	}
	if got := (Replica{State: "exited", Answer: Answer{Of: "x", MS: 1}}).answerCell(); got != "-" {
		t.Errorf("of one that has ended: %s", got)
	}
}
