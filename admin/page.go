package admin

import (
	"bytes"
	"crypto/sha256"
	"embed"
	"encoding/hex"
	"fmt"
	"html/template"
	"net/http"
	"path"
	"strings"
	"time"
)

//go:embed page
var files embed.FS

var page = template.Must(template.New("page.html").Funcs(template.FuncMap{
	"size": size, "short": shortDuration, "count": count, "upper": func(s string) string { return strings.ToUpper(s[:1]) + s[1:] },
}).ParseFS(files, "page/page.html"))

// A pageData is what the page shows without JavaScript.
type pageData struct {
	Live    liveAnswer
	Top     topAnswer
	Bytes   int64 // in L1
	Entries int64
	Operate bool
	Refresh bool // it is loaded again every ten seconds
}

// Part returns the part of the health with a name, or nil.
func (d pageData) Part(name string) *part {
	for i := range d.Live.Health.Parts {
		if p := &d.Live.Health.Parts[i]; p.Name == name {
			return p
		}
	}
	return nil
}

// Faults are the parts that belong to one cache: they have failed.
func (d pageData) Faults() (faults []part) {
	for _, p := range d.Live.Health.Parts {
		if p.Cache != "" {
			faults = append(faults, p)
		}
	}
	return faults
}

// Sum returns the reads that were hits, and those that were not.
func (d pageData) Sum() (c liveCache) {
	for _, one := range d.Live.Caches {
		c.Hits += one.Hits
		c.Misses += one.Misses
		c.Loads += one.Loads
	}
	return c
}

func (h *Handler) servePage(w http.ResponseWriter, r *http.Request, caller Principal) {
	if r.URL.Path == "" {
		h.refuse(w, r, endpoint{}, caller, &httpError{http.StatusNotFound, "the path of the page must end with a slash"})
		return
	}
	d := pageData{Live: h.recorder.live(), Top: h.top(""), Operate: caller.Role >= Operate, Refresh: r.URL.Query().Has("refresh")}
	for _, c := range d.Live.Caches {
		d.Bytes += c.Bytes
		d.Entries += c.Entries
	}
	var b bytes.Buffer
	if err := page.ExecuteTemplate(&b, "page.html", d); err != nil { // a bug
		http.Error(w, "internal error", http.StatusInternalServerError)
		return
	}
	w.Header().Set("Content-Type", "text/html; charset=utf-8")
	w.Write(b.Bytes())
}

var types = map[string]string{".css": "text/css; charset=utf-8", ".js": "text/javascript; charset=utf-8"}

// serveFile returns the endpoint of a file of the page. A browser keeps it, and asks each time
// whether it is still the same.
func serveFile(name string) func(*Handler, http.ResponseWriter, *http.Request, Principal) {
	text, err := files.ReadFile("page/" + name)
	if err != nil {
		text = []byte(err.Error()) // a bug: the files are embedded
	}
	sum := sha256.Sum256(text)
	etag := `"` + hex.EncodeToString(sum[:12]) + `"`
	return func(_ *Handler, w http.ResponseWriter, r *http.Request, _ Principal) {
		w.Header().Set("Content-Type", types[path.Ext(name)])
		w.Header().Set("Cache-Control", "private, no-cache")
		w.Header().Set("ETag", etag)
		http.ServeContent(w, r, name, time.Time{}, bytes.NewReader(text))
	}
}

// size returns a text such as "2.5 MB", of 2^20 bytes.
func size(n int64) string {
	units, x := []string{"B", "KB", "MB", "GB", "TB"}, float64(n)
	for ; x >= 1024 && len(units) > 1; x /= 1024 {
		units = units[1:]
	}
	if x >= 100 || x == float64(int64(x)) {
		return fmt.Sprintf("%.0f %s", x, units[0])
	}
	return fmt.Sprintf("%.1f %s", x, units[0])
}

// shortDuration returns a text such as "0.35 ms" for a number of seconds.
func shortDuration(s float64) string {
	switch {
	case s < 1e-3:
		return fmt.Sprintf("%.3g µs", s*1e6)
	case s < 1:
		return fmt.Sprintf("%.3g ms", s*1e3)
	}
	return fmt.Sprintf("%.3g s", s)
}

// count returns n with commas.
func count(n any) string {
	text := fmt.Sprint(n)
	if x, ok := n.(float64); ok {
		text = fmt.Sprintf("%.0f", x)
	}
	for i := len(text) - 3; i > 0 && text[i-1] != '-'; i -= 3 {
		text = text[:i] + "," + text[i:]
	}
	return text
}
