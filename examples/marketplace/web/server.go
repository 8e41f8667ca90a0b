// Package web serves the marketplace over HTTP: a JSON API, and pages for people.
package web

import (
	"net/http"
	"sync/atomic"

	"github.com/lokroom/strata"
	"github.com/lokroom/strata/examples/marketplace/market"
	"github.com/lokroom/strata/examples/marketplace/source"
	"github.com/lokroom/strata/httpcache"
	"github.com/lokroom/strata/ratelimit"
)

// A Server answers requests from a market.
type Server struct {
	market  *market.Market
	backend *strata.Backend
	db      *source.DB
	limits  limiters
	mux     *http.ServeMux
	handler http.Handler
	ready   atomic.Bool

	unreadable unreadable
}

// Options configure a Server.
type Options struct {
	Limits     Limits
	AdminToken string // what administrators send as a bearer token; empty: this machine may read
}

// New returns a server that is not ready: see SetReady.
func New(m *market.Market, b *strata.Backend, db *source.DB, o Options) (*Server, error) {
	s := &Server{market: m, backend: b, db: db, mux: http.NewServeMux()}
	var err error
	if s.limits, err = newLimits(b, o.Limits); err != nil {
		return nil, err
	}
	admin, err := newAdmin(b, o.AdminToken)
	if err != nil {
		return nil, err
	}
	pages, err := httpcache.New(b, "pages", nil)
	if err != nil {
		return nil, err
	}
	b.Observe(&s.unreadable)
	s.routes(admin, pages)
	s.handler = http.NewCrossOriginProtection().Handler(s.mux) // pages of other sites cannot write
	return s, nil
}

func (s *Server) routes(admin http.Handler, pages *httpcache.Cache) {
	read, write := s.limits.reads, s.limits.writes
	s.handle("GET /api/listings/{id}", read, handler(s.getListing))
	s.handle("POST /api/listings", write, handler(s.postListing))
	s.handle("PUT /api/listings/{id}", write, handler(s.putListing))
	s.handle("DELETE /api/listings/{id}", write, handler(s.deleteListing))
	s.handle("GET /api/listings/{id}/reviews", read, handler(s.getReviews))
	s.handle("POST /api/listings/{id}/reviews", write, handler(s.postReview))
	s.handle("GET /api/search", read, handler(s.getSearch))
	s.handle("GET /api/amenities", read, handler(s.getAmenities))
	s.handle("PUT /api/amenities/{code}", write, handler(s.putAmenity))
	s.handle("GET /api/users", read, handler(s.getUserByEmail))
	s.handle("GET /api/users/{id}", read, handler(s.getUser))
	s.handle("PUT /api/users/{id}", write, handler(s.putUser))
	s.handle("GET /api/bookings", read, handler(s.getBookings))
	s.handle("POST /api/bookings", write, handler(s.postBooking))
	s.handle("DELETE /api/bookings/{id}", write, handler(s.deleteBooking))

	s.handle("GET /{$}", read, pages.Route(httpcache.Route{Public: true})(handler(s.searchPage)))
	s.handle("GET /listings/{id}", read, handler(s.listingPage))
	s.handle("POST /listings/{id}/price", write, handler(s.priceForm))
	s.handle("POST /listings/{id}/review", write, handler(s.reviewForm))
	s.handle("POST /listings/{id}/book", write, handler(s.bookForm))
	s.handle("GET /bookings", read, handler(s.bookingsPage))
	s.handle("POST /bookings/{id}/cancel", write, handler(s.cancelForm))

	s.mux.Handle("/api/cache/", admin)
	s.mux.Handle("GET /api/health/redis", admin)
	s.mux.HandleFunc("GET /api/stats", s.getStats)
	s.mux.HandleFunc("GET /livez", func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusNoContent) })
	s.mux.HandleFunc("GET /readyz", s.getReady)
}

// SetReady sets whether load balancers shall send requests.
func (s *Server) SetReady(ready bool) { s.ready.Store(ready) }

// ServeHTTP implements http.Handler.
func (s *Server) ServeHTTP(w http.ResponseWriter, r *http.Request) { s.handler.ServeHTTP(w, r) }

// A handler returns an error before it has written anything.
type handler func(w http.ResponseWriter, r *http.Request) error

func (f handler) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	if err := f(w, r); err != nil {
		writeError(w, r, err)
	}
}

// handle adds a handler with a rate limit.
func (s *Server) handle(pattern string, limit ratelimit.Limiter, h http.Handler) {
	s.mux.Handle(pattern, s.limits.middleware(limit)(counted(h)))
}
