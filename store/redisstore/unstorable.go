package redisstore

import (
	"context"
	"errors"
	"time"

	"github.com/lokroom/strata/store"
	"github.com/redis/rueidis"
)

// mostUnstorable is how long at most Redis remembers that a value could not be stored. Each
// process loads it again then.
const mostUnstorable = time.Hour

// isUnstorable reports whether b, the first headerSize bytes of what is under a key, says
// that its value could not be stored.
func isUnstorable(b []byte) bool {
	return kindOf(b) == kindNone && len(b) >= headerSize && b[2]&flagUnstorable != 0
}

// cannotStore reports whether err says that a value cannot be stored.
func cannotStore(err error) bool {
	return errors.Is(err, store.ErrUnstorable) || errors.Is(err, store.ErrTooLarge)
}

// unstorableCall is the script that gives the lease of e to everybody.
func unstorableCall[T any](full string, lease uint64, e *store.Entry[T]) scriptCall {
	ms := lifeOf(e.ExpiresAt, e.StaleAt, store.Now()).ms
	if most := mostUnstorable.Milliseconds(); ms <= 0 || ms > most {
		ms = most
	}
	return scriptCall{&unstorableScript, full, []string{bytes8(lease), decimal(ms), bytes8(e.Stamp)}}
}

// noteUnstorable has Redis remember that e, which was loaded under lease, could not be stored,
// if err says that. kept and watched are those of [store.Leaser].FillLeased; kept has a
// Version if Redis does remember.
func (s *Store[T]) noteUnstorable(ctx context.Context, l *links, full string, lease uint64, e *store.Entry[T], err error) (kept store.Entry[T], watched bool) {
	if !cannotStore(err) {
		return kept, false
	}
	x := unstorableCall(full, lease, e)
	return s.noted(x.run(ctx, l.t, x.key, x.args...), full, lease, e)
}

// noted reads the reply of the script.
func (s *Store[T]) noted(r rueidis.RedisResult, full string, lease uint64, e *store.Entry[T]) (kept store.Entry[T], watched bool) {
	n, err := r.AsInt64()
	switch {
	case err != nil || n == 0:
		return kept, false
	case n == 1: // another may have read the key before
		s.client.watchers.tell([]string{full}, s)
	}
	kept = *e
	kept.Version = lease
	return kept, len(s.client.broadcast) == 0
}

// noteManyUnstorable is noteUnstorable for those fills that which names, and sets what became
// of them.
func (s *Store[T]) noteManyUnstorable(ctx context.Context, l *links, fills []store.LeasedFill[T], full []string, which []int, filled []store.Filled[T]) {
	if len(which) == 0 {
		return
	}
	calls := make([]scriptCall, len(which))
	for j, i := range which {
		calls[j] = unstorableCall(full[i], fills[i].Lease, &fills[i].Entry)
	}
	for j, r := range runMany(ctx, l.t, calls) {
		i := which[j]
		filled[i].Entry, filled[i].Watched = s.noted(r, full[i], fills[i].Lease, &fills[i].Entry)
	}
}
