package web

import (
	"fmt"
	"net/http"
	"strings"

	"github.com/lokroom/strata/examples/marketplace/source"
)

// cacheable lets browsers keep a listing for 5 seconds, and a CDN for a minute. The caches of this
// service are invalidated by writes; those in between have these bounds, and the ETag.
const cacheable = "public, max-age=5, s-maxage=60, stale-while-revalidate=300, stale-if-error=3600"

func (s *Server) getListing(w http.ResponseWriter, r *http.Request) error {
	id, err := pathID(r)
	if err != nil {
		return err
	}
	e, err := s.market.Listing(r.Context(), id)
	if err != nil {
		return err
	}
	etag := fmt.Sprintf(`"%d.%d"`, id, e.Value.Revision)
	w.Header().Set("X-Tier", e.Tier.String()) // L1, L2 or source
	w.Header().Set("ETag", etag)
	w.Header().Set("Cache-Control", cacheable)
	if e.Stale { // the database fails, or is slow
		w.Header().Set("Cache-Control", "no-cache")
	}
	if r.Header.Get("If-None-Match") == etag {
		w.WriteHeader(http.StatusNotModified)
		return nil
	}
	return writeJSON(w, http.StatusOK, e.Value)
}

func (s *Server) postListing(w http.ResponseWriter, r *http.Request) error {
	l, err := readListing(w, r)
	if err != nil {
		return err
	}
	if _, err := s.market.User(r.Context(), l.Host); err != nil {
		return badf("host %d: %w", l.Host, err)
	}
	if l, err = s.market.AddListing(r.Context(), l); err != nil {
		return err
	}
	w.Header().Set("Location", fmt.Sprintf("/api/listings/%d", l.ID))
	return writeJSON(w, http.StatusCreated, l)
}

func (s *Server) putListing(w http.ResponseWriter, r *http.Request) error {
	id, err := pathID(r)
	if err != nil {
		return err
	}
	l, err := readListing(w, r)
	if err != nil {
		return err
	}
	l.ID = id
	if l, err = s.market.SaveListing(r.Context(), l); err != nil {
		return err
	}
	return writeJSON(w, http.StatusOK, l)
}

func (s *Server) deleteListing(w http.ResponseWriter, r *http.Request) error {
	id, err := pathID(r)
	if err != nil {
		return err
	}
	if err := s.market.DeleteListing(r.Context(), id); err != nil {
		return err
	}
	w.WriteHeader(http.StatusNoContent)
	return nil
}

func readListing(w http.ResponseWriter, r *http.Request) (l source.Listing, err error) {
	if err := readJSON(w, r, &l); err != nil {
		return l, err
	}
	switch {
	case strings.TrimSpace(l.City) == "" || strings.TrimSpace(l.Title) == "":
		return l, badf("a listing requires a city and a title")
	case l.Price < 1:
		return l, badf("a listing requires a price of at least 1")
	}
	for _, code := range l.Amenities {
		if code == "" || strings.ContainsFunc(code, func(r rune) bool { return r <= ' ' }) {
			return l, badf("amenity %q is not a code", code)
		}
	}
	return l, nil
}

func (s *Server) getSearch(w http.ResponseWriter, r *http.Request) error {
	q, err := readQuery(r)
	if err != nil {
		return err
	}
	found, err := s.market.Search(r.Context(), q)
	if err != nil {
		return err
	}
	if found == nil {
		found = []source.Listing{}
	}
	return writeJSON(w, http.StatusOK, found)
}

// maxPage bounds the pages of searches and bookings: each takes its place in the cache.
const maxPage = 1000

func readQuery(r *http.Request) (q source.Query, err error) {
	q.City, q.Text = r.FormValue("city"), r.FormValue("q")
	if len(q.City)+len(q.Text) > 200 {
		return q, badf("the query is too long")
	}
	if q.MaxPrice, err = number(r, "max"); err != nil {
		return q, err
	}
	if q.Page, err = number(r, "page"); err == nil && q.Page > maxPage {
		err = badf("there are %d pages at most", maxPage)
	}
	return q.Normal(), err
}

func (s *Server) getAmenities(w http.ResponseWriter, r *http.Request) error {
	all, err := s.market.Amenities(r.Context())
	if err != nil {
		return err
	}
	return writeJSON(w, http.StatusOK, all)
}

func (s *Server) putAmenity(w http.ResponseWriter, r *http.Request) error {
	var name string
	if err := readJSON(w, r, &name); err != nil {
		return err
	}
	code := r.PathValue("code")
	if name == "" || strings.ContainsAny(code, " \t\n") {
		return badf("an amenity requires a code without spaces and a name")
	}
	if err := s.market.SaveAmenity(r.Context(), code, name); err != nil {
		return err
	}
	w.WriteHeader(http.StatusNoContent)
	return nil
}
