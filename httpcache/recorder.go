package httpcache

import (
	"bufio"
	"errors"
	"io"
	"maps"
	"net"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"time"
)

// A recorder is the ResponseWriter of a handler whose response may be stored. It sends the
// response to the client as it is written, and keeps a copy. It sends nothing while the
// client is to be answered from the copy, or from a stored response.
type recorder struct {
	f    *fill
	w    http.ResponseWriter // nil: there is no client
	h    http.Header         // of the handler; what other middleware has set is in w
	kept http.Header         // h when the header was written, if it is stored
	set  wishes

	varies   bool // the client must know that others get another coding
	mode     mode
	status   int // 0: not written
	declared int64
	written  int64
	received time.Time
	decision decision
	body     []byte
}

// A mode is what a recorder does with the body.
type mode uint8

const (
	forward mode = iota // to the client only
	tee                 // to the client, and keep it
	hold                // keep it: the client is answered from the copy
	drop                // neither: the client is answered from a stored response
)

func newRecorder(f *fill) *recorder {
	return &recorder{f: f, w: f.w, h: make(http.Header), declared: -1}
}

func (rec *recorder) Header() http.Header { return rec.h }

// Unwrap is for [http.ResponseController].
func (rec *recorder) Unwrap() http.ResponseWriter { return rec.w }

func (rec *recorder) WriteHeader(status int) {
	switch {
	case rec.status != 0:
		return
	case status >= 100 && status < 200 && status != http.StatusSwitchingProtocols:
		rec.inform(status)
		return
	}
	rec.status, rec.received = status, time.Now()
	if n, err := strconv.ParseInt(rec.h.Get("Content-Length"), 10, 64); err == nil {
		rec.declared = n
	}
	rec.f.header(rec) // sets mode
	if rec.mode == forward || rec.mode == tee {
		rec.sendHeader()
	}
}

// inform sends an informational response, whose fields are not those of the final one.
func (rec *recorder) inform(status int) {
	if rec.w == nil {
		return
	}
	others := rec.w.Header().Clone()
	rec.sendFields()
	rec.w.WriteHeader(status)
	clear(rec.w.Header())
	maps.Copy(rec.w.Header(), others)
}

func (rec *recorder) sendHeader() {
	if rec.w == nil {
		return
	}
	rec.sendFields()
	rec.f.c.addStatus(rec.w.Header(), rec.f.statusOf(rec))
	rec.w.WriteHeader(rec.status)
}

// sendFields sets the fields of the handler in the response to the client.
func (rec *recorder) sendFields() {
	to := rec.w.Header()
	if rec.varies {
		to.Add("Vary", "Accept-Encoding")
	}
	for name, lines := range rec.h {
		if name == "Vary" && len(to[name]) > 0 {
			lines = append(to[name][:len(to[name]):len(to[name])], lines...)
		}
		to[name] = lines
	}
}

func (rec *recorder) Write(b []byte) (int, error) {
	if rec.status == 0 {
		rec.WriteHeader(http.StatusOK)
	}
	switch rec.mode {
	case forward:
		return rec.send(b)
	case drop:
		return len(b), nil
	}
	if !bodyAllowed(rec.status) {
		return 0, http.ErrBodyNotAllowed
	}
	rec.written += int64(len(b))
	if rec.declared >= 0 && rec.written > rec.declared {
		rec.stop(errLength)
		return 0, http.ErrContentLength
	}
	if max(rec.written, rec.declared) > rec.f.rt.MaxBody || rec.f.abandoned() {
		rec.stop(errTooLarge)
		return rec.send(b)
	}
	rec.body = append(rec.body, b...)
	if rec.mode == tee && rec.w != nil {
		// The client may have left; others may wait for the copy.
		_, _ = rec.w.Write(b)
	}
	return len(b), nil
}

// send writes to the client, if there is one.
func (rec *recorder) send(b []byte) (int, error) {
	if rec.w == nil {
		return len(b), nil
	}
	return rec.w.Write(b)
}

// stop ends the copy: the rest goes to the client only.
func (rec *recorder) stop(why error) {
	held, body := rec.mode == hold, rec.body
	rec.mode, rec.body = forward, nil
	rec.decision.refused = "size"
	rec.f.finish(nil, why)
	if held {
		rec.sendHeader()
		_, _ = rec.send(body)
	}
}

// ReadFrom lets the server copy a file without passing it through the process.
func (rec *recorder) ReadFrom(r io.Reader) (int64, error) {
	if rec.status == 0 {
		rec.WriteHeader(http.StatusOK)
	}
	if to, ok := rec.w.(io.ReaderFrom); ok && rec.mode == forward {
		return to.ReadFrom(r)
	}
	return io.Copy(struct{ io.Writer }{rec}, r)
}

// Flush sends what was written so far to the client.
func (rec *recorder) Flush() { _ = rec.FlushError() }

// FlushError is Flush for [http.ResponseController].
func (rec *recorder) FlushError() error {
	if rec.status == 0 {
		rec.WriteHeader(http.StatusOK)
	}
	if rec.w == nil || rec.mode == hold || rec.mode == drop {
		return nil
	}
	return http.NewResponseController(rec.w).Flush()
}

// Hijack gives the connection to the handler. Nothing is stored.
func (rec *recorder) Hijack() (net.Conn, *bufio.ReadWriter, error) {
	if rec.w == nil {
		return nil, nil, errors.ErrUnsupported
	}
	rec.mode, rec.status = forward, http.StatusSwitchingProtocols
	rec.decision.refused = "stream"
	rec.f.finish(nil, errStream)
	return http.NewResponseController(rec.w).Hijack()
}

// sendTrailers passes the trailers of the handler on, and reports whether there are any.
func (rec *recorder) sendTrailers() (any bool) {
	var declared []string
	for _, line := range rec.h["Trailer"] {
		for name := range strings.SplitSeq(line, ",") {
			declared = append(declared, http.CanonicalHeaderKey(strings.TrimSpace(name)))
		}
	}
	for name, lines := range rec.h {
		if !strings.HasPrefix(name, http.TrailerPrefix) && !slices.Contains(declared, name) {
			continue
		}
		if any = true; rec.w != nil {
			rec.w.Header()[name] = lines
		}
	}
	return any
}

// complete reports whether the whole response was written.
func (rec *recorder) complete() bool {
	return rec.declared < 0 || rec.declared == rec.written || !bodyAllowed(rec.status)
}

// bodyAllowed reports whether a response with this status may have a body.
func bodyAllowed(status int) bool {
	return status >= 200 && status != http.StatusNoContent && status != http.StatusNotModified
}
