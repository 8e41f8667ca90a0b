package strata

import (
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/lokroom/strata/store"
	"github.com/lokroom/strata/store/redisstore"
)

// Health is the state of a [Backend] as known without I/O. Its JSON is meant for
// monitoring. [Health.Err] summarizes it in one line.
type Health struct {
	// Redis is the state of the client. It is nil without Redis.
	Redis *redisstore.Health `json:"redis,omitempty"`

	// RetryQueues has an entry, by name, for each cache with changes that Redis has not
	// acknowledged.
	RetryQueues map[string]RetryQueueHealth `json:"retry_queues,omitempty"`

	// Refused has an entry, by name, for each cache with changes that Redis refused
	// permanently. Other processes may keep the old values. The caller of such a change got
	// no error, or a different one, because the change was retried.
	Refused map[string]RefusedHealth `json:"refused,omitempty"`

	// Values has an entry, by name, for each cache with values that its codec could not
	// encode, or that it could not decode from Redis.
	Values map[string]ValueHealth `json:"values,omitempty"`

	// Closed reports whether Close was called.
	Closed bool `json:"closed,omitempty"`
}

// RetryQueueHealth describes the changes of one cache that Redis has not acknowledged.
type RetryQueueHealth struct {
	Keys int           `json:"keys"` // number of keys; -1: all keys of the cache
	For  time.Duration `json:"for_ns"`

	// Err is the error of the last retry. It is empty before the first.
	Err string `json:"error,omitempty"`
}

// RefusedHealth describes the changes of one cache that Redis refused permanently. They are
// not retried.
type RefusedHealth struct {
	Count uint64 `json:"count"`
	Last  string `json:"last"` // the error of the last one
}

// Health returns the state of the backend. It does no I/O and may be called at any rate;
// [Backend.Ping] asks Redis.
func (b *Backend) Health() Health {
	b.mu.Lock()
	h := Health{Closed: b.closed}
	for name, c := range b.caches {
		if n, oldest := c.RetryQueue(); n != 0 {
			if h.RetryQueues == nil {
				h.RetryQueues = make(map[string]RetryQueueHealth)
			}
			p := RetryQueueHealth{Keys: n, For: oldest}
			if err := c.RetryQueueErr(); err != nil {
				p.Err = err.Error()
			}
			h.RetryQueues[name] = p
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
	if b.l2.redis != nil {
		r := b.l2.redis.Health()
		h.Redis = &r
	}
	return h
}

// Err returns nil if everything works, and otherwise an error that lists the problems. It
// wraps store.ErrClosed after Close, and otherwise store.ErrUnavailable. It also wraps
// store.ErrAuth if Redis refuses commands or keys to the user. If only Values has entries,
// it wraps store.ErrUnstorable instead.
//
// Caches continue to answer from L1 and the source meanwhile. Whether a process without
// Redis counts as ready is the decision of the caller.
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
		if !r.Dialed {
			what = append(what, "Redis was never connected"+last)
		}
		if r.Breaker != "closed" {
			what = append(what, fmt.Sprintf("Redis is not used: the breaker is %s since %s%s", r.Breaker, r.Since.UTC().Format(time.RFC3339), last))
		}
		for _, n := range r.Nodes {
			what = append(what, fmt.Sprintf("%s does not answer: its breaker is %s since %s", n.Addr, n.Breaker, n.Since.UTC().Format(time.RFC3339)))
		}
		if r.Refused != "" {
			what = append(what, "Redis refuses commands or keys that this process needs: "+r.Refused)
		} else if r.NoPushes != "" {
			what = append(what, r.NoPushes)
		} else if !r.Connected && !r.LastContact.IsZero() && r.Breaker == "closed" {
			what = append(what, "Redis last answered at "+r.LastContact.UTC().Format(time.RFC3339)+last)
		}
		if r.QueuedTags != 0 {
			tags := fmt.Sprintf("%d invalidated tags", r.QueuedTags)
			if r.QueuedTags < 0 {
				tags = "the invalidation of every tag"
			}
			what = append(what, fmt.Sprintf("Redis has not received %s for %v", tags, r.QueuedTagsFor.Round(time.Millisecond)))
		}
	}
	var names []string
	for name := range h.RetryQueues {
		names = append(names, name)
	}
	slices.Sort(names)
	for _, name := range names {
		p := h.RetryQueues[name]
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

// causeIn returns text without the text of store.ErrUnavailable, which all causes of
// [Health.Err] share.
func causeIn(text string) string {
	return strings.ReplaceAll(text, store.ErrUnavailable.Error()+": ", "")
}

// A refusedError matches store.ErrAuth, which its text already contains.
type refusedError struct{ error }

func (e *refusedError) Is(target error) bool { return target == store.ErrAuth }

// valueFaults returns an error that wraps store.ErrUnstorable and names the caches in
// Values, or nil if there are none.
func (h Health) valueFaults() error {
	if len(h.Values) == 0 {
		return nil
	}
	var what []string
	for _, name := range slices.Sorted(maps.Keys(h.Values)) {
		what = append(what, fmt.Sprintf("cache %q: %d codec errors, the last: %s", name, h.Values[name].Count, h.Values[name].Last))
	}
	return &store.Error{Store: "strata", Op: "health", Err: fmt.Errorf("%w: %s", store.ErrUnstorable, strings.Join(what, "; "))}
}
