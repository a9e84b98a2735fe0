package page

import (
	"cmp"
	"context"
	"encoding/json"
	"fmt"
	"net"
	"net/http"
	"os"
	"os/exec"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/chromedp/cdproto/cdp"
	"github.com/chromedp/cdproto/emulation"
	"github.com/chromedp/cdproto/log"
	"github.com/chromedp/cdproto/network"
	"github.com/chromedp/cdproto/runtime"
	"github.com/chromedp/chromedp"

	"github.com/25eloquence/compose-mage/internal/monitor"
	"github.com/25eloquence/compose-mage/internal/page"
	"github.com/25eloquence/compose-mage/internal/state"
)

// browserVariable names the browser. `go tool mage test` sets it to the distribution's Chromium, which it installs.
const browserVariable = "TEST_BROWSER"

// browserPath finds a Chromium.
func browserPath(t *testing.T) string {
	t.Helper()
	if path := os.Getenv(browserVariable); path != "" {
		return path
	}
	for _, name := range []string{"chromium", "chromium-browser", "google-chrome"} {
		if path, err := exec.LookPath(name); err == nil {
			return path
		}
	}
	t.Skipf("no Chromium: apt-get install chromium, or %s=PATH", browserVariable)
	return ""
}

// tab is a page in a browser of its own.
type tab struct {
	*testing.T
	ctx context.Context

	mutex    sync.Mutex
	said     []string // errors of scripts, and what the browser refused
	requests []string
}

// open starts a browser and gives an empty tab of so many pixels.
func open(t *testing.T, width, height int64) *tab {
	t.Helper()
	options := append(slices.Clone(chromedp.DefaultExecAllocatorOptions[:]), chromedp.ExecPath(browserPath(t)),
		chromedp.Flag("no-proxy-server", true))
	if os.Geteuid() == 0 {
		options = append(options, chromedp.NoSandbox) // Chromium's sandbox does not work for root
	}
	allocator, stop := chromedp.NewExecAllocator(t.Context(), options...)
	t.Cleanup(stop)
	ctx, leave := chromedp.NewContext(allocator)
	t.Cleanup(leave)
	p := &tab{T: t, ctx: ctx}
	if err := chromedp.Listen(ctx, p.listen); err != nil {
		t.Fatal(err)
	}
	p.do(chromedp.EmulateViewport(width, height))
	return p
}

func (p *tab) listen(event any) {
	p.mutex.Lock()
	defer p.mutex.Unlock()
	switch e := event.(type) {
	case *runtime.EventExceptionThrown:
		p.said = append(p.said, fmt.Sprintf("%+v", e.ExceptionDetails))
	case *log.EventEntryAdded:
		// A server that is away, and the answer 401 to the question for its proof, are the browser's errors too.
		if e.Entry.Source != log.EntrySourceNetwork {
			p.said = append(p.said, e.Entry.Text)
		}
	case *network.EventRequestWillBeSent:
		p.requests = append(p.requests, e.Request.URL)
	}
}

func (p *tab) do(actions ...chromedp.Action[chromedp.Void]) {
	p.Helper()
	ctx, cancel := context.WithTimeout(p.ctx, time.Minute)
	defer cancel()
	if err := chromedp.Do(ctx, actions...); err != nil {
		p.Fatal(err)
	}
}

// script runs a script for what it does.
func (p *tab) script(text string) {
	p.Helper()
	eval[bool](p, "(() => { "+text+"; return true; })()")
}

// eval gives what an expression is.
func eval[T any](p *tab, expression string) T {
	p.Helper()
	ctx, cancel := context.WithTimeout(p.ctx, time.Minute)
	defer cancel()
	out, err := chromedp.Run(ctx, chromedp.Evaluate[T](expression, chromedp.EvalAwaitPromise))
	if err != nil {
		p.Fatal(err)
	}
	return out
}

// until waits for a condition, an expression.
func (p *tab) until(condition string) {
	p.Helper()
	deadline := time.Now().Add(30 * time.Second)
	for !eval[bool](p, "!!("+condition+")") {
		if time.Now().After(deadline) {
			p.Fatalf("not so after half a minute: %s\nthe page: %s", condition,
				eval[string](p, "document.body.innerText"))
		}
		time.Sleep(50 * time.Millisecond)
	}
}

func (p *tab) live() {
	p.Helper()
	p.until(`document.getElementById('state').textContent === 'Live' && document.querySelector('#services tbody tr')`)
}

