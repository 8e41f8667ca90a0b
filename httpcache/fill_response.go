package httpcache

import (
	"context"
	"net/http"
	"slices"
	"strings"

	"github.com/lokroom/strata/store"
)

// failures are the statuses of a handler that has failed (RFC 5861 section 4).
var failures = []int{500, 502, 503, 504}

// header decides what becomes of the response with the header of rec.
func (f *fill) header(rec *recorder) {
	switch {
	case f.old != nil && rec.status == http.StatusNotModified:
		rec.mode = drop
		return
	case slices.Contains(failures, rec.status) && f.staleIfError():
		rec.mode = drop
		f.answer, f.stale, f.reason = f.old, true, fwdStale+"; fwd-status="+itoa(rec.status)
		f.finish(nil, errOrigin)
		return
	}
	rec.decision = f.c.decide(f.r, f.rt, &rec.set, rec.status, rec.h, rec.received)
	if rec.decision.refused == "" && rec.declared > f.rt.MaxBody {
		rec.decision.refused = "size"
	}
	if rec.decision.refused == "" && !f.learn(f.ctx, rec.h) {
		rec.decision.refused = "no-vary-search"
	}
	if rec.decision.refused == "" {
		if _, ok := rec.h["Date"]; !ok {
			rec.h["Date"] = []string{rec.received.UTC().Format(http.TimeFormat)}
		}
		rec.kept = rec.h.Clone()
		rec.varies = f.c.compressible(rec.status, rec.h)
		rec.mode = tee
		if f.w == nil || f.conditional() {
			rec.mode = hold
		}
		return
	}
	f.finish(nil, errPass)
	if rec.status == http.StatusOK && f.w != nil && notModified(f.r, rec.h.Get("Etag"), rec.h.Get("Last-Modified"), "") {
		rec.notModified()
	}
}

// notModified answers the condition of the client, which the handler has not seen.
func (rec *recorder) notModified() {
	rec.status = http.StatusNotModified
	for _, name := range []string{"Content-Type", "Content-Length", "Content-Encoding"} {
		delete(rec.h, name)
	}
	rec.sendHeader()
	rec.mode = drop
}

// conditional reports whether the client may get another status than the handler's.
func (f *fill) conditional() bool {
	for _, name := range conditionFields {
		if len(f.r.Header[name]) > 0 {
			return true
		}
	}
	return false
}

// ended is called when the handler has returned. done is false if it must be called again.
func (f *fill) ended(ctx context.Context, rec *recorder) (done bool) {
	if rec.status == 0 {
		rec.WriteHeader(http.StatusOK)
	}
	trailers := rec.sendTrailers()
	switch rec.mode {
	case drop:
		if rec.status == http.StatusNotModified && f.old != nil && f.answer == nil && rec.decision.refused == "" {
			return f.confirmed(rec)
		}
		return true
	case forward:
		return true
	}
	if !rec.complete() {
		f.finish(nil, errCut)
		switch {
		case rec.mode == hold && f.staleIfError():
			f.answer, f.stale, f.reason = f.old, true, fwdStale+detail("aborted")
		case rec.mode == hold:
			rec.stop(errCut)
		}
		return true
	}
	if ctx.Err() != nil || trailers { // the handler may have given up
		f.finish(nil, errCut)
		if rec.mode == hold {
			rec.stop(errCut)
		}
		return true
	}
	tags := f.tags(rec, nil)
	body := string(rec.body)
	if f.c.compressible(rec.status, rec.kept) {
		if short, ok := compress(body); ok {
			body, rec.decision.flags = short, rec.decision.flags|zipped
		}
	}
	stored := f.record(rec, rec.kept, rec.status, body, tags)
	if rec.mode == hold {
		f.answer, f.reason = stored, f.at.fwd+"; fwd-status="+itoa(rec.status)
	}
	f.finish(stored, nil, tags...)
	return true
}

