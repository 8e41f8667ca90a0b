package web

import (
	"context"
	"crypto/sha256"
	"crypto/subtle"
	"errors"
	"log/slog"
	"net/http"
	"strings"

	"github.com/lokroom/strata"
	"github.com/lokroom/strata/admin"
)

// newAdmin returns the handler of GET /api/cache/, a page for people, GET /api/health/redis,
// GET /api/cache/stats and POST /api/cache/clear, among others: see package admin. The holder of
// token may use all of it; a browser asks for it as the password of any user. Without a token, this
// machine may read.
func newAdmin(b *strata.Backend, token string) (http.Handler, error) {
	o := admin.Options{
		PublicHealth: true,
		Audit: func(_ context.Context, e admin.Event) {
			slog.Info("admin", "action", e.Action, "target", e.Target, "peer", e.Peer, "status", e.Status, "err", e.Err)
		},
	}
	if token != "" {
		want := sha256.Sum256([]byte(token))
		o.Challenge = `Basic realm="marketplace"`
		o.Authorize = func(r *http.Request) (admin.Principal, error) {
			sent, ok := strings.CutPrefix(r.Header.Get("Authorization"), "Bearer ")
			if !ok {
				_, sent, ok = r.BasicAuth()
			}
			got := sha256.Sum256([]byte(sent)) // of one length, so that the time does not depend on the token
			if !ok || subtle.ConstantTimeCompare(got[:], want[:]) == 0 {
				return admin.Principal{}, errors.New("the token is not that of the administrator")
			}
			return admin.Principal{Name: "administrator", Role: admin.Operate}, nil
		}
	}
	h, err := admin.New(b, &o)
	if err != nil {
		return nil, err
	}
	mux := http.NewServeMux()
	mux.Handle("/api/cache/", h)
	mux.HandleFunc("GET /api/health/redis", func(w http.ResponseWriter, r *http.Request) {
		r = r.Clone(r.Context())
		r.URL.Path = "/api/cache/health"
		h.ServeHTTP(w, r)
	})
	return mux, nil
}
