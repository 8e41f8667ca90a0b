package web

import (
	"bytes"
	"embed"
	"fmt"
	"html/template"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"time"

	"github.com/lokroom/strata/examples/marketplace/market"
	"github.com/lokroom/strata/examples/marketplace/source"
	"github.com/lokroom/strata/httpcache"
)

//go:embed templates
var files embed.FS

var templates = template.Must(template.New("").Funcs(template.FuncMap{
	"stars": func(n int) string { return strings.Repeat("★", n) + strings.Repeat("☆", 5-n) },
}).ParseFS(files, "templates/*.html"))

// A page is what all templates have.
type page struct {
	Title string
	Took  time.Duration
	Reads int64 // of the database, for this page
	Tier  string
	Kept  time.Duration // by the cache of pages; 0: the page is not kept
	Data  any
}

// render writes a page about data. start is when the work on it began.
func render(w http.ResponseWriter, r *http.Request, start time.Time, name string, p page) error {
	p.Took, p.Reads = time.Since(start).Round(10*time.Microsecond), source.ReadsOf(r.Context())
	var b bytes.Buffer
	if err := templates.ExecuteTemplate(&b, name, p); err != nil {
		return err
	}
	w.Header().Set("Content-Type", "text/html; charset=utf-8")
	w.Header().Set("Cache-Control", "no-store")
	if p.Kept > 0 {
		w.Header().Set("Cache-Control", fmt.Sprintf("public, max-age=0, s-maxage=%.0f", p.Kept.Seconds()))
	}
	_, _ = w.Write(b.Bytes()) // fails only if the client has gone
	return nil
}

// searchPage is kept whole for 10 seconds, or until its tags are invalidated: a new listing shows at
// once, a new price within 10 seconds.
func (s *Server) searchPage(w http.ResponseWriter, r *http.Request) error {
	start := time.Now()
	q, err := readQuery(r)
	if err != nil {
		return err
	}
	found, err := s.market.Search(r.Context(), q)
	if err != nil {
		return err
	}
	next := ""
	if len(found) == source.PageSize {
		next = "/?" + url.Values{"city": {q.City}, "q": {q.Text}, "max": {strconv.Itoa(q.MaxPrice)}, "page": {strconv.Itoa(q.Page + 1)}}.Encode()
	}
	httpcache.SetTags(w, market.SearchTags(q)...)
	return render(w, r, start, "search.html", page{Title: "Places to stay", Kept: 10 * time.Second, Data: map[string]any{
		"Query": q, "Listings": found, "Cities": source.Cities, "Next": next,
	}})
}

func (s *Server) listingPage(w http.ResponseWriter, r *http.Request) error {
	start := time.Now()
	id, err := pathID(r)
	if err != nil {
		return err
	}
	e, err := s.market.Listing(r.Context(), id)
	if err != nil {
		return err
	}
	newest, stats, err := s.market.Reviews(r.Context(), id)
	if err != nil {
		return err
	}
	names, err := s.market.Amenities(r.Context())
	if err != nil {
		return err
	}
	host, err := s.market.User(r.Context(), e.Value.Host)
	if err != nil {
		return err
	}
	return render(w, r, start, "listing.html", page{Title: e.Value.Title, Tier: e.Tier.String(), Data: map[string]any{
		"Listing": e.Value, "Reviews": newest, "Stats": stats, "Amenities": names, "Host": host,
	}})
}

func (s *Server) bookingsPage(w http.ResponseWriter, r *http.Request) error {
	start := time.Now()
	user, number, err := readBookingsQuery(r)
	if err != nil {
		return err
	}
	found, err := s.market.Bookings(r.Context(), user, number)
	if err != nil {
		return err
	}
	next := ""
	if len(found) == source.PageSize {
		next = fmt.Sprintf("/bookings?user=%d&page=%d", user, number+1)
	}
	return render(w, r, start, "bookings.html", page{Title: "Bookings", Data: map[string]any{
		"User": user, "Bookings": found, "Next": next,
	}})
}
