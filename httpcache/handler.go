package httpcache

import (
	"context"
	"net/http"
	"strconv"
	"time"

	"github.com/lokroom/strata/layered"
	"github.com/lokroom/strata/store"
)

// A handler is the middleware of a Route.
type handler struct {
	c    *Cache
	rt   *Route
	next http.Handler
}

func (h *handler) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	switch r.Method {
	case http.MethodGet, http.MethodHead:
	case methodQuery:
		h.query(w, r)
		return
	case http.MethodOptions, http.MethodTrace, http.MethodConnect:
		h.forward(w, r, fwdMethod) // safe: nothing is invalidated
		return
	default:
		h.unsafe(w, r)
		return
	}
	key, ok := h.key(r)
	if !ok || h.rt.NoStore || bypasses(r) || h.c.opts.Bypass != nil && h.c.opts.Bypass(r) {
		h.forward(w, r, fwdBypass)
		return
	}
	h.serve(w, r, key, h.c.requestControl(r))
}

// key returns the key of r. ok is false if r must bypass the cache.
func (h *handler) key(r *http.Request) (key string, ok bool) {
	if key, ok = h.c.keyOf(r); !ok || h.rt.Key == nil {
		return key, ok
	}
	text := h.rt.Key(r)
	return routeKey(key[:len(key)-len(targetOf(r))], text), len(text) <= maxKey
}

// routeKey returns the key of a text of Route.Key. It begins with a space after the host, so
// that it is not that of a URL.
func routeKey(origin, text string) string { return origin + " " + strconv.Quote(text) }

// bypasses reports whether r is for the handler alone: it changes what GET means, or asks
// for something that only the handler can do.
func bypasses(r *http.Request) bool {
	if r.ContentLength != 0 || len(r.TransferEncoding) > 0 {
		return true // the content may be part of what is asked (RFC 9110 section 9.3.1)
	}
	return bypassed(r)
}

// bypassed is bypasses without the content.
func bypassed(r *http.Request) bool {
	for _, name := range bypassFields {
		if len(r.Header[name]) > 0 {
			return true
		}
	}
	return false
}

var bypassFields = []string{
	"Upgrade", "If-Match", "If-Unmodified-Since",
	"X-Http-Method-Override", "X-Http-Method", "X-Method-Override",
}

func (c *Cache) requestControl(r *http.Request) *control {
	lines := r.Header["Cache-Control"]
	if len(lines) == 0 {
		return &noControl
	}
	cc := parseControl(lines)
	if c.opts.IgnoreClientDirectives {
		cc = control{noStore: cc.noStore}
	}
	return &cc
}

var noControl control

// forward calls the handler for r alone.
func (h *handler) forward(w http.ResponseWriter, r *http.Request, why string) {
	h.c.addStatus(w.Header(), why)
	h.next.ServeHTTP(w, r)
}

// serve answers r from the cache or from the handler.
func (h *handler) serve(w http.ResponseWriter, r *http.Request, key string, cc *control) {
	rule := ""
	searches := h.searches(r, key)
	if searches {
		key, rule = h.c.searchKey(r, key)
	}
	for range maxDepth + 1 { // one request cannot wait for more than one response at each level
		at := h.c.find(r, key, cc)
		at.rule = rule
		if searches && rule == "" && at.rec != nil && at.rec.first("No-Vary-Search") != "" {
			at.rec = nil // from before its rule was known, or purged with it
		}
		now := store.Now()
		switch at.judge(r, now) {
		case use:
			h.c.serveHit(w, r, &at, now)
			return
		case useAndRefresh:
			h.refresh(r, at)
			h.c.serveHit(w, r, &at, now)
			return
		case bypass:
			h.forward(w, r, fwdBypass)
			return
		}
		switch {
		case cc.onlyIfCached:
			h.c.addStatus(w.Header(), at.fwd+detail("only-if-cached"))
			http.Error(w, http.StatusText(http.StatusGatewayTimeout), http.StatusGatewayTimeout)
			return
		case r.Method == http.MethodHead:
			h.head(w, r, at)
			return
		case cc.noStore:
			h.forward(w, r, at.fwd)
			return
		case at.rec == nil && len(r.Header["Range"]) > 0:
			h.part(w, r, at)
			return
		}
		if h.fetch(w, r, at) {
			return
		}
	}
	h.forward(w, r, fwdVary)
}