// confirmed is called when the handler has answered 304 to the validators of the stored
// response. The stored response gets the fields of the 304 (RFC 9111 section 3.2), unless
// that is about another one.
func (f *fill) confirmed(rec *recorder) (done bool) {
	if etag := rec.h.Get("Etag"); etag != "" && weakTag(etag) != weakTag(f.old.first("Etag")) && f.old.first("Etag") != "" {
		return false
	}
	merged := f.old.header()
	delete(merged, "Age")
	for name, lines := range rec.h {
		if !keptOn304[name] {
			merged[name] = lines
		}
	}
	if _, ok := rec.h["Date"]; !ok {
		merged["Date"] = []string{rec.received.UTC().Format(http.TimeFormat)}
	}
	rec.decision = f.c.decide(f.r, f.rt, &rec.set, f.old.status, merged, rec.received)
	tags := f.tags(rec, f.oldTags)
	rec.decision.flags |= f.old.flags & zipped
	stored := f.record(rec, merged, f.old.status, f.old.body, tags)
	f.answer, f.reason = stored, fwdStale+"; fwd-status=304"
	if f.at.purged {
		f.reason = fwdStale + softPurge + "; fwd-status=304"
	}
	if rec.decision.refused != "" || !f.learn(f.ctx, merged) {
		f.finish(nil, errPass)
		return true
	}
	f.finish(stored, nil, tags...)
	return true
}

// keptOn304 are the fields of a stored response that a 304 does not replace.
var keptOn304 = map[string]bool{
	"Content-Length": true, "Content-Encoding": true, "Content-Range": true, "Content-Md5": true,
	"Connection": true, "Transfer-Encoding": true, "Trailer": true, "Set-Cookie": true, "Etag": true,
}

// record returns the record of a response, in the place of the one that was there.
func (f *fill) record(rec *recorder, h http.Header, status int, body string, tags []string) *record {
	if _, ok := h["Content-Type"]; !ok && body != "" && len(h["Content-Encoding"]) == 0 {
		h["Content-Type"] = []string{http.DetectContentType([]byte(body[:min(len(body), 512)]))}
	}
	d := &rec.decision
	names, generation, soft := "", "", ""
	if kept := f.at.kept; kept != nil {
		names, generation, soft = kept.names, kept.generation, kept.soft
	}
	names = namesOf(h["Vary"], names)
	if names == "" {
		generation = ""
	} else if generation == "" {
		generation = newGeneration()
	}
	var at mark
	if len(tags) > 0 {
		at = f.mark
	}
	return &record{
		flags: d.flags, status: status, received: store.At(rec.received), age: initialAge(h, f.requested, rec.received),
		lifetime: d.lifetime, swr: d.swr, sie: d.sie,
		mark: at, generation: generation, soft: soft, parentSoft: f.at.soft,
		names: names, values: valuesOf(f.r, names), head: packHead(h), body: body,
	}
}

// tags returns the invalidation tags of the response: those of the stored one it confirms, old,
// and its own.
func (f *fill) tags(rec *recorder, old []string) []string {
	tags := append(slices.Clip(old), rec.set.tags...)
	if f.rt.Tags != nil {
		tags = append(slices.Clip(tags), f.rt.Tags(f.r)...)
	}
	tags = append(slices.Clip(tags), groupsOf(f.r.Host, rec.h)...)
	slices.Sort(tags)
	return slices.Compact(tags)
}

// statusOf returns the parameters of Cache-Status for a response of the handler.
func (f *fill) statusOf(rec *recorder) string {
	s := f.at.fwd
	switch {
	case rec.decision.refused != "":
		s, _, _ = strings.Cut(s, detail("")) // one is enough
		s += detail(rec.decision.refused)
	case rec.declared >= 0:
		s += stored
	}
	return s
}

// mayServeOnError reports whether rec may answer a request because the handler has failed
// (RFC 5861 section 4). The request may allow it, too.
func (rec *record) mayServeOnError(cc *control, now store.Time) bool {
	if rec.flags.has(noStale | noCache) {
		return false
	}
	stale := max(rec.ageAt(now)-rec.lifetime, 0) // a fresh one was purged softly, or the request refuses it
	return stale < max(rec.sie, cc.staleIfError.duration())
}
