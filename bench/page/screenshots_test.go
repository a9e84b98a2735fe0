package page

import (
	"bytes"
	"image"
	"image/color"
	"image/png"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"testing"

	"github.com/chromedp/chromedp"

	"github.com/25eloquence/compose-mage/internal/page"
)

// TestScreenshots makes the pictures of docs/monitor.md: PAGE_SCREENSHOTS=../../docs go test -run Screenshots ./page
func TestScreenshots(t *testing.T) {
	dir := os.Getenv("PAGE_SCREENSHOTS")
	if dir == "" {
		t.Skip("PAGE_SCREENSHOTS names no directory for them")
	}
	s := serve(t, shop(), page.Options{History: waves{}})
	keepTimelines(t, func(s string) string { return s }, 0)
	for name, look := range map[string]struct {
		scheme string
		width  int64
	}{"light": {"light", 1200}, "dark": {"dark", 1200}, "narrow": {"light", 320}} {
		p := open(t, look.width, 900)
		p.scheme(look.scheme)
		p.do(chromedp.Navigate(s.url()))
		p.live()
		p.until(`document.querySelector('#operations tbody tr') && document.querySelector('#figures polyline')`)
		picture, err := chromedp.Run(p.ctx, chromedp.FullScreenshot(100))
		if err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(filepath.Join(dir, "page-"+name+".png"), small(t, picture), 0o644); err != nil {
			t.Fatal(err)
		}
	}
}

// small gives the picture in its 256 most frequent colours, which is a third of its bytes.
func small(t *testing.T, picture []byte) []byte {
	t.Helper()
	from, err := png.Decode(bytes.NewReader(picture))
	if err != nil {
		t.Fatal(err)
	}
	count := map[color.Color]int{}
	bounds := from.Bounds()
	for y := range bounds.Dy() {
		for x := range bounds.Dx() {
			count[from.At(x, y)]++
		}
	}
	colors := slices.SortedFunc(maps.Keys(count), func(a, b color.Color) int { return count[b] - count[a] })
	palette := color.Palette(colors[:min(256, len(colors))])
	to, index := image.NewPaletted(bounds, palette), map[color.Color]uint8{}
	for _, c := range colors {
		index[c] = uint8(palette.Index(c))
	}
	for y := range bounds.Dy() {
		for x := range bounds.Dx() {
			to.SetColorIndex(x, y, index[from.At(x, y)])
		}
	}
	var out bytes.Buffer
	if err := (&png.Encoder{CompressionLevel: png.BestCompression}).Encode(&out, to); err != nil {
		t.Fatal(err)
	}
	return out.Bytes()
}