// A found is the end of a read of the tiers with a fill.
type found struct {
	layered.Found[any]
	err error
}

// fetch gets the response for at by a call of the handler, for this request or for another one
// that asks for the same. done is false if the response of the other is for other values of
// the headers in Vary.
func (h *handler) fetch(w http.ResponseWriter, r *http.Request, at place) (done bool) {
	if h.c.pass.active(at.id) {
		if !h.c.pass.claim(at.id) {
			h.forward(w, r, at.fwd)
			return true
		}
		defer h.c.pass.release(at.id)
	}
	f := newFill(h, w, r, at)
	defer f.cancel()
	result := make(chan found, 1)
	go func() { result <- f.find(r.Context()) }()
	timer := time.NewTimer(h.c.opts.MaxWait)
	defer timer.Stop()
	select {
	case <-f.led:
	case got := <-result:
		if f.leave() {
			return h.joined(w, r, &f.at, got)
		}
		result <- got
	case <-timer.C:
		if f.leave() {
			h.forward(w, r, at.fwd+detail("wait"))
			return true
		}
	}
	<-f.led
	f.run()
	<-result // until it is stored
	if f.answer != nil {
		h.c.serveStored(w, r, f.answer, f.reason, store.Now())
	}
	return true
}

// find reads the tiers, which call the handler if they have nothing fresh, or anyway if what
// they have is not fresh enough for this request.
func (f *fill) find(ctx context.Context) (got found) {
	if f.at.fresh {
		got.Found, got.err = f.c.tiers.Refresh(ctx, f.at.id, f.source())
	} else {
		got.Found, got.err = f.c.tiers.Find(ctx, f.at.id, f.source())
	}
	return got
}

// joined answers r after the load of another request.
func (h *handler) joined(w http.ResponseWriter, r *http.Request, at *place, got found) (done bool) {
	if r.Context().Err() != nil { // the client has left, or other middleware has given up
		h.c.addStatus(w.Header(), at.fwd+collapsed)
		http.Error(w, http.StatusText(http.StatusGatewayTimeout), http.StatusGatewayTimeout)
		return true
	}
	if got.err != nil {
		if got.err == errLeft {
			return false
		}
		h.forward(w, r, at.fwd)
		return true
	}
	rec, ok := parseRecord(pageOf(got.Value))
	if !ok || !rec.matches(r) {
		return false
	}
	now := store.Now()
	theirs := *at
	theirs.rec = &rec
	theirs.purged = h.c.isPurged(r.Context(), at, got.Tags, &rec)
	if at.fresh { // by a Refresh, which has called the handler after this request has come
		cc := *at.request
		cc.noCache, cc.maxAge = false, delta{}
		theirs.request = &cc
	}
	switch usable := theirs.judge(r, now) == use; {
	case usable:
		h.c.serveStored(w, r, &rec, at.fwd+collapsed, now)
	case got.Stale && theirs.mayShow(r) && rec.mayServeOnError(at.request, now):
		h.c.serveStored(w, r, &rec, fwdStale+collapsed, now)
	default:
		h.forward(w, r, at.fwd)
	}
	return true
}

// refresh calls the handler in the background, for what is at at.
func (h *handler) refresh(r *http.Request, at place) {
	if !h.c.pass.claim(at.id) {
		return
	}
	ctx := context.WithoutCancel(r.Context())
	r = r.Clone(ctx)
	if r.Method == http.MethodHead {
		r.Method = http.MethodGet
	}
	go func() {
		defer h.c.pass.release(at.id)
		f := newFill(h, nil, r, at)
		defer f.cancel()
		f.find(ctx)
	}()
}

// fresh reports whether the tiers would answer with e without a load.
func fresh(e *store.Entry[any]) bool { return !e.Stale(store.Now()) }
