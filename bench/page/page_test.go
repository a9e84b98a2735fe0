package page

import (
	"context"
	"errors"
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/chromedp/chromedp"
	"github.com/chromedp/chromedp/kb"

	"github.com/25eloquence/compose-mage/internal/monitor"
	"github.com/25eloquence/compose-mage/internal/page"
)

// whole has everything that a page can show.
func whole() page.Options { return page.Options{History: waves{}, Logs: someLogs} }

// firstRow is the text of the first service's row.
const firstRow = `(document.querySelector('#services tbody tr')?.innerText ?? '')`

func TestThePageLives(t *testing.T) {
	s := serve(t, shop(), whole())
	p := open(t, 1200, 900)
	p.do(chromedp.Navigate(s.url()))
	p.live()
	if got := eval[string](p, "location.href"); got != "http://"+s.address+"/" {
		t.Errorf("the address bar has %s", got)
	}
	next := shop()
	next.Services[0].CPUPercent, next.Services[0].OOMKills = 12.3, 7
	next.Findings = next.Findings[:1]
	s.feed.give(next)
	p.until(firstRow + `.includes('12 %') && ` + firstRow + `.includes('7')`)
	p.until(`document.querySelectorAll('#findings li').length === 1 && document.title.startsWith('(1) shop')`)
	next.Services = next.Services[1:]
	next.Findings = nil
	s.feed.give(next)
	p.until(firstRow + `.includes('cache') && !document.getElementById('fine').hidden`)
	s.server.Engine(errors.New("connection refused"))
	p.until(`document.getElementById('engine').innerText.includes('connection refused')`)
	s.feed.give(shop())
	p.until(`document.getElementById('engine').hidden`)
	p.do(chromedp.Reload())
	p.live() // the token is kept for that
	p.clean(s)
}

func TestThePageConnectsAgain(t *testing.T) {
	s := serve(t, shop(), whole())
	p := open(t, 1200, 900)
	p.do(chromedp.Navigate(s.url()))
	p.live()
	s.stop()
	p.until(`/^Not connected since \d/.test(document.getElementById('state').textContent)`)
	if got := eval[int](p, "sessionStorage.length"); got != 0 {
		t.Error("whoever takes the address now can read the token when the page is loaded again")
	}
	if !eval[bool](p, firstRow+`.includes('api')`) {
		t.Error("what was seen last is gone")
	}
	sent, leave := s.another()
	p.until(`document.getElementById('state').textContent.includes('another token')`)
	for _, token := range sent() {
		if token != "" {
			t.Errorf("somebody else's server was sent %q", token)
		}
	}
	leave()
	s.start()
	p.live()
	next := shop()
	next.Services[0].OOMKills = 8
	s.feed.give(next)
	p.until(firstRow + `.includes('8')`)
	s.stop()
	old := s.token
	s.token = page.NewToken()
	s.start()
	p.until(`document.getElementById('state').textContent.includes('started anew')`)
	p.do(chromedp.SetValue(chromedp.CSS("#token"), s.url()), chromedp.Click(chromedp.CSS("#ask button")))
	p.live()
	if s.token == old {
		t.Fatal("the token is the old one")
	}
	p.clean(s)
}

// The address that the next server has printed differs in its fragment alone: a browser loads nothing then.
func TestAnotherTokenInTheAddress(t *testing.T) {
	s := serve(t, shop(), whole())
	p := open(t, 1200, 900)
	p.do(chromedp.Navigate("http://" + s.address + "/"))
	p.until(`!document.getElementById('ask').hidden && document.getElementById('content').hidden`)
	if strings.Contains(eval[string](p, "document.documentElement.outerHTML"), "shop") {
		t.Error("without a token, the page has something of the project")
	}
	p.script("location.hash = " + quoted("token="+page.NewToken()))
	p.until(`document.getElementById('state').textContent.includes('another token')`)
	p.script("location.hash = " + quoted("token="+s.token))
	p.live()
	p.clean(s)
}

func TestMissedEventsAreSent(t *testing.T) {
	s := serve(t, shop(), whole())
	p := open(t, 1200, 900)
	p.do(chromedp.Navigate(s.url()))
	p.live()
	p.script(`const old = show; window.seen = []; show = s => { seen.push(s.services[0].oom_kills); old(s); };
		current.abort()`)
	for i := range 3 {
		next := shop()
		next.Services[0].OOMKills = 20 + i
		s.feed.give(next)
	}
	p.until(`window.seen.join() === '20,21,22'`)
}

