// Package admin serves the state of a [strata.Backend] over HTTP: health for orchestrators,
// counters, what is cached under a key, and clearing. It answers JSON, and a page that shows it all.
//
//	h, err := admin.New(backend, nil)
//	mux.Handle("/debug/cache/", h) // the page is /debug/cache/
//	defer h.Close()
//
// Without [Options.Authorize] only this machine may read, and nobody may write.
package admin

import (
	"context"
	"errors"
	"net/http"
	"path"
	"sync"
	"time"

	"github.com/lokroom/strata"
)

// Options configure a [Handler]. Nil and the zero value select the defaults. Functions must be
// safe for concurrent use.
type Options struct {
	// Authorize returns the caller of a request and its role. An error refuses the request
	// with status 401; it is not sent to the caller. nil: a peer on this machine has the role
	// View, if the request names a loopback host and has no forwarding header such as
	// X-Forwarded-For; all others are refused.
	Authorize func(*http.Request) (Principal, error)

	// Challenge is the WWW-Authenticate header of answers with status 401, such as
	// `Basic realm="strata"`. Empty: none.
	Challenge string

	// PublicHealth lets every peer call health and ready, which then answer only the status.
	// False: they need the role View.
	PublicHealth bool

	// RequireRedis makes ready answer 503 while invalidations do not arrive from Redis. False:
	// a process that loads from its source is ready.
	RequireRedis bool

	// Warmed reports whether the caches are filled, for ready. nil: they need not be.
	Warmed func() bool

	// ShowKeys shows the texts of ids and tags, and errors, which may contain them. False: ids
	// and tags are shown as hashes, with a key that this process draws at random.
	ShowKeys bool

	// ShowValue returns the text of a cached value for explain. nil: values are not shown.
	ShowValue func(cache string, value any) string

	// Audit is called after each request to change something, also a refused one. nil: such
	// requests are not reported.
	Audit func(context.Context, Event)
}

// An Event is a request to change something: see [Options.Audit].
type Event struct {
	Time      time.Time
	Peer      string // the address of the socket
	Principal string // Principal.Name; empty if the request was refused before it was known
	Action    string // "clear"
	Target    string // what was to be cleared, in words; empty if the request was refused before
	Status    int    // of the answer
	Err       error  // why it failed; nil: it did not
}

// A Handler is an http.Handler. Mount it under any prefix, with or without http.StripPrefix: the
// last part of the path selects the endpoint. It is not registered anywhere by itself. It keeps an
// hour of history, which takes about 80 KB a cache.
type Handler struct {
	backend  *strata.Backend
	opts     Options
	hash     hasher
	pings    pings
	server   serverStats
	clears   sync.Mutex // one at a time
	recorder recorder
}

// New returns a Handler for b. o may be nil.
func New(b *strata.Backend, o *Options) (*Handler, error) {
	if b == nil {
		return nil, errors.New("admin: the backend is nil")
	}
	h := &Handler{backend: b}
	if o != nil {
		h.opts = *o
	}
	h.hash.init()
	h.recorder.start(h)
	return h, nil
}

// Close ends the history and all streams, for which http.Server.Shutdown would wait: see
// http.Server.RegisterOnShutdown. Other answers go on. A handler of a closed backend is closed
// within a second.
func (h *Handler) Close() { h.recorder.close() }

// An endpoint is what a path leads to.
type endpoint struct {
	serve func(*Handler, http.ResponseWriter, *http.Request, Principal)
	write bool   // it changes something: POST by the role Operate
	name  string // for Event
	open  bool   // Options.PublicHealth applies
}

var endpoints = map[string]endpoint{
	"health":    {serve: (*Handler).serveHealth, open: true},
	"redis":     {serve: (*Handler).serveHealth, open: true}, // .../health/redis
	"ready":     {serve: (*Handler).serveReady, open: true},
	"stats":     {serve: (*Handler).serveStats},
	"explain":   {serve: (*Handler).serveExplain},
	"clear":     {serve: (*Handler).serveClear, write: true, name: "clear"},
	"live":      {serve: (*Handler).serveLive},
	"history":   {serve: (*Handler).serveHistory},
	"stream":    {serve: (*Handler).serveStream},
	"top":       {serve: (*Handler).serveTop},
	"":          {serve: (*Handler).servePage},
	"page.css":  {serve: serveFile("page.css")},
	"page.js":   {serve: serveFile("page.js")},
	"charts.js": {serve: serveFile("charts.js")},
	"forms.js":  {serve: serveFile("forms.js")},
}

// ServeHTTP answers a request:
//
//	GET  health   the state of each part; 503 if Redis does not answer
//	GET  ready    503 while the process should get no requests
//	GET  stats    counters
//	GET  explain  what is cached under ?cache=C&key=K
//	GET  .        the page, with its files
//	GET  live     what happened in the last second
//	GET  stream   the same as server-sent events; 503 for the 33rd client
//	GET  history  five minutes in steps of a second; an hour with ?step=10; of one ?cache=C
//	GET  top      the keys that are read most, of one ?cache=C
//	POST clear    invalidates values
func (h *Handler) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	setHeaders(w.Header())
	e, known := endpointOf(r.URL.Path)
	caller, err := h.authorize(r)
	if err != nil && known && e.open && h.opts.PublicHealth {
		caller, err = Principal{}, nil
	}
	switch {
	case err != nil:
		h.refuse(w, r, e, caller, err)
	case !known:
		h.refuse(w, r, e, caller, &httpError{http.StatusNotFound, "there is no such endpoint"})
	default:
		if err := h.permit(r, e, caller); err != nil {
			h.refuse(w, r, e, caller, err)
			return
		}
		e.serve(h, w, r, caller)
	}
}

// endpointOf returns the endpoint that the last part of a path selects.
func endpointOf(p string) (endpoint, bool) {
	dir, last := path.Split(p)
	if last == "redis" && path.Base(dir) != "health" {
		return endpoint{}, false
	}
	e, ok := endpoints[last]
	return e, ok
}

// setHeaders sets the headers of every answer. The policy permits the files of this package and
// requests to this handler, and nothing else.
func setHeaders(h http.Header) {
	h.Set("Content-Security-Policy", "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; connect-src 'self'; frame-ancestors 'none'; base-uri 'none'; form-action 'self'")
	h.Set("X-Content-Type-Options", "nosniff")
	h.Set("Referrer-Policy", "no-referrer")
	h.Set("Cross-Origin-Opener-Policy", "same-origin")
	h.Set("Cross-Origin-Resource-Policy", "same-origin")
	h.Set("Cache-Control", "no-store")
}
