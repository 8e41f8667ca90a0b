package httpcache

import (
	"bufio"
	"io"
	"net"
	"net/http"
)

// A spy is a ResponseWriter that passes everything on, and calls header before the header is
// sent.
type spy struct {
	http.ResponseWriter
	header func(status int)
	status int // 0: not written
}

func (s *spy) Unwrap() http.ResponseWriter { return s.ResponseWriter }

func (s *spy) WriteHeader(status int) {
	if s.status == 0 && (status >= 200 || status == http.StatusSwitchingProtocols) {
		s.status = status
		s.header(status)
	}
	s.ResponseWriter.WriteHeader(status)
}

func (s *spy) Write(b []byte) (int, error) {
	s.begin()
	return s.ResponseWriter.Write(b)
}

func (s *spy) begin() {
	if s.status == 0 {
		s.WriteHeader(http.StatusOK)
	}
}

func (s *spy) ReadFrom(r io.Reader) (int64, error) {
	s.begin()
	return io.Copy(s.ResponseWriter, r)
}

func (s *spy) Flush() { _ = s.FlushError() }

func (s *spy) FlushError() error {
	s.begin()
	return http.NewResponseController(s.ResponseWriter).Flush()
}

func (s *spy) Hijack() (net.Conn, *bufio.ReadWriter, error) {
	s.status = http.StatusSwitchingProtocols
	return http.NewResponseController(s.ResponseWriter).Hijack()
}

// head passes a HEAD on. If its response shows that the stored one is not current any more,
// that is made stale (RFC 9111 section 4.3.5).
func (h *handler) head(w http.ResponseWriter, r *http.Request, at place) {
	if at.rec == nil {
		h.forward(w, r, at.fwd)
		return
	}
	s := &spy{ResponseWriter: w}
	s.header = func(status int) {
		if status == http.StatusOK && differs(at.rec, w.Header()) {
			h.invalidate(r, []string{at.id})
		}
	}
	h.forward(s, r, at.fwd)
	s.begin()
}

// differs reports whether a HEAD response is for another representation than rec.
func differs(rec *record, h http.Header) bool {
	for name, old := range map[string]string{
		"Etag": rec.first("Etag"), "Last-Modified": rec.first("Last-Modified"), "Content-Length": itoa(rec.size()),
	} {
		if now := h.Get(name); now != "" && now != old {
			return true
		}
	}
	return false
}
