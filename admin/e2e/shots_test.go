package e2e

import (
	"bytes"
	"cmp"
	"flag"
	"image"
	"image/color"
	"image/png"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"testing"
	"time"

	"github.com/chromedp/chromedp"

	"github.com/lokroom/strata/admin"
)

var shots = flag.String("shots", "", "write screenshots into this folder, after a minute of work")

// TestShots writes the pictures of docs, with -args -shots ../../docs.
func TestShots(t *testing.T) {
	if *shots == "" {
		return
	}
	s := newService(t, &admin.Options{Authorize: operate, ShowKeys: true})
	defer s.work(t)()
	time.Sleep(*warm)
	for _, v := range views {
		p := open(t, s.url, v)
		p.until("charts and keys", `document.querySelector('[data-note=ratio]').textContent.startsWith('memory') && document.querySelector('#top tbody').rows.length > 5`)
		p.do(chromedp.EmulateViewport(v.width, 1280))
		p.until("charts of this size", `document.querySelector(".plot").clientWidth > 0`)
		picture := fewColors(t, value(p, chromedp.CaptureScreenshot()))
		if err := os.WriteFile(filepath.Join(*shots, "admin-"+v.name+".png"), picture, 0o644); err != nil {
			t.Fatal(err)
		}
	}
}

var warm = flag.Duration("warm", time.Minute, "how long the service works before the pictures are taken")

// fewColors returns a picture with its 256 most frequent colors: a third of the size.
func fewColors(t *testing.T, picture []byte) []byte {
	t.Helper()
	from, err := png.Decode(bytes.NewReader(picture))
	if err != nil {
		t.Fatal(err)
	}
	area, often := from.Bounds(), make(map[color.Color]int)
	for y := range area.Dy() {
		for x := range area.Dx() {
			often[from.At(x, y)]++
		}
	}
	colors := slices.SortedFunc(maps.Keys(often), func(a, b color.Color) int { return cmp.Compare(often[b], often[a]) })
	to := image.NewPaletted(area, colors[:min(len(colors), 256)])
	index := make(map[color.Color]uint8)
	for y := range area.Dy() {
		for x := range area.Dx() {
			c := from.At(x, y)
			i, ok := index[c]
			if !ok {
				i = uint8(to.Palette.Index(c))
				index[c] = i
			}
			to.SetColorIndex(x, y, i)
		}
	}
	var b bytes.Buffer
	if err := (&png.Encoder{CompressionLevel: png.BestCompression}).Encode(&b, to); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}
