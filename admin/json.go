package admin

import (
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"net/http"
	"time"
)

// writeJSON answers with v. A caller that has gone away is no error.
func writeJSON(w http.ResponseWriter, status int, v any) {
	b, err := json.Marshal(v)
	if err != nil { // a bug: all that is passed can be encoded
		http.Error(w, "internal error", http.StatusInternalServerError)
		return
	}
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(status)
	w.Write(append(b, '\n'))
}

// A hasher hides texts that may be personal data. Its key is random, so that a hash of a small
// id cannot be reversed by trying all ids.
type hasher struct{ key [32]byte }

func (h *hasher) init() { rand.Read(h.key[:]) } // never fails

func (h *hasher) of(text string) string {
	m := hmac.New(sha256.New, h.key[:])
	m.Write([]byte(text))
	return "#" + hex.EncodeToString(m.Sum(nil)[:6])
}

// shown returns text, an id or a tag, as callers may see it.
func (h *Handler) shown(text string) string {
	if h.opts.ShowKeys {
		return text
	}
	return h.hash.of(text)
}

// seconds are a duration in JSON.
func seconds(d time.Duration) float64 { return d.Seconds() }
