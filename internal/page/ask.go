package page

import (
	"context"
	"crypto/hmac"
	"errors"
	"net"
	"net/http"
	"path/filepath"
	"slices"
	"time"

	"github.com/25eloquence/compose-mage/internal/bounded"
	"github.com/25eloquence/compose-mage/internal/finding"
	"github.com/25eloquence/compose-mage/internal/monitor"
	"github.com/25eloquence/compose-mage/internal/state"
)

// How long a server is waited for, and the most that is read of its snapshot. Who waits longer would have looked
// himself by then.
const (
	dialTimeout = 100 * time.Millisecond
	askTimeout  = 250 * time.Millisecond
	mostAnswer  = 16 << 20
)

// Ask gives the newest snapshot of the server that this user runs for the caller's project, and the server's record.
// It says no wherever there is none, or its snapshot is old, of another version, or of Compose files or variables that
// have changed since, or lacks one of the named services: whoever asks has to look himself then. None named is all.
func Ask(ctx context.Context, caller string, services []string) (monitor.Snapshot, Record, bool) {
	dir, err := state.Dir()
	if err != nil {
		return monitor.Snapshot{}, Record{}, false
	}
	paths, err := filepath.Glob(filepath.Join(dir, "projects", "*", recordName))
	if err != nil {
		return monitor.Snapshot{}, Record{}, false
	}
	for _, path := range paths {
		r, age, ok := readRecord(path)
		if !ok || r.Of != caller || r.Shape != shape() || age > 3*AliveEvery || !unchanged(r.Files) ||
			r.Variables != VariablesOf(r.Files) {
			continue
		}
		s, err := fetch(ctx, r)
		if err == nil && s.Project == r.Project && time.Since(s.Time) < fresh(r.Every) {
			s, ok = only(s, services)
			return s, r, ok
		}
	}
	return monitor.Snapshot{}, Record{}, false
}

// only leaves the rows of the named services and what was found of them; false where one of them has no row.
func only(s monitor.Snapshot, services []string) (monitor.Snapshot, bool) {
	if len(services) == 0 {
		return s, true
	}
	for _, name := range services {
		if !slices.ContainsFunc(s.Services, func(r monitor.Replica) bool { return r.Service == name }) {
			return s, false
		}
	}
	s.Services = slices.DeleteFunc(slices.Clone(s.Services),
		func(r monitor.Replica) bool { return !slices.Contains(services, r.Service) })
	s.Findings = slices.DeleteFunc(slices.Clone(s.Findings), func(f finding.Finding) bool {
		return len(f.Subjects) > 0 &&
			!slices.ContainsFunc(f.Subjects, func(name string) bool { return slices.Contains(services, name) })
	})
	return s, true
}

// fresh is how old a snapshot may be that is taken every so many seconds.
func fresh(every float64) time.Duration {
	return min(max(2*time.Duration(every*float64(time.Second)), 5*time.Second), 30*time.Second)
}

// errNotOurs is of a server that can't prove that it has the token.
var errNotOurs = errors.New("another server has the address")

// fetch asks the server for its snapshot. The token is sent to none that has not proved to have it: whoever took the
// address when the server ended would learn it.
func fetch(ctx context.Context, r Record) (s monitor.Snapshot, err error) {
	ctx, cancel := context.WithTimeout(ctx, askTimeout)
	defer cancel()
	client := http.Client{
		// No proxy: the server is this machine's.
		Transport:     &http.Transport{DialContext: (&net.Dialer{Timeout: dialTimeout}).DialContext},
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}
	defer client.CloseIdleConnections()
	nonce := NewToken()
	answer, err := get(ctx, client, r, nonceHeader, nonce)
	if err != nil {
		return s, err
	}
	_ = answer.Body.Close()
	if !hmac.Equal([]byte(answer.Header.Get(proofHeader)), []byte(proof(r.Token, nonce, r.Address))) {
		return s, errNotOurs
	}
	if answer, err = get(ctx, client, r, "Authorization", "Bearer "+r.Token); err != nil {
		return s, err
	}
	defer answer.Body.Close()
	if answer.StatusCode != http.StatusOK {
		return s, errNotOurs
	}
	err = bounded.Limit{What: "the snapshot of monitor -serve", Bytes: mostAnswer}.Decode(answer.Body, &s)
	return s, err
}

func get(ctx context.Context, client http.Client, r Record, header, value string) (*http.Response, error) {
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, "http://"+r.Address+"/snapshot.json", nil)
	if err != nil {
		return nil, err
	}
	request.Header.Set(header, value)
	return client.Do(request)
}
