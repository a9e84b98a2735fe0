package page

import (
	"net/http"
	"slices"
	"strconv"
	"time"

	"github.com/25eloquence/compose-mage/internal/history"
	"github.com/25eloquence/compose-mage/internal/monitor"
)

// History is where a server has what was measured before; *history.Store is one.
type History interface {
	Query(service, metric string, from, to time.Time, step time.Duration) ([]history.Point, error)
}

// charted are the metrics that the page draws.
var charted = []string{history.CPUPercent, history.MemoryWorkingSet, history.ResponseMS, history.HealthCheckMS}

// What of the past is asked for, and in how many steps it is given.
const (
	longest = 7 * 24 * time.Hour
	points  = 360
)

// history gives a service's series of the last "span" seconds: by metric, lists of seconds since 1970, the least, the
// mean and the greatest value.
func (s *Server) history(w http.ResponseWriter, r *http.Request) {
	service := r.URL.Query().Get("service")
	seconds, err := strconv.Atoi(r.URL.Query().Get("span"))
	if err != nil || seconds <= 0 || seconds > int(longest.Seconds()) {
		http.Error(w, "span is no number of seconds of up to seven days", http.StatusBadRequest)
		return
	}
	latest, _ := s.From.Latest()
	if !slices.ContainsFunc(latest.Services, func(r monitor.Replica) bool { return r.Service == service }) {
		http.Error(w, "there is no such service", http.StatusNotFound)
		return
	}
	to, span := time.Now(), time.Duration(seconds)*time.Second
	out := map[string][][4]float64{}
	for _, metric := range charted {
		found, err := s.History.Query(service, metric, to.Add(-span), to, span/points)
		if err != nil {
			http.Error(w, "the history can't be read", http.StatusInternalServerError)
			return
		}
		for _, p := range found {
			out[metric] = append(out[metric], [4]float64{float64(p.Time.UnixMilli()) / 1000, p.Min, p.Mean, p.Max})
		}
	}
	writeJSON(w, out)
}
