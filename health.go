package strata

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/lokroom/strata/store"
	"github.com/lokroom/strata/store/redisstore"
)

// Health is what a [Backend] knows of its state without asking anybody. Its JSON is for
// whoever watches the process. [Health.Err] says it in one line.
type Health struct {
	// Redis is nil if there is none.
	Redis *redisstore.Health `json:"redis,omitempty"`

	// Caches are those of the backend, by name, that have changes pending.
	Caches map[string]PendingHealth `json:"pending,omitempty"`

	// Refused are those of the backend, by name, that had changes which Redis refuses for
	// good: other processes may keep the old values. The caller of such a change got no
	// error, or another one, because it was retried.
	Refused map[string]RefusedHealth `json:"refused,omitempty"`

	// Values are the caches of the backend, by name, that had values which their codec does
	// not carry, or found some in Redis that it cannot read.
	Values map[string]ValueHealth `json:"values,omitempty"`

	// Closed says that Close was called.
	Closed bool `json:"closed,omitempty"`
}

// PendingHealth tells of the changes made through a cache of which Redis has not heard.
type PendingHealth struct {
	Keys int           `json:"keys"` // -1: all of the cache
	For  time.Duration `json:"for_ns"`

	// Err is why Redis could not be told at the last try. It is empty before that.
	Err string `json:"error,omitempty"`
}

// RefusedHealth tells of the changes made through a cache that Redis refuses for good, and that
// are not retried any more.
type RefusedHealth struct {
	Count uint64 `json:"count"`
	Last  string `json:"last"` // why, for the last one
}

// Health returns the state of the backend. It does no I/O, so that it may be called as
// often as one likes: [Backend.Ping] asks Redis.
func (b *Backend) Health() Health {
	b.mu.Lock()
	h := Health{Closed: b.closed}
	for name, c := range b.caches {
		if n, oldest := c.Pending(); n != 0 {
			if h.Caches == nil {
				h.Caches = make(map[string]PendingHealth)
			}
			p := PendingHealth{Keys: n, For: oldest}
			if err := c.PendingErr(); err != nil {
				p.Err = err.Error()
			}
			h.Caches[name] = p
		}
		if n, last := c.Refused(); n > 0 {
			if h.Refused == nil {
				h.Refused = make(map[string]RefusedHealth)
			}
			h.Refused[name] = RefusedHealth{Count: n, Last: last.Error()}
		}
	}
	b.mu.Unlock()
	h.Values = b.values.health()
	if b.redis != nil {
		r := b.redis.Health()
		h.Redis = &r
	}
	return h
}

// Err returns nil if everything works as it should, and otherwise an error that says what
// does not: store.ErrClosed after Close, else one that is store.ErrUnavailable, also
// store.ErrAuth if Redis refuses commands or keys to the user, or, if only Values has
// entries, store.ErrUnstorable. Caches go
// on answering then, from L1 and the source; whether a process without Redis counts as
// ready is for the caller to say.
func (h Health) Err() error {
	if h.Closed {
		return &store.Error{Store: "strata", Op: "health", Err: store.ErrClosed}
	}
	var what []string
	if r := h.Redis; r != nil {
		last := ""
		if r.LastError != "" {
			last = fmt.Sprintf(" (%d errors, the last at %s: %s)", r.Errors, r.LastErrorAt.UTC().Format(time.RFC3339), causeIn(r.LastError))
		}
		if !r.Connected {
			what = append(what, "Redis was never connected"+last)
		}
		if r.Breaker != "closed" {
			what = append(what, fmt.Sprintf("Redis is not used: the breaker is %s since %s%s", r.Breaker, r.Since.UTC().Format(time.RFC3339), last))
		}
		for _, n := range r.Nodes {
			what = append(what, fmt.Sprintf("%s does not answer: its breaker is %s since %s", n.Addr, n.Breaker, n.Since.UTC().Format(time.RFC3339)))
		}
		if r.Refused != "" {
			what = append(what, "Redis refuses what this process needs: "+r.Refused)
		} else if r.NoPushes != "" {
			what = append(what, r.NoPushes)
		} else if !r.Hears && !r.Heard.IsZero() && r.Breaker == "closed" {
			what = append(what, "Redis last answered at "+r.Heard.UTC().Format(time.RFC3339)+last)
		}
		if r.PendingTags != 0 {
			tags := fmt.Sprintf("%d invalidated tags", r.PendingTags)
			if r.PendingTags < 0 {
				tags = "the invalidation of every tag"
			}
			what = append(what, fmt.Sprintf("Redis has not received %s for %v", tags, r.PendingTagsFor.Round(time.Millisecond)))
		}
	}
	var names []string
	for name := range h.Caches {
		names = append(names, name)
	}
	slices.Sort(names)
	for _, name := range names {
		p := h.Caches[name]
		keys := fmt.Sprintf("changes of %d keys", p.Keys)
		if p.Keys < 0 {
			keys = "a Clear"
		}
		inCache := fmt.Sprintf("cache %q: ", name)
		text := fmt.Sprintf("%sRedis has not received %s for %v", inCache, keys, p.For.Round(time.Millisecond))
		if p.Err != "" {
			text += " (" + strings.ReplaceAll(causeIn(p.Err), inCache, "") + ")"
		}
		what = append(what, text)
	}
	faults := h.valueFaults()
	if len(what) == 0 {
		return faults
	}
	if faults != nil {
		what = append(what, faults.Error())
	}
	err := errors.New(strings.Join(what, "; "))
	if h.Redis != nil && h.Redis.Refused != "" {
		err = &refusedError{err}
	}
	return &store.Error{Store: "strata", Op: "health", Err: fmt.Errorf("%w: %w", store.ErrUnavailable, err)}
}

// causeIn returns text without the word that every cause of [Health.Err] has in common.
func causeIn(text string) string {
	return strings.ReplaceAll(text, store.ErrUnavailable.Error()+": ", "")
}

// A refusedError is store.ErrAuth, which its text names already.
type refusedError struct{ error }

func (e *refusedError) Is(target error) bool { return target == store.ErrAuth }
