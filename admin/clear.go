package admin

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strings"
	"time"

	"github.com/lokroom/strata/store"
)

// A clearRequest is the body of clear. Exactly one of its first four fields must be set.
type clearRequest struct {
	All     bool     `json:"all"`
	Cache   string   `json:"cache"`
	Pattern string   `json:"pattern"` // "cache:pattern of ids"; "*" is all
	Tags    []string `json:"tags"`

	// Confirm is typed by a person: "all", the name of the cache, or the tags joined by commas.
	// A pattern within one cache needs none.
	Confirm string `json:"confirm"`
}

type clearAnswer struct {
	Status    string    `json:"status"` // "cleared"
	Target    string    `json:"target"`
	Deleted   int       `json:"deleted"` // of a pattern; else 0: not counted
	Timestamp time.Time `json:"timestamp"`
}

const (
	maxBody  = 64 << 10
	clearFor = time.Minute
)

// A clearing is a clearRequest that was understood.
type clearing struct {
	target  string // in words
	confirm string // what has to be typed; empty: nothing
	run     func(context.Context) (deleted int, err error)
}

// parseClear reads the body of a request. The error is an *httpError.
func (h *Handler) parseClear(w http.ResponseWriter, r *http.Request) (c clearing, err error) {
	var q clearRequest
	d := json.NewDecoder(http.MaxBytesReader(w, r.Body, maxBody))
	d.DisallowUnknownFields()
	if err := d.Decode(&q); err != nil {
		return c, &httpError{http.StatusBadRequest, `want JSON like {"cache":"users","confirm":"users"}`}
	}
	if _, err := d.Token(); !errors.Is(err, io.EOF) {
		return c, &httpError{http.StatusBadRequest, "want one JSON object"}
	}
	set := 0
	for _, is := range []bool{q.All, q.Cache != "", q.Pattern != "", len(q.Tags) > 0} {
		if is {
			set++
		}
	}
	if set != 1 {
		return c, &httpError{http.StatusBadRequest, "want one of all, cache, pattern and tags"}
	}
	switch {
	case q.All, q.Pattern == "*":
		c = clearing{"all caches", "all", func(ctx context.Context) (int, error) { return 0, h.backend.ClearCaches(ctx) }}
	case q.Cache != "":
		c = h.clearCache(q.Cache)
	case len(q.Tags) > 0:
		joined := strings.Join(q.Tags, ",")
		c = clearing{"tags " + joined, joined, func(ctx context.Context) (int, error) { return 0, h.backend.InvalidateTags(ctx, q.Tags...) }}
	default:
		if c, err = h.clearPattern(q.Pattern); err != nil {
			return c, err
		}
	}
	if c.confirm != "" && q.Confirm != c.confirm {
		return c, &httpError{http.StatusPreconditionFailed, fmt.Sprintf("confirm must be %q", c.confirm)}
	}
	return c, nil
}

func (h *Handler) clearCache(name string) clearing {
	return clearing{"cache " + name, name, func(ctx context.Context) (int, error) { return 0, h.backend.ClearCaches(ctx, name) }}
}

// clearPattern returns the clearing of ids in one cache. Of all ids it clears the cache, which
// does not scan Redis.
func (h *Handler) clearPattern(pattern string) (clearing, error) {
	name, rest, ok := h.cacheIn(pattern)
	if !ok {
		return clearing{}, &httpError{http.StatusNotFound, `the pattern must begin with the name of a cache, as in "users:*"`}
	}
	c := h.clearCache(name)
	if rest != "*" {
		c.run = func(ctx context.Context) (int, error) { return h.backend.DeletePattern(ctx, name, rest) }
	}
	c.target, c.confirm = "pattern "+pattern, ""
	return c, nil
}

func (h *Handler) serveClear(w http.ResponseWriter, r *http.Request, caller Principal) {
	e := endpoint{write: true, name: "clear"}
	c, err := h.parseClear(w, r)
	if err == nil && !h.clears.TryLock() {
		err = &httpError{http.StatusConflict, "another clear is running"}
	}
	if err != nil {
		h.refuse(w, r, e, caller, err)
		return
	}
	defer h.clears.Unlock()
	// A caller that goes away leaves nothing half cleared.
	ctx, cancel := context.WithTimeout(context.WithoutCancel(r.Context()), clearFor)
	defer cancel()
	deleted, err := c.run(ctx)
	status, text := http.StatusOK, ""
	switch {
	case errors.Is(err, store.ErrNotFound):
		status, text = http.StatusNotFound, "there is no such cache"
	case errors.Is(err, store.ErrUnavailable):
		status, text = http.StatusServiceUnavailable, "Redis did not acknowledge it; this process has dropped its copies and retries"
	case err != nil:
		status, text = http.StatusInternalServerError, "it failed"
		if h.opts.ShowKeys {
			text = err.Error()
		}
	}
	h.audit(r, caller, Event{Action: "clear", Target: c.target, Status: status, Err: err})
	if err != nil {
		writeJSON(w, status, map[string]any{"error": text, "timestamp": time.Now().UTC()})
		return
	}
	writeJSON(w, status, clearAnswer{"cleared", c.target, deleted, time.Now().UTC()})
}
