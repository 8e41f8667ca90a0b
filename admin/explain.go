package admin

import (
	"context"
	"errors"
	"net/http"
	"strconv"
	"strings"
	"time"

	"github.com/lokroom/strata/store"
	"github.com/lokroom/strata/store/redisstore"
)

// An explanation is the answer of explain.
type explanation struct {
	Cache     string      `json:"cache"`
	Key       string      `json:"key"`
	Tiers     []tierEntry `json:"tiers"` // those with an entry
	Error     string      `json:"error,omitempty"`
	Timestamp time.Time   `json:"timestamp"`
}

// A tierEntry is what one tier has. Spans are in seconds from now, and null without an end.
type tierEntry struct {
	Tier      string    `json:"tier"`  // "L1" or "L2"
	State     string    `json:"state"` // see states; else "fresh", "stale", or "absent": the source has no value
	LoadedAt  time.Time `json:"loaded_at,omitzero"`
	Age       *float64  `json:"age_seconds"`
	LoadTime  float64   `json:"load_seconds,omitempty"`
	FreshFor  *float64  `json:"fresh_for_seconds"`
	KeptFor   *float64  `json:"kept_for_seconds"`
	RefreshAt time.Time `json:"refresh_at,omitzero"` // a read refreshes it from then on
	CheckAt   time.Time `json:"check_at,omitzero"`   // a read revalidates it from then on
	Version   uint64    `json:"version,omitempty,string"`
	Revision  uint64    `json:"revision,omitempty,string"`
	Stamp     uint64    `json:"tag_clock,omitempty,string"` // reading of the clock of the tags before the load
	Epoch     uint64    `json:"epoch,omitempty,string"`
	Size      int       `json:"size_bytes,omitempty"`
	Tags      []string  `json:"tags,omitempty"`
	Value     string    `json:"value,omitempty"`

	// Of Redis only.
	Codec       string   `json:"codec,omitempty"`
	Lease       float64  `json:"lease_seconds,omitempty"`  // a process loads it, for this long at most
	Hold        float64  `json:"hold_seconds,omitempty"`   // a write caps TTLs
	Readings    []string `json:"tag_readings,omitempty"`   // of the clock, when each tag was last invalidated; 0: not known
	Invalidated []string `json:"invalidated_by,omitempty"` // "clear", "all tags", or "tag " with its name
}

// states are those of a record of Redis that reads do not find.
var states = map[redisstore.Kind]string{
	redisstore.KindValue: "invalidated", redisstore.KindAbsent: "invalidated", redisstore.KindLease: "no value",
	redisstore.KindCounter: "counter", redisstore.KindForeign: "not written by a cache",
}

// splitKey returns the cache and the id of a request: ?cache=C&key=K, or ?key=C:K.
func (h *Handler) splitKey(r *http.Request) (cache, key string) {
	cache, key = r.URL.Query().Get("cache"), r.URL.Query().Get("key")
	if cache != "" {
		return cache, key
	}
	if name, rest, ok := h.cacheIn(key); ok {
		return name, rest
	}
	return "", key
}

// cacheIn splits a text that begins with the name of a cache and a colon; the longest name wins.
func (h *Handler) cacheIn(text string) (name, rest string, ok bool) {
	for _, c := range h.backend.Caches() {
		if r, is := strings.CutPrefix(text, c.Name+":"); is && len(c.Name) >= len(name) {
			name, rest, ok = c.Name, r, true
		}
	}
	return name, rest, ok
}