// hostileText would run where it is taken for markup.
const hostileText = "</script><script>window.owned=1</script><img src=x onerror='window.owned=1'>\u202e"

func TestNoTextIsTakenForMarkup(t *testing.T) {
	bad := func(string) string { return hostileText }
	first := shop()
	everywhere(reflect.ValueOf(&first).Elem(), hostileText)
	for i := range first.Services { // or it would not be shown that they run
		first.Services[i].State = "running"
	}
	first.Services[1].State = hostileText
	s := serve(t, first, page.Options{History: waves{}, Logs: func(context.Context, string) ([]string, error) {
		return []string{hostileText}, nil
	}})
	keepUnder(t, s, bad)
	s.server.Engine(errors.New(hostileText))
	p := open(t, 1200, 900)
	p.do(chromedp.Navigate(s.url()))
	p.live()
	s.server.Engine(errors.New(hostileText))
	p.until(`!document.getElementById('engine').hidden && ` +
		`document.getElementById('lines').textContent.includes('<script>')`)
	p.until(`document.querySelector('#steps tbody tr') && document.querySelector('#figures svg')`)
	if eval[bool](p, "!!window.owned") || eval[int](p, "document.scripts.length") != 1 ||
		eval[int](p, "document.images.length") != 0 {
		t.Error("a text was taken for markup")
	}
	for _, place := range []string{
		"#project", "#services tbody th", "#services tbody tr:nth-child(2)", "#findings li span", "#findings code",
		"#service",
		"#operations tbody", "#timeline", "#start-line", "#steps tbody", "#build-timeline", "#build-line",
		"#facts", "#free", "#engine", "#lines",
	} {
		text := eval[string](p, "document.querySelector("+quoted(place)+").textContent")
		if !strings.Contains(text, "<script>") {
			t.Errorf("%s shows %q", place, text)
		}
		if strings.Contains(text, "\u202e") {
			t.Errorf("%s turns the direction of writing", place)
		}
	}
	p.clean(s)
}

// keepUnder keeps timelines for the site's project, whatever its name.
func keepUnder(t *testing.T, s *site, name func(string) string) {
	t.Helper()
	s.stop()
	s.project = "shop"
	keepTimelines(t, name, 0)
	s.start()
}

func TestThePageWorksByKeyboard(t *testing.T) {
	s := serve(t, shop(), whole())
	keepTimelines(t, func(s string) string { return s }, 0)
	p := open(t, 1200, 900)
	p.do(chromedp.Navigate(s.url()))
	p.live()
	p.do(chromedp.KeyEvent(kb.Tab))
	p.until(`document.activeElement.textContent.startsWith('Skip')`)
	p.do(chromedp.KeyEvent(kb.Enter))
	p.until(`document.activeElement.id === 'main'`)
	reached := map[string]bool{}
	for range 40 {
		p.do(chromedp.KeyEvent(kb.Tab))
		where := eval[string](p, `(() => { const e = document.activeElement, s = getComputedStyle(e);
			return s.outlineStyle === 'none' ? 'unseen ' + e.outerHTML : (e.id || e.textContent || e.className); })()`)
		if strings.HasPrefix(where, "unseen <body") {
			break // the end
		}
		if strings.HasPrefix(where, "unseen") {
			t.Fatalf("nobody sees the focus: %s", where)
		}
		if where == "Memory" {
			p.do(chromedp.KeyEvent(kb.Enter))
			p.until(`document.querySelector('th[aria-sort=ascending]').textContent === 'Memory' && ` + firstRow +
				`.includes('mail')`)
			p.do(chromedp.KeyEvent(kb.Enter))
			p.until(`document.querySelector('th[aria-sort=descending]').textContent === 'Memory' && ` + firstRow +
				`.includes('worker') && document.activeElement.textContent === 'Memory'`)
		}
		if where == "worker" { // a row that is redrawn keeps the focus
			next := shop()
			next.Services[5].MemoryUsed, next.Services[5].OOMKills = 1, 9
			s.feed.give(next)
			p.until(`document.querySelector('#services tbody tr:last-child').innerText.includes('worker')`)
			p.until(`document.activeElement.textContent === 'worker'`)
			p.do(chromedp.KeyEvent(kb.Enter))
			p.until(`document.activeElement.id === 'service' && document.activeElement.value === 'worker'`)
			reached["worker"] = true
			continue
		}
		reached[where] = true
	}
	for _, want := range []string{
		"Copy", "Service", "Memory", "worker", "span", "Numbers: CPU, percent of one core", "Operations as a table",
		"Steps as a table", "lines",
	} {
		if !reached[want] {
			t.Errorf("%q is not reached: %v", want, reached)
		}
	}
	p.clean(s)
}

