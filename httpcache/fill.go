package httpcache

import (
	"context"
	"errors"
	"net/http"
	"sync"
	"sync/atomic"
	"time"

	"github.com/lokroom/strata/layered"
	"github.com/lokroom/strata/store"
)

// Why a load has no response for the others that wait for it. They do not get what the client
// of the load gets.
var (
	errPass      = errors.New("httpcache: the response is not stored")
	errTooLarge  = errors.New("httpcache: the body is too large to be stored")
	errLength    = errors.New("httpcache: the body has not the declared length")
	errStream    = errors.New("httpcache: the handler has taken over the connection")
	errCut       = errors.New("httpcache: the handler has not ended its response")
	errOrigin    = errors.New("httpcache: the handler has failed")
	errLeft      = errors.New("httpcache: the request that would call the handler has left")
	errUnchanged = errors.New("httpcache: 304 for another response than the stored one")
)

// A fill is one call of the handler that may store its response. The loader of the tiers
// starts it and waits for its end; the goroutine of the request runs it, so that the
// response reaches its client as it is written.
type fill struct {
	c    *Cache
	rt   *Route
	r    *http.Request
	w    http.ResponseWriter // nil: in the background
	next http.Handler
	at   place

	state atomic.Int32
	led   chan struct{} // closed when the loader was called
	out   chan loaded
	once  sync.Once
	gone  atomic.Bool // no request waits for the copy, or it takes too long

	old       *record // of this request; nil: none
	oldTags   []string
	requested time.Time
	mark      mark            // from before the handler is called
	ctx       context.Context // of the handler
	cancel    context.CancelFunc

	// What the client still has to get: one of these.
	answer *record
	stale  bool
	reason string // of the answer, for Cache-Status
}

const (
	fillWaits int32 = iota
	fillRuns
	fillLeft // the request does without it
)

type loaded struct {
	entry store.Entry[any]
	err   error
}

func newFill(h *handler, w http.ResponseWriter, r *http.Request, at place) *fill {
	f := &fill{c: h.c, rt: h.rt, r: r, w: w, next: h.next, at: at, led: make(chan struct{}), out: make(chan loaded, 1)}
	f.ctx, f.cancel = context.WithCancel(context.WithoutCancel(r.Context()))
	return f
}

func (f *fill) source() layered.Source[any] {
	return layered.Source[any]{
		Load: func(ctx context.Context, _ string) (store.Entry[any], error) { return f.load(ctx, nil) },
		Reload: func(ctx context.Context, _ string, old store.Entry[any]) (store.Entry[any], error) {
			return f.load(ctx, &old)
		},
	}
}

// load is the loader: it starts the fill, and waits for its end.
func (f *fill) load(ctx context.Context, old *store.Entry[any]) (store.Entry[any], error) {
	if !f.state.CompareAndSwap(fillWaits, fillRuns) {
		return store.Entry[any]{}, errLeft
	}
	if old != nil {
		f.oldTags = old.Tags
		if rec, ok := parseRecord(pageOf(old.Value)); ok {
			f.at.kept = &rec
			if rec.matches(f.r) {
				f.old = &rec
			}
		}
	}
	close(f.led)
	if f.w == nil {
		f.runAlone(ctx) // here, so that Close waits for it
	}
	select {
	case got := <-f.out:
		return got.entry, got.err
	case <-ctx.Done():
		f.abandon()
		return store.Entry[any]{}, context.Cause(ctx)
	}
}

// leave reports whether the request may do without the fill, because the loader has not been
// called.
func (f *fill) leave() bool { return f.state.CompareAndSwap(fillWaits, fillLeft) }

func (f *fill) abandoned() bool { return f.gone.Load() }

// abandon ends the copy, and the handler if its client has left, too.
func (f *fill) abandon() {
	f.gone.Store(true)
	if f.r.Context().Err() != nil {
		f.cancel()
	}
}

