package layered

import (
	"context"
	"errors"
	"sync"

	"github.com/lokroom/strata/store"
)

// Tags are the invalidation tags of entries that L2 does not know: all entries if there is no
// L2, and those loaded while L2 was unreachable. InvalidateTags of one store affects all
// stores that share the Tags. The zero Tags are ready to use and must not be copied.
type Tags struct {
	mu    sync.RWMutex
	clock uint64
	tags  map[string]uint64 // the clock when each was invalidated
	floor uint64            // of tags that are not remembered
}

// maxTags is how many tags are remembered. With more, all entries with tags that were loaded
// before count as invalidated.
const maxTags = 100_000

// Invalidate makes entries unusable, in all stores with these Tags, that were loaded before
// the call with one of tags. It affects only L1 of this process: see [Store.InvalidateTags].
func (t *Tags) Invalidate(tags ...string) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.clock++
	if t.tags == nil {
		t.tags = make(map[string]uint64)
	}
	for _, tag := range tags {
		t.tags[tag] = t.clock
	}
	if len(t.tags) > maxTags {
		clear(t.tags)
		t.floor = t.clock
	}
}

// now returns a stamp for what is loaded after the call.
func (t *Tags) now() uint64 {
	t.mu.RLock()
	defer t.mu.RUnlock()
	return t.clock
}

// current reports whether none of tags was invalidated after stamp.
func (t *Tags) current(tags []string, stamp uint64) bool {
	t.mu.RLock()
	defer t.mu.RUnlock()
	if stamp < t.floor {
		return false
	}
	for _, tag := range tags {
		if t.tags[tag] > stamp {
			return false
		}
	}
	return true
}

// InvalidateTags makes entries unusable, in all processes, that were set before the call with
// at least one of tags. Stores that share the tags, in L2 or by Options.Tags, are affected
// too. An L2 that is no [store.Tagger] is an error that is errors.ErrUnsupported.
//
// If it fails, or ctx had ended before the call, other processes may serve the entries. This
// process does not, and L2 retries the invalidation.
func (s *Store[T]) InvalidateTags(ctx context.Context, tags ...string) error {
	if s.closed.Load() {
		return s.errClosed("invalidate tags", "")
	}
	l2, ok := s.l2.(store.Tagger)
	if s.hasL2 && !ok {
		return s.failed("invalidate tags", "", errors.ErrUnsupported)
	}
	s.opts.Tags.Invalidate(tags...)
	switch {
	case s.hasL2:
		return s.named(l2.InvalidateTags(ctx, tags...))
	case ctx.Err() != nil:
		return s.failed("invalidate tags", "", context.Cause(ctx))
	}
	return nil
}
