package httpcache

import (
	"net/http"
	"time"

	"github.com/lokroom/strata/store"
)

// A place is where the response to a request is stored, or will be.
type place struct {
	id      string
	request *control
	rec     *record // the stored response, if it is for this request; nil: none
	kept    *record // what is at id, also for another request
	fresh   bool    // the tiers would answer with it
	soft    string  // what rec.parentSoft must be
	rule    string  // of No-Vary-Search, by which id was made; "": none
	purged  bool    // softly: rec is stale
	fwd     string  // why the handler is called, for Cache-Status
}

// find returns the place of r. A record for other values of the headers in Vary leads to the
// next place, but for the last one, where it is replaced.
func (c *Cache) find(r *http.Request, key string, cc *control) place {
	at := place{id: key, request: cc, fwd: fwdMiss}
	for depth := 1; ; depth++ {
		e := c.get(r.Context(), at.id)
		if e == nil {
			return at
		}
		rec, ok := parseRecord(pageOf(e.Value))
		if !ok {
			at.fresh = fresh(e) // it is replaced
			return at
		}
		if rec.matches(r) {
			at.rec, at.kept, at.fresh, at.fwd = &rec, &rec, fresh(e), fwdStale
			at.purged = c.isPurged(r.Context(), &at, e.Tags, &rec)
			if at.purged {
				at.fwd += softPurge
			}
			return at
		}
		at.fwd = fwdVary
		if depth == maxDepth {
			at.kept, at.fresh = &rec, fresh(e)
			return at
		}
		at.id, at.soft = rec.childID(key, valuesOf(r, rec.names)), rec.soft
	}
}

// A verdict says what to do with a stored response.
type verdict uint8

const (
	fetch         verdict = iota // call the handler
	use                          // answer with it
	useAndRefresh                // answer with it, and call the handler in the background
	bypass                       // call the handler for this request alone
)

// judge says what to do for r (RFC 9111 sections 4 and 5.2.1).
func (at *place) judge(r *http.Request, now store.Time) verdict {
	rec, cc := at.rec, at.request
	if rec == nil {
		return fetch
	}
	if !at.mayShow(r) {
		return bypass
	}
	if rec.flags.has(noCache) {
		return fetch
	}
	age := rec.ageAt(now)
	left := rec.lifetime - age
	if cc.present && tooOld(cc, age, left) {
		at.fwd = fwdRequest
		return fetch
	}
	if left > 0 && !at.purged {
		return use
	}
	stale := max(-left, 0)
	switch {
	case rec.flags.has(noStale):
		return fetch
	case !at.purged && (cc.maxStaleAny || cc.maxStale.valid && stale <= cc.maxStale.duration()):
		return use
	case stale < rec.swr:
		return useAndRefresh
	}
	return fetch
}

// mayShow reports whether r may get the stored response as far as its credentials matter.
func (at *place) mayShow(r *http.Request) bool {
	if len(r.Header["Authorization"]) > 0 && !at.rec.flags.has(shareable) {
		return false
	}
	return !at.rec.flags.has(assignedTTL) || !hasCredentials(r)
}

// tooOld reports whether the request rejects a response with this age and remaining lifetime.
func tooOld(cc *control, age, left time.Duration) bool {
	switch {
	case cc.noCache:
		return true
	case cc.minFresh.set && left < cc.minFresh.duration():
		return true
	case !cc.maxAge.set || cc.maxStaleAny:
		return false
	}
	// An age counts in whole seconds: max-age=1 accepts one of 1.5.
	return age.Truncate(time.Second) > cc.maxAge.duration()+cc.maxStale.duration() || cc.maxAge.duration() == 0 && !cc.maxStale.valid
}
