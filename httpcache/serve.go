package httpcache

import (
	"io"
	"net/http"
	"strconv"
	"strings"
	"time"

	"github.com/lokroom/strata/store"
)

func itoa(n int) string { return strconv.Itoa(n) }

// serveHit answers r with a stored response.
func (c *Cache) serveHit(w http.ResponseWriter, r *http.Request, at *place, now store.Time) {
	left := int64((at.rec.lifetime - at.rec.ageAt(now)) / time.Second)
	status := "; hit; ttl=" + strconv.FormatInt(left, 10)
	if at.purged {
		status = "; hit; ttl=" + strconv.FormatInt(min(left, 0), 10) + softPurge
	}
	c.serveStored(w, r, at.rec, status, now)
}

// serveStored answers r, a GET or HEAD, with rec: as a whole, in part, or with 304.
func (c *Cache) serveStored(w http.ResponseWriter, r *http.Request, rec *record, status string, now store.Time) {
	h := w.Header()
	rec.fields(h)
	h["Age"] = []string{seconds(rec.ageAt(now))}
	c.addStatus(h, status)
	gzipped := rec.asGzip(r, h)
	etag, modified := first(h, "Etag"), first(h, "Last-Modified")
	if rec.status == http.StatusOK && notModified(r, etag, modified, first(h, "Date")) {
		for _, name := range []string{"Content-Type", "Content-Encoding", "Content-Language", "Content-Range"} {
			delete(h, name)
		}
		w.WriteHeader(http.StatusNotModified)
		return
	}
	if rec.status == http.StatusOK && r.Method == http.MethodGet && wantsRange(r) {
		serveRange(w, r, rec.identityOrAbort(), modified)
		return
	}
	body, size := rec.body, len(rec.body)
	if !gzipped {
		size = rec.size()
	}
	if bodyAllowed(rec.status) {
		h["Content-Length"] = []string{itoa(size)}
	}
	if r.Method != http.MethodHead && !gzipped {
		body = rec.identityOrAbort()
	}
	w.WriteHeader(rec.status)
	if r.Method != http.MethodHead && bodyAllowed(rec.status) {
		_, _ = io.WriteString(w, body) // an error means that the client has left
	}
}

// identityOrAbort returns the body as the handler has written it. A record that cannot be
// decompressed was damaged in Redis: its client gets no response.
func (rec *record) identityOrAbort() string {
	body, err := rec.identity()
	if err != nil {
		panic(http.ErrAbortHandler)
	}
	return body
}

// fields sets the stored fields in h. Vary is added to what other middleware has set.
func (rec *record) fields(h http.Header) {
	d := decoder{s: rec.head, ok: true}
	last := ""
	lines := make([]string, 0, 8) // of several fields, to allocate once
	for {
		name, line, ok := d.field()
		switch {
		case !ok:
			return
		case name == last || name == "Vary" || name == "Cache-Status":
			h[name] = append(h[name], line)
		default:
			lines = append(lines, line)
			h[name] = lines[len(lines)-1 : len(lines) : len(lines)]
		}
		last = name
	}
}

func first(h http.Header, name string) string {
	if lines := h[name]; len(lines) > 0 {
		return lines[0]
	}
	return ""
}

// notModified reports whether the condition of r makes the answer a 304, for a response with
// these validators (RFC 9111 section 4.3.2, RFC 9110 section 13.2.2).
func notModified(r *http.Request, etag, modified, date string) bool {
	if lines, ok := r.Header["If-None-Match"]; ok {
		return matchesTag(lines, etag)
	}
	since, ok := r.Header["If-Modified-Since"]
	if !ok || len(since) != 1 {
		return false
	}
	if modified == "" {
		modified = date
	}
	at, err := http.ParseTime(since[0])
	last, lerr := http.ParseTime(modified)
	return err == nil && lerr == nil && !last.After(at)
}

// matchesTag reports whether a list of entity tags has etag, by weak comparison, or "*".
func matchesTag(lines []string, etag string) bool {
	rest := strings.Join(lines, ",")
	for {
		rest = strings.TrimLeft(rest, " \t,")
		switch {
		case rest == "":
			return false
		case rest[0] == '*':
			return true
		}
		tag, after, ok := cutTag(rest)
		if !ok {
			return false
		}
		if etag != "" && weakTag(tag) == weakTag(etag) {
			return true
		}
		rest = after
	}
}

// cutTag cuts the entity tag at the start of s.
func cutTag(s string) (tag, after string, ok bool) {
	start := 0
	if strings.HasPrefix(s, "W/") {
		start = 2
	}
	if len(s) <= start || s[start] != '"' {
		return "", "", false
	}
	end := strings.IndexByte(s[start+1:], '"')
	if end < 0 {
		return "", "", false
	}
	end += start + 2
	return s[:end], s[end:], true
}

func weakTag(tag string) string { return strings.TrimPrefix(tag, "W/") }

// wantsRange reports whether r asks for ranges of bytes. Other units are ignored (RFC 9110
// section 14.2).
func wantsRange(r *http.Request) bool {
	lines := r.Header["Range"]
	return len(lines) == 1 && len(lines[0]) > 6 && strings.EqualFold(lines[0][:6], "bytes=")
}

// serveRange answers with parts of body: [http.ServeContent] knows the rules of Range and
// If-Range (RFC 9110 sections 13.1.5 and 14).
func serveRange(w http.ResponseWriter, r *http.Request, body, modified string) {
	at, err := http.ParseTime(modified)
	if err != nil {
		at = time.Time{}
	}
	r = r.WithContext(r.Context())
	r.Header = r.Header.Clone()
	r.Header.Del("If-None-Match") // evaluated before
	r.Header.Del("If-Modified-Since")
	r.Header["Range"] = []string{strings.ToLower(r.Header.Get("Range"))}
	http.ServeContent(w, r, "", at, strings.NewReader(body))
}