// clean fails where a script failed, the browser refused something, or anything but the server was asked.
func (p *tab) clean(s *site) {
	p.Helper()
	p.mutex.Lock()
	defer p.mutex.Unlock()
	for _, text := range p.said {
		p.Errorf("the browser says: %s", text)
	}
	for _, url := range p.requests {
		if !strings.HasPrefix(url, "http://"+s.address+"/") {
			p.Errorf("%s was asked", url)
		}
		if path, _, _ := strings.Cut(url, "#"); strings.Contains(path, s.token) {
			p.Errorf("the token stands in the address %s", url)
		}
	}
}

// scheme sets the theme.
func (p *tab) scheme(value string) {
	p.Helper()
	p.do(call(emulation.SetEmulatedMedia, emulation.SetEmulatedMediaParams{Features: []*emulation.MediaFeature{
		{Name: "prefers-color-scheme", Value: value}, {Name: "prefers-reduced-motion", Value: "reduce"},
	}}))
}

// call is a command of the browser's protocol as an action.
func call[P any](command cdp.Command[P, cdp.Empty], parameters P) chromedp.Action[chromedp.Void] {
	return chromedp.Func(func(ctx context.Context, _ *chromedp.Target) error {
		_, err := chromedp.Call(ctx, command, parameters)
		return err
	})
}

// feed gives the snapshots that a test puts in.
type feed struct {
	mutex     sync.Mutex
	latest    monitor.Snapshot
	followers map[chan monitor.Snapshot]bool
}

func (f *feed) Latest() (monitor.Snapshot, bool) {
	f.mutex.Lock()
	defer f.mutex.Unlock()
	return f.latest, !f.latest.Time.IsZero()
}

func (f *feed) Follow() (<-chan monitor.Snapshot, func()) {
	f.mutex.Lock()
	defer f.mutex.Unlock()
	c := make(chan monitor.Snapshot, 100)
	f.followers[c] = true
	c <- f.latest
	return c, func() {
		f.mutex.Lock()
		defer f.mutex.Unlock()
		delete(f.followers, c)
	}
}

func (f *feed) give(s monitor.Snapshot) {
	f.mutex.Lock()
	defer f.mutex.Unlock()
	f.latest = s
	for c := range f.followers {
		c <- s
	}
}

// site is a server of the page, which can be stopped and started again.
type site struct {
	project        string // where it is not the snapshots'
	t              *testing.T
	feed           *feed
	address, token string
	options        page.Options
	server         *page.Server
	stop           func()
}

// serve starts one with a snapshot.
func serve(t *testing.T, first monitor.Snapshot, options page.Options) *site {
	t.Helper()
	t.Setenv(state.Variable, t.TempDir())
	s := &site{
		t: t, feed: &feed{latest: first, followers: map[chan monitor.Snapshot]bool{}}, address: "127.0.0.1:0",
		token: page.NewToken(), options: options,
	}
	s.start()
	t.Cleanup(func() { s.stop() })
	return s
}

func (s *site) listen() net.Listener {
	s.t.Helper()
	deadline := time.Now().Add(10 * time.Second)
	for {
		l, err := net.Listen("tcp", s.address)
		if err == nil {
			s.address = l.Addr().String()
			return l
		}
		if time.Now().After(deadline) {
			s.t.Fatal(err)
		}
		time.Sleep(50 * time.Millisecond)
	}
}

func (s *site) start() {
	s.t.Helper()
	l := s.listen()
	o := s.options
	o.Project, o.Address, o.Token, o.From, o.Every = cmp.Or(s.project,
		s.feed.latest.Project), s.address, s.token, s.feed, time.Second
	s.server = page.New(o)
	ctx, cancel := context.WithCancel(context.Background())
	var both sync.WaitGroup
	both.Go(func() { s.server.Run(ctx) })
	both.Go(func() { _ = s.server.Serve(ctx, l) })
	s.stop = func() { cancel(); both.Wait() }
}

func (s *site) url() string { return page.URL(s.address, s.token) }

// another has somebody else's server take the address; it gives what that was sent as a token.
func (s *site) another() (sent func() []string, stop func()) {
	s.t.Helper()
	var mutex sync.Mutex
	var seen []string
	server := &http.Server{ReadHeaderTimeout: time.Second, Handler: http.HandlerFunc(
		func(w http.ResponseWriter, r *http.Request) {
			mutex.Lock()
			seen = append(seen, r.Header.Get("Authorization"))
			mutex.Unlock()
			w.Header().Set("Compose-Mage-Proof", strings.Repeat("0", 64))
			fmt.Fprint(w, "event: snapshot\ndata: {}\n\n")
		})}
	l := s.listen()
	go func() { _ = server.Serve(l) }()
	return func() []string {
		mutex.Lock()
		defer mutex.Unlock()
		return append([]string(nil), seen...)
	}, func() { _ = server.Close() }
}

// quoted is a text of JavaScript.
func quoted(text string) string {
	data, _ := json.Marshal(text)
	return string(data)
}