func (h *Handler) serveExplain(w http.ResponseWriter, r *http.Request, caller Principal) {
	cache, key := h.splitKey(r)
	if cache == "" || key == "" {
		h.refuse(w, r, endpoint{}, caller, &httpError{http.StatusBadRequest, "want ?cache=C&key=K, or ?key=C:K"})
		return
	}
	l1, l2, err := h.backend.Inspect(r.Context(), cache, key)
	if errors.Is(err, store.ErrNotFound) {
		h.refuse(w, r, endpoint{}, caller, errNoCache)
		return
	}
	x := explanation{Cache: cache, Key: h.shown(key), Tiers: []tierEntry{}, Timestamp: time.Now().UTC()}
	if l1 != nil {
		x.Tiers = append(x.Tiers, h.tierEntry("L1", cache, l1))
	}
	if l2 != nil {
		x.Tiers = append(x.Tiers, h.tierEntry("L2", cache, l2))
	}
	if err == nil {
		x.Tiers, err = h.withRecord(r.Context(), &x, key)
	}
	switch {
	case err != nil && h.opts.ShowKeys:
		x.Error = err.Error()
	case err != nil:
		x.Error = "Redis could not be read"
	}
	writeJSON(w, http.StatusOK, x)
}

// withRecord returns the tiers of x with what only the record in Redis says.
func (h *Handler) withRecord(ctx context.Context, x *explanation, key string) ([]tierEntry, error) {
	r, err := h.backend.Record(ctx, x.Cache, key)
	switch {
	case errors.Is(err, errors.ErrUnsupported): // there is no Redis
		return x.Tiers, nil
	case err != nil || r.Kind == redisstore.KindMissing:
		return x.Tiers, err
	}
	last := len(x.Tiers) - 1
	if last < 0 || x.Tiers[last].Tier != "L2" {
		last++
		x.Tiers = append(x.Tiers, tierEntry{
			Tier: "L2", State: states[r.Kind], LoadedAt: r.LoadedAt, LoadTime: seconds(r.LoadTime), Version: r.Version, Revision: r.Revision, Size: r.Size,
		})
		for _, tag := range r.Tags {
			x.Tiers[last].Tags = append(x.Tiers[last].Tags, h.shown(tag))
		}
	}
	t := &x.Tiers[last]
	t.Codec, t.Lease, t.Hold, t.Stamp = r.Codec, seconds(r.Lease), seconds(r.Hold), r.Stamp
	for _, n := range r.Readings {
		t.Readings = append(t.Readings, strconv.FormatUint(n, 10))
	}
	for _, why := range r.Invalidated {
		if tag, is := strings.CutPrefix(why, "tag "); is {
			why = "tag " + h.shown(tag)
		}
		t.Invalidated = append(t.Invalidated, why)
	}
	return x.Tiers, nil
}

func (h *Handler) tierEntry(tier, cache string, e *store.Entry[any]) tierEntry {
	now := store.Now()
	t := tierEntry{
		Tier: tier, State: "fresh", LoadTime: seconds(e.LoadTime), Version: e.Version, Revision: e.Revision,
		Stamp: e.Stamp, Epoch: e.Epoch, Size: e.Size, RefreshAt: wall(e.RefreshAt), CheckAt: wall(e.CheckAt),
	}
	if t.LoadedAt = wall(e.LoadedAt); e.LoadedAt != 0 {
		age := seconds(now.Sub(e.LoadedAt))
		t.Age = &age
	}
	end := e.StaleAt
	if end == 0 || e.ExpiresAt != 0 && e.ExpiresAt < end {
		end = e.ExpiresAt
	}
	t.FreshFor, t.KeptFor = left(end), left(e.ExpiresAt)
	switch {
	case e.Absent:
		t.State = "absent"
	case e.Stale(now):
		t.State = "stale"
	}
	for _, tag := range e.Tags {
		t.Tags = append(t.Tags, h.shown(tag))
	}
	if h.opts.ShowValue != nil && !e.Absent {
		t.Value = h.opts.ShowValue(cache, e.Value)
	}
	return t
}

// left returns the seconds until t, or nil if there is no such time.
func left(t store.Time) *float64 {
	if t == 0 {
		return nil
	}
	s := max(seconds(t.Until()), 0)
	return &s
}

// wall returns the wall time of t.
func wall(t store.Time) time.Time {
	if t == 0 {
		return time.Time{}
	}
	return t.Time().UTC()
}
