package admin

import (
	"errors"
	"mime"
	"net"
	"net/http"
	"net/netip"
	"strings"
	"time"
)

// A Role is what a caller may do.
type Role uint8

// Roles.
const (
	None    Role = iota // nothing
	View                // read
	Operate             // read and write
)

// A Principal is the caller of a request: see [Options.Authorize].
type Principal struct {
	Name string // for Event; may be empty
	Role Role
}

// An httpError is an answer that refuses a request. Its text is sent to the caller.
type httpError struct {
	status int
	text   string
}

func (e *httpError) Error() string { return e.text }

var (
	errUnknown = &httpError{http.StatusUnauthorized, "not authorized"}
	errPeer    = &httpError{http.StatusForbidden, "without Options.Authorize only this machine may read, and not through a proxy"}
	errView    = &httpError{http.StatusForbidden, "this needs the role View"}
	errOperate = &httpError{http.StatusForbidden, "this needs the role Operate"}
	errOrigin  = &httpError{http.StatusForbidden, "a request of another origin is refused"}
	errType    = &httpError{http.StatusUnsupportedMediaType, "Content-Type must be application/json"}
)

// forwarding are headers that a proxy adds: the peer of the socket is then not the caller.
var forwarding = []string{
	"Forwarded", "Via", "X-Forwarded-For", "X-Forwarded-Host", "X-Forwarded-Proto", "X-Forwarded-Port", "X-Forwarded-Server",
	"X-Real-Ip", "X-Client-Ip", "X-Cluster-Client-Ip", "X-Original-Forwarded-For", "X-Envoy-External-Address",
	"True-Client-Ip", "Cf-Connecting-Ip", "Fastly-Client-Ip", "Fly-Client-Ip",
}

// authorize returns the caller of r, or an *httpError.
func (h *Handler) authorize(r *http.Request) (Principal, error) {
	if h.opts.Authorize == nil {
		if !isLocal(r) {
			return Principal{}, errPeer
		}
		return Principal{Name: "local", Role: View}, nil
	}
	caller, err := h.opts.Authorize(r)
	switch {
	case err != nil:
		return Principal{}, errUnknown
	case caller.Role < View:
		return caller, errView
	}
	return caller, nil
}

// isLocal reports whether r comes from this machine, as far as can be seen. A page of another
// site can make a browser here send requests under its own name (DNS rebinding), so the Host
// has to be a loopback one too.
func isLocal(r *http.Request) bool {
	peer, err := netip.ParseAddrPort(r.RemoteAddr)
	if err != nil || !peer.Addr().Unmap().IsLoopback() {
		return false
	}
	for _, name := range forwarding {
		if _, set := r.Header[name]; set {
			return false
		}
	}
	host := r.Host
	if name, _, err := net.SplitHostPort(host); err == nil {
		host = name
	}
	if strings.EqualFold(host, "localhost") {
		return true
	}
	addr, err := netip.ParseAddr(strings.Trim(host, "[]"))
	return err == nil && addr.Unmap().IsLoopback()
}

var crossOrigin = http.NewCrossOriginProtection()

// permit returns why r, a request of caller for e, is refused, or nil.
func (h *Handler) permit(r *http.Request, e endpoint, caller Principal) error {
	if !e.write {
		if r.Method != http.MethodGet && r.Method != http.MethodHead {
			return &httpError{http.StatusMethodNotAllowed, "GET only"}
		}
		return nil
	}
	kind, _, err := mime.ParseMediaType(r.Header.Get("Content-Type"))
	switch {
	case r.Method != http.MethodPost:
		return &httpError{http.StatusMethodNotAllowed, "POST only"}
	case caller.Role < Operate:
		return errOperate
	case crossOrigin.Check(r) != nil:
		return errOrigin
	case err != nil || kind != "application/json":
		return errType
	}
	return nil
}

// refuse answers with err, an *httpError.
func (h *Handler) refuse(w http.ResponseWriter, r *http.Request, e endpoint, caller Principal, err error) {
	refused := &httpError{http.StatusInternalServerError, "internal error"}
	errors.As(err, &refused)
	switch refused.status {
	case http.StatusUnauthorized:
		if h.opts.Challenge != "" {
			w.Header().Set("WWW-Authenticate", h.opts.Challenge)
		}
	case http.StatusMethodNotAllowed:
		allow := "GET, HEAD"
		if e.write {
			allow = "POST"
		}
		w.Header().Set("Allow", allow)
	}
	if e.write {
		h.audit(r, caller, Event{Action: e.name, Status: refused.status, Err: refused})
	}
	writeJSON(w, refused.status, map[string]any{"error": refused.text, "timestamp": time.Now().UTC()})
}

// audit calls Options.Audit.
func (h *Handler) audit(r *http.Request, caller Principal, e Event) {
	if h.opts.Audit == nil {
		return
	}
	e.Time, e.Peer, e.Principal = time.Now(), r.RemoteAddr, caller.Name
	h.opts.Audit(r.Context(), e)
}
