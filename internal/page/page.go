// Package page owns the HTTP server of a project that is watched: the page, the snapshots as they are taken, who may
// ask for them, and how a look finds the server that runs. It looks at no container itself.
package page

import (
	"bytes"
	"context"
	"crypto/rand"
	"encoding/hex"
	"encoding/json"
	"net"
	"net/http"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/25eloquence/compose-mage/internal/bounded"
	"github.com/25eloquence/compose-mage/internal/monitor"
	"github.com/25eloquence/compose-mage/internal/ui"
	"github.com/25eloquence/compose-mage/internal/ui/printable"
)

// Snapshots is where a server has its snapshots from; *monitor.Observer is one.
type Snapshots interface {
	Latest() (monitor.Snapshot, bool)
	Follow() (snapshots <-chan monitor.Snapshot, stop func())
}

// Options say what a server shows.
type Options struct {
	Project string
	Address string // host and port that it listens on
	Token   string // without which nobody gets anything
	Every   time.Duration
	From    Snapshots
	History History // nil where nothing is kept
	// Handlers are further ones by their paths, such as "/metrics". They are asked by those alone who have the token.
	Handlers map[string]http.Handler
	// Logs gives the last lines of a service's logs; nil where they are not shown.
	Logs func(ctx context.Context, service string) ([]string, error)
}

// Server shows one project.
type Server struct {
	Options
	journal *journal
	clients chan struct{} // one for each that follows the events
	mux     *http.ServeMux

	mutex sync.Mutex
	lost  error // why the engine can't be asked; nil where it can
}

// NewToken makes a token: 32 random bytes, in hexadecimal digits.
func NewToken() string {
	var b [32]byte
	_, _ = rand.Read(b[:]) // never fails (Go 1.24)
	return hex.EncodeToString(b[:])
}

// New makes a server. Run keeps its events, and Serve answers.
func New(o Options) *Server {
	s := &Server{
		Options: o, journal: newJournal(NewToken()[:8]), clients: make(chan struct{}, maxFollowers),
		mux: http.NewServeMux(),
	}
	s.mux.HandleFunc("/{$}", func(w http.ResponseWriter, _ *http.Request) { writeShell(w, http.StatusOK) })
	s.mux.HandleFunc("/snapshot.json", s.snapshot)
	s.mux.HandleFunc("/events", s.events)
	s.mux.HandleFunc("/timeline.json", s.timeline)
	if o.History != nil {
		s.mux.HandleFunc("/history.json", s.history)
	}
	if o.Logs != nil {
		s.mux.HandleFunc("/logs.json", s.logs)
	}
	for path, handler := range o.Handlers {
		s.mux.Handle(path, handler)
	}
	return s
}

// Engine says that the engine can't be asked, and why, or with nil that it can again.
func (s *Server) Engine(err error) {
	s.mutex.Lock()
	changed := err != nil || s.lost != nil
	s.lost = err
	s.mutex.Unlock()
	if changed {
		s.journal.add("engine", marshal(map[string]string{"engine": s.engineLost()}))
	}
}

// engineLost says why the engine can't be asked; "" where it can.
func (s *Server) engineLost() string {
	s.mutex.Lock()
	defer s.mutex.Unlock()
	if s.lost == nil {
		return ""
	}
	return bounded.Line(printable.Line(s.lost.Error()))
}

// Run keeps each snapshot for those who follow the events, until ctx ends.
func (s *Server) Run(ctx context.Context) {
	snapshots, stop := s.From.Follow()
	defer stop()
	for {
		select {
		case <-ctx.Done():
			return
		case snapshot := <-snapshots:
			s.Engine(nil)
			s.journal.add("snapshot", marshal(s.shown(snapshot)))
		}
	}
}

// snapshot gives what monitor -json prints.
func (s *Server) snapshot(w http.ResponseWriter, _ *http.Request) {
	snapshot, ok := s.From.Latest()
	if !ok {
		http.Error(w, "there is no snapshot yet", http.StatusServiceUnavailable)
		return
	}
	writeJSON(w, s.shown(snapshot))
}

// shown is a snapshot without what its containers log, where the server was not asked to show logs.
func (s *Server) shown(snapshot monitor.Snapshot) monitor.Snapshot {
	if s.Logs != nil {
		return snapshot
	}
	snapshot.Services = slices.Clone(snapshot.Services)
	for i := range snapshot.Services {
		snapshot.Services[i].Log.Groups = nil
	}
	return snapshot
}

func (s *Server) logs(w http.ResponseWriter, r *http.Request) {
	lines, err := s.Logs(r.Context(), r.URL.Query().Get("service"))
	if err != nil {
		http.Error(w, err.Error(), http.StatusNotFound)
		return
	}
	writeJSON(w, lines)
}

func writeJSON(w http.ResponseWriter, v any) {
	var b bytes.Buffer
	if err := ui.WriteJSON(&b, v, "  "); err != nil {
		http.Error(w, err.Error(), http.StatusInternalServerError)
		return
	}
	w.Header().Set("Content-Type", "application/json")
	_, _ = w.Write(b.Bytes())
}

// marshal gives a value of ours in one line.
func marshal(v any) []byte {
	data, err := json.Marshal(v)
	if err != nil { // as of a number that is none
		data, _ = json.Marshal(map[string]string{"error": err.Error()})
	}
	return data
}

// The limits of what clients may take.
const (
	maxFollowers   = 16 // of the events
	maxConnections = 64
	maxHeader      = 16 << 10 // bytes
	headerTimeout  = 5 * time.Second
	idleTimeout    = time.Minute
	writeTimeout   = 20 * time.Second // of an answer, or of one event
	endTimeout     = time.Second      // for answers under way, when the server ends
)

// Serve answers on the listener until ctx ends, which is no error.
func (s *Server) Serve(ctx context.Context, l net.Listener) error {
	running, stop := context.WithCancel(ctx)
	defer stop()
	server := &http.Server{
		Handler: s.Handler(), ReadHeaderTimeout: headerTimeout, IdleTimeout: idleTimeout,
		MaxHeaderBytes: maxHeader, ErrorLog: silent(),
		BaseContext: func(net.Listener) context.Context { return running }, // so that followers end with it
	}
	ended := make(chan error, 1)
	go func() { ended <- server.Serve(limited(l, maxConnections)) }()
	select {
	case err := <-ended:
		return err
	case <-ctx.Done():
	}
	late, cancel := context.WithTimeout(context.WithoutCancel(ctx), endTimeout)
	defer cancel()
	if server.Shutdown(late) != nil {
		_ = server.Close()
	}
	return nil
}

// URL is the address to open: the token is in its fragment, which no browser sends to any server.
func URL(address, token string) string { return "http://" + address + "/#token=" + token }

// Loopback says whether only this machine reaches an address of a listener.
func Loopback(address string) bool {
	host, _, err := net.SplitHostPort(address)
	if err != nil {
		return false
	}
	ip := net.ParseIP(host)
	return strings.EqualFold(host, "localhost") || ip != nil && ip.IsLoopback()
}
