package layered

import (
	"context"
	"errors"
	"sync"

	"github.com/lokroom/strata/internal/mutant"
	"github.com/lokroom/strata/store"
)

// Tags are the invalidation tags of what this process keeps on its own account: of
// all entries where there is no L2, and of those that were loaded while L2 could not
// be reached. Stores that share them are concerned by each other's InvalidateTags.
// The zero Tags are ready to use and must not be copied.
type Tags struct {
	mu    sync.RWMutex
	clock uint64
	tags  map[string]uint64 // the clock when each was invalidated
	floor uint64            // of those that are not remembered
}

// mostTags is how many tags are remembered. With more, all entries with tags that
// were loaded until then count as invalidated.
const mostTags = 100_000

// Invalidate makes every entry unusable, in all stores with these tags, that was
// loaded before the call and carries one of tags. It concerns L1 of this process
// only: see [Store.InvalidateTags].
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
	if len(t.tags) > mostTags {
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

// InvalidateTags makes every entry unusable that was set before the call with at
// least one of tags, everywhere. Stores that share the tags, in L2 or by Options.Tags,
// are concerned, too. An L2 that is no [store.Tagger] is an error that is
// errors.ErrUnsupported.
//
// When it fails, or ctx had ended before the call, others may go on with what they have.
// This process finds none of the entries, and L2 invalidates the tags as soon as it can.
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

// current reports whether L1 may serve e as far as its tags go. It takes no I/O: what
// L2 would have to be asked about is not served.
func (s *Store[T]) current(e *store.Entry[T]) bool {
	if len(e.Tags) == 0 {
		return true
	}
	if e.Epoch == noEpoch {
		return s.opts.Tags.current(e.Tags, e.Stamp)
	}
	if s.stamper == nil {
		return true // L2 has told of each key
	}
	ok, _ := s.stamper.Current(e.Tags, e.Stamp)
	return ok || mutant.NoTagCheck.Load()
}

// outdated reports whether e, a copy of L2's, is known to carry a tag that was
// invalidated since.
func (s *Store[T]) outdated(e *store.Entry[T]) bool {
	if len(e.Tags) == 0 || s.stamper == nil {
		return false
	}
	ok, known := s.stamper.Current(e.Tags, e.Stamp)
	return known && !ok
}