// Nothing but tables, which scroll by themselves, is wider than a small telephone.
func TestNarrow(t *testing.T) {
	first := shop()
	first.Findings[0].Evidence = strings.Repeat("averylongname", 20)
	first.Findings[0].Remedy = strings.Repeat("go-tool-mage-", 20)
	first.Services[0].Service = strings.Repeat("averylongname", 5)
	s := serve(t, first, whole())
	keepTimelines(t, func(s string) string { return s + strings.Repeat("averylongname", 9) }, 0)
	p := open(t, 320, 640)
	p.do(chromedp.Navigate(s.url()))
	p.live()
	p.until(`document.querySelector('#steps tbody tr') && document.querySelector('#figures svg')`)
	p.script(`document.querySelectorAll('details').forEach(d => d.open = true)`)
	p.until(`document.querySelectorAll('#figures tbody tr').length > 10`)
	if got := eval[int](p, "document.documentElement.scrollWidth"); got > 320 {
		t.Errorf("the page is %d pixels wide", got)
	}
	wide := eval[[]string](p,
		`[...document.querySelectorAll('body *')].filter(e => !e.closest('.scroll table, svg, .skip, .unseen') &&
		(e.getBoundingClientRect().right > 320.5 || e.getBoundingClientRect().left < -.5)).map(e => e.tagName + '#' + e.id)`)
	if len(wide) > 0 {
		t.Errorf("wider than the window: %v", wide)
	}
	p.clean(s)
}

// A history of nothing, a service that does not run, and no project yet are shown without a fault.
func TestWithoutAnything(t *testing.T) {
	empty := monitor.Snapshot{Time: time.Now(), Project: "shop"}
	s := serve(t, empty, page.Options{})
	p := open(t, 800, 600)
	p.do(chromedp.Navigate(s.url()))
	p.until(`document.getElementById('state').textContent === 'Live' && !document.getElementById('fine').hidden`)
	next := shop()
	for i := range next.Services {
		next.Services[i] = monitor.Replica{Service: next.Services[i].Service, State: monitor.StateMissing}
	}
	s.feed.give(next)
	p.until(firstRow + `.includes('missing') && document.getElementById('facts').textContent === 'It does not run.'`)
	p.clean(s)
}

// The last start and the last build are there as drawings and as tables that say the same.
func TestTimelines(t *testing.T) {
	s := serve(t, shop(), whole())
	keepTimelines(t, func(s string) string { return s }, 150)
	p := open(t, 1200, 900)
	p.do(chromedp.Navigate(s.url()))
	p.live()
	p.until(`document.querySelector('#operations tbody tr') && document.querySelector('#steps tbody tr')`)
	const line = ", 6.4 s, failed; critical path: db 3.1s → api 3.3s"
	rows := func(table string) string { return `[...document.querySelectorAll('#` + table + ` tbody tr')]` }
	for what, want := range map[string]any{
		// 16 spans less the queue, the two probes and the two links of the path, which are no rows of their own.
		rows("operations") + `.length`:                                                     11.0,
		`document.querySelectorAll('#timeline .critical').length`:                          5.0,
		`document.querySelectorAll('#timeline .part').length`:                              2.0,
		`document.querySelectorAll('#timeline .bar.failed').length`:                        1.0,
		`document.querySelectorAll('#operations td.bad').length`:                           1.0,
		`document.getElementById('start-line').textContent.includes(` + quoted(line) + `)`: true,
		rows("steps") + `.length`:                                                          158.0,
		`document.querySelector('#build-timeline figcaption').textContent`:                 "The 100 longest of 158",
		`document.querySelectorAll('#build-timeline .critical').length`:                    4.0,
		rows("steps") + `.filter(r => r.cells[5].textContent === 'yes').length`:            4.0,
		rows("operations") + `.find(r => r.cells[0].textContent === 'start' &&
			r.cells[1].textContent === 'db').cells[4].textContent`: "0.10 s",
		`document.querySelector('#build-timeline svg').getAttribute('aria-label')`: "Timeline of the last build: " +
			"158 steps in 21.0 s; the table below has its numbers",
	} {
		if got := eval[any](p, what); got != want {
			t.Errorf("%s: got %v, want %v", what, got, want)
		}
	}
	p.clean(s)
}
