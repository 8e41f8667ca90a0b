package httpcache

import (
	"net/http"
	"strconv"
	"strings"
)

// part passes a request for ranges on, because nothing is stored for its URL. With FillRanges the
// whole body is then fetched in the background if it may be stored: the requests after this one
// get their ranges of it.
func (h *handler) part(w http.ResponseWriter, r *http.Request, at place) {
	if !h.c.opts.FillRanges {
		h.forward(w, r, at.fwd)
		return
	}
	asked := r.Clone(r.Context()) // the handler may change r
	s, fills := &spy{ResponseWriter: w}, false
	s.header = func(status int) { fills = h.fillable(asked, status, w.Header()) }
	h.forward(s, r, at.fwd)
	s.begin()
	if fills && !h.c.pass.active(at.id) {
		h.refresh(asked, at)
	}
}

// fillable reports whether the whole body, of which a response is a part, may be stored. A body
// that is too large must not be fetched: a request for one byte would cost all of it.
func (h *handler) fillable(r *http.Request, status int, header http.Header) bool {
	length, ok := completeLength(status, header)
	if !ok || length > h.rt.MaxBody {
		return false
	}
	cc, _ := h.c.responseControl(header)
	return h.c.refuses(r, h.rt, &wishes{}, http.StatusOK, header, &cc) == ""
}

// completeLength returns the length of the whole body: that of a 200, or the last number in the
// Content-Range of a 206 (RFC 9110 section 14.4).
func completeLength(status int, header http.Header) (n int64, ok bool) {
	text := ""
	switch status {
	case http.StatusOK:
		text = header.Get("Content-Length")
	case http.StatusPartialContent:
		ranges, ok := strings.CutPrefix(header.Get("Content-Range"), "bytes ")
		if !ok {
			return 0, false // of several ranges, or in another unit
		}
		_, text, _ = strings.Cut(ranges, "/")
	}
	n, err := strconv.ParseInt(text, 10, 64)
	return n, err == nil && n >= 0
}
