package page

import (
	"os"
	"path/filepath"
	"testing"

	"github.com/chromedp/chromedp"

	"github.com/25eloquence/compose-mage/internal/page"
)

// TestScreenshots makes the pictures of docs/page.md: PAGE_SCREENSHOTS=../../docs go test -run Screenshots ./page
func TestScreenshots(t *testing.T) {
	dir := os.Getenv("PAGE_SCREENSHOTS")
	if dir == "" {
		t.Skip("PAGE_SCREENSHOTS names no directory for them")
	}
	s := serve(t, shop(), page.Options{History: waves{}})
	if err := page.KeepStart("shop", lastStart(func(s string) string { return s })); err != nil {
		t.Fatal(err)
	}
	for _, scheme := range []string{"light", "dark"} {
		p := open(t, 1000, 900)
		p.scheme(scheme)
		p.do(chromedp.Navigate(s.url()))
		p.live()
		p.until(`document.querySelector('#operations tbody tr') && document.querySelector('#figures polyline')`)
		png, err := chromedp.Run(p.ctx, chromedp.FullScreenshot(100))
		if err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(filepath.Join(dir, "page-"+scheme+".png"), png, 0o644); err != nil {
			t.Fatal(err)
		}
	}
}