// finish ends the load: with the record of the response, or why there is none.
func (f *fill) finish(rec *record, err error, tags ...string) {
	f.once.Do(func() {
		var e store.Entry[any]
		if rec != nil {
			e = f.c.entryOf(rec, tags)
			f.c.pass.forget(f.at.id)
		} else if !errors.Is(err, errOrigin) && !errors.Is(err, errCut) {
			f.c.pass.remember(f.at.id)
		}
		f.out <- loaded{e, err}
		if rec == nil {
			f.abandon() // the response is for its client only
		}
	})
}

// entryOf returns the entry of rec, which is kept after its lifetime to be revalidated.
func (c *Cache) entryOf(rec *record, tags []string) store.Entry[any] {
	now := store.Now()
	fresh := rec.lifetime - rec.age
	if rec.flags.has(noCache) || fresh < 0 {
		fresh = 0
	}
	return store.Entry[any]{
		Value: rec.encode(), Tags: tags,
		LoadedAt: now, StaleAt: now.Add(fresh), ExpiresAt: now.Add(fresh + c.opts.KeepStale),
	}
}

// run calls the handler for the client of the fill. Afterwards answer is set if the client
// has got nothing.
func (f *fill) run() {
	defer f.cancel()
	stop := context.AfterFunc(f.r.Context(), func() {
		if f.abandoned() {
			f.cancel()
		}
	})
	defer stop()
	f.call(f.ctx)
}

// runAlone is run without a client.
func (f *fill) runAlone(ctx context.Context) {
	defer func() {
		if recover() != nil { // nobody to show it to: the next request calls the handler again
			f.finish(nil, errCut)
		}
	}()
	f.call(ctx)
}

// call calls the handler, and again without a condition if it has confirmed another
// response than the stored one.
func (f *fill) call(ctx context.Context) {
	if f.attempt(ctx) {
		return
	}
	f.old = nil
	if !f.attempt(ctx) {
		f.finish(nil, errUnchanged)
	}
}

func (f *fill) attempt(ctx context.Context) (done bool) {
	f.requested, f.mark = time.Now(), f.c.softMark(ctx)
	rec := newRecorder(f)
	defer func() {
		if p := recover(); p != nil {
			f.failed(rec, p)
			done = true
		}
	}()
	f.next.ServeHTTP(rec, f.request(ctx))
	return f.ended(ctx, rec)
}

// failed handles a panic of the handler. A handler that aborts its response before the
// client has got anything has failed like one that answers 502.
func (f *fill) failed(rec *recorder, p any) {
	sent := rec.status != 0 && (rec.mode == forward || rec.mode == tee)
	if p == http.ErrAbortHandler && !sent && f.staleIfError() {
		f.answer, f.stale, f.reason = f.old, true, fwdStale+detail("aborted")
		f.finish(nil, errOrigin)
		return
	}
	f.finish(nil, errCut)
	panic(p)
}

// request returns the request for the handler: with the validators of the stored response
// in place of the conditions of the client, which is answered from the new response.
func (f *fill) request(ctx context.Context) *http.Request {
	r := f.r.Clone(ctx) // what the handler changes in it must not change what is stored under which key
	for _, name := range conditionFields {
		delete(r.Header, name)
	}
	if r.GetBody != nil {
		r.Body, _ = r.GetBody() // never fails: see handler.content
	} else {
		r.Body = http.NoBody
	}
	if f.old != nil {
		if etag := f.old.first("Etag"); etag != "" {
			r.Header["If-None-Match"] = []string{etag}
		}
		if modified := f.old.first("Last-Modified"); modified != "" {
			r.Header["If-Modified-Since"] = []string{modified}
		}
	}
	return r
}

// conditionFields are those that the cache evaluates itself.
var conditionFields = []string{"If-None-Match", "If-Modified-Since", "Range", "If-Range"}

// staleIfError reports whether the client may get the stored response because the handler
// has failed.
func (f *fill) staleIfError() bool {
	return f.old != nil && f.old.mayServeOnError(f.at.request, store.Now())
}
