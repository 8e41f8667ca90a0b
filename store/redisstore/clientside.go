package redisstore

import (
	"context"
	"time"

	"github.com/lokroom/strata/store"
	"github.com/redis/rueidis"
)

// A copy in the memory of T lives as long as its key: until the expiry, a push,
// or the end of the connection. rueidis wants a bound of its own as well, and
// tells the nearer of the two as the expiry, from which no soft expiry could be
// counted back. So the bound is one that no key reaches.
const (
	clientSideTTL = 250 * 365 * 24 * time.Hour
	noExpiry      = 200 * 365 * 24 * time.Hour
)

// getClientSide answers from the memory of T, or asks and keeps the answer there.
func (s *Store[T]) getClientSide(ctx context.Context, l *links, full string, e *store.Entry[T]) (found bool, err error) {
	r := l.t.DoCache(ctx, l.t.B().Get().Key(full).Cache(), clientSideTTL)
	blob, err := r.AsBytes()
	if rueidis.IsRedisNil(err) {
		return false, nil
	}
	if err != nil {
		return false, s.foreign(ctx, full, err)
	}
	now := time.Now()
	if clock := s.client.pulse.clock.Load(); clock != nil {
		if found, known, err := s.answerAt(ctx, full, clock, now, blob, nil, e); known {
			return found, err
		}
	}
	// What is left for r is told by the wall clock: rueidis knows no other.
	var expires store.Time
	if left := time.Duration(r.CachePTTL()) * time.Millisecond; left >= 0 && left <= noExpiry {
		expires = store.At(now).Add(left)
	}
	return s.decode(ctx, full, blob, expires, store.At(now), e), nil
}

// settle returns when T has handled the pushes of writes on W to keys that have
// been answered: Redis put the pushes on T before it answered on W, and what is
// asked on T now is answered behind them. Without ClientSide nothing is read
// from the memory of T, and settle does nothing.
func (s *Store[T]) settle(ctx context.Context, l *links, full ...string) error {
	if !s.clientSide || len(full) == 0 {
		return nil
	}
	for range s.client.turns() {
		cmds := make([]rueidis.Completed, len(full)) // in a cluster each goes to the node of its key
		for i, key := range full {
			cmds[i] = l.t.B().Strlen().Key(key).Build()
		}
		for _, r := range l.t.DoMulti(ctx, cmds...) {
			if err := r.NonRedisError(); err != nil {
				return err
			}
		}
	}
	return nil
}
