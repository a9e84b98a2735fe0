package page

import (
	"crypto/sha256"
	"encoding/hex"
	"os"
	"path/filepath"
	"slices"
	"testing"

	cdppage "github.com/chromedp/cdproto/page"
	"github.com/chromedp/chromedp"
)

// axeSum is of axe.min.js in the package axe-core 4.14.1 of the npm registry (licence: MPL 2.0, testdata/axe.LICENSE).
const axeSum = "29348999450cdf2849a8e70b7912fc2da85a849da39c0d0d5394f51d4a9ed95c"

func axe(t *testing.T) string {
	t.Helper()
	data, err := os.ReadFile(filepath.Join("testdata", "axe.min.js"))
	if err != nil {
		t.Fatal(err)
	}
	if sum := sha256.Sum256(data); hex.EncodeToString(sum[:]) != axeSum {
		t.Fatal("testdata/axe.min.js is not that of axe-core 4.14.1")
	}
	return string(data)
}

// violations has axe look at the page as it is.
func (p *tab) violations(where string) {
	p.Helper()
	for _, text := range eval[[]string](p,
		`axe.run(document, {resultTypes: ['violations']}).then(r => r.violations.map(v =>
		v.id + ': ' + v.help + ': ' + v.nodes.map(n => n.target.join(' ') + ' ' + n.failureSummary).join('; ')))`) {
		p.Errorf("%s: %s", where, text)
	}
}

// TestAccessible looks at everything that the page can be: without a token, whole, and cut off, in both themes, on a
// wide window and a narrow one.
func TestAccessible(t *testing.T) {
	source := axe(t)
	for _, width := range []int64{1200, 320} {
		s := serve(t, shop(), whole())
		keepTimelines(t, func(s string) string { return s }, 0)
		p := open(t, width, 900)
		p.do(call(cdppage.SetBypassCSP, cdppage.SetBypassCSPParams{Enabled: true}),
			chromedp.Navigate("http://"+s.address+"/"))
		p.until(`!document.getElementById('ask').hidden`)
		p.script(source)
		if eval[int](p,
			`axe.run(document.createElement('div')).catch(() => 0).then(() => axe.getRules().length)`) < 80 {
			t.Fatal("axe has no rules")
		}
		both := func(where string) {
			for _, scheme := range []string{"light", "dark"} {
				p.scheme(scheme)
				p.violations(where + ", " + scheme)
			}
		}
		both("without a token")
		p.script("location.hash = " + quoted("token="+s.token))
		p.live()
		p.until(`document.querySelector('#operations tbody tr') && document.querySelector('#steps tbody tr') &&
			 document.querySelector('#figures svg') &&
			document.getElementById('lines').textContent`)
		both("as it opens")
		p.script(`document.querySelectorAll('details').forEach(d => d.open = true)`)
		p.until(`document.querySelectorAll('#figures tbody tr').length > 10`)
		both("all open")
		s.stop()
		p.until(`document.getElementById('state').textContent.startsWith('Not connected')`)
		both("cut off")
	}
}

// TestAxeSeesFaults: a run that finds nothing has to be one that could.
func TestAxeSeesFaults(t *testing.T) {
	s := serve(t, shop(), whole())
	p := open(t, 800, 600)
	p.do(call(cdppage.SetBypassCSP, cdppage.SetBypassCSPParams{Enabled: true}), chromedp.Navigate(s.url()))
	p.live()
	p.script(axe(t))
	p.script(`document.documentElement.removeAttribute('lang');
		document.getElementById('findings').style.color = '#999'; document.getElementById('findings').style.background = '#eee';
		document.querySelector('.controls label').replaceWith(document.getElementById('service'))`)
	found := eval[[]string](p,
		`axe.run(document, {resultTypes: ['violations']}).then(r => r.violations.map(v => v.id))`)
	for _, want := range []string{"html-has-lang", "select-name"} {
		if !slices.Contains(found, want) {
			t.Errorf("%s is not found: %v", want, found)
		}
	}
}
