package httpcache

import (
	"compress/gzip"
	"encoding/binary"
	"errors"
	"io"
	"net/http"
	"strings"
	"sync"
)

// minCompress is the smallest body that is compressed: a smaller one fits into one packet.
const minCompress = 1 << 10

// maxRatio is what DEFLATE can save at most.
const maxRatio = 1032

// compressible reports whether a response with the header h is to be stored compressed.
func (c *Cache) compressible(status int, h http.Header) bool {
	if !c.opts.Compress || status != http.StatusOK || len(h["Content-Encoding"]) > 0 {
		return false
	}
	transform := true
	for _, line := range h["Cache-Control"] {
		eachDirective(line, func(name, _ string, _ bool) { transform = transform && name != "no-transform" })
	}
	return transform && isText(h.Get("Content-Type"))
}

// isText reports whether bodies of a media type are usually compressed to less than half.
func isText(mediaType string) bool {
	t, _, _ := strings.Cut(mediaType, ";")
	t = strings.ToLower(strings.TrimSpace(t))
	switch t {
	case "application/json", "application/javascript", "application/xml", "application/manifest+json", "application/wasm", "image/svg+xml":
		return true
	}
	return strings.HasPrefix(t, "text/") || strings.HasPrefix(t, "application/") && (strings.HasSuffix(t, "+json") || strings.HasSuffix(t, "+xml"))
}

var gzipWriters = sync.Pool{New: func() any { return gzip.NewWriter(nil) }}

// compress returns body in gzip. ok is false if that saves less than a tenth.
func compress(body string) (zipped string, ok bool) {
	if len(body) < minCompress {
		return "", false
	}
	var out strings.Builder
	w := gzipWriters.Get().(*gzip.Writer)
	defer gzipWriters.Put(w)
	w.Reset(&out)
	_, err := io.WriteString(w, body)
	if err = errors.Join(err, w.Close()); err != nil {
		return "", false
	}
	return strings.Clone(out.String()), out.Len() < len(body)-len(body)/10
}

// size returns the length of the body before it was compressed.
func (rec *record) size() int {
	if n := len(rec.body); rec.flags.has(zipped) && n >= 4 {
		return int(binary.LittleEndian.Uint32([]byte(rec.body[n-4:])))
	}
	return len(rec.body)
}

// identity returns the body as the handler has written it.
func (rec *record) identity() (string, error) {
	if !rec.flags.has(zipped) {
		return rec.body, nil
	}
	r, err := gzip.NewReader(strings.NewReader(rec.body))
	if err == nil && rec.size() > maxRatio*len(rec.body) {
		err = gzip.ErrHeader
	}
	if err != nil {
		return "", err
	}
	var out strings.Builder
	n, err := io.Copy(&out, io.LimitReader(r, int64(rec.size())+1))
	if err == nil && n != int64(rec.size()) {
		err = gzip.ErrChecksum
	}
	return out.String(), err
}

// acceptsGzip reports whether r accepts a body in gzip.
func acceptsGzip(r *http.Request) bool {
	accepts, wildcard := false, false
	for member := range strings.SplitSeq(strings.Join(r.Header["Accept-Encoding"], ","), ",") {
		name, params, _ := strings.Cut(member, ";")
		refused, ok := zeroWeight(params)
		switch strings.ToLower(strings.TrimSpace(name)) {
		case "gzip":
			if refused || !ok {
				return false
			}
			accepts = true
		case "*":
			wildcard = ok && !refused
		}
	}
	return accepts || wildcard
}

// asGzip sets the header of a response whose stored body is in gzip, and reports whether r gets
// it so. The ETag belongs to the identity body: as it is, a client would combine ranges of both.
func (rec *record) asGzip(r *http.Request, h http.Header) bool {
	if !rec.flags.has(zipped) {
		return false
	}
	h.Add("Vary", "Accept-Encoding")
	if !acceptsGzip(r) || wantsRange(r) {
		return false
	}
	h["Content-Encoding"] = []string{"gzip"}
	if etag := first(h, "Etag"); etag != "" {
		h["Etag"] = []string{"W/" + weakTag(etag)}
	}
	return true
}
