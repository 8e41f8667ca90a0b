package redisstore

import (
	"context"
	"errors"
	"time"

	"github.com/lokroom/strata/store"
	"github.com/lokroom/strata/store/redisstore/internal/link"
	"github.com/lokroom/strata/store/redisstore/internal/record"
	"github.com/lokroom/strata/store/redisstore/internal/script"
	"github.com/redis/rueidis"
)

// mostUnstorable is how long at most Redis remembers that a value could not be stored. Each
// process loads it again then.
const mostUnstorable = time.Hour

// cannotStore reports whether err says that a value cannot be stored.
func cannotStore(err error) bool {
	return errors.Is(err, store.ErrUnstorable) || errors.Is(err, store.ErrTooLarge)
}

// unstorableCall is the script that gives the lease of e to everybody.
func unstorableCall(full string, lease uint64, e *meta) script.Call {
	ms := record.LifeOf(e.ExpiresAt, e.StaleAt, store.Now()).MS
	if most := mostUnstorable.Milliseconds(); ms <= 0 || ms > most {
		ms = most
	}
	return script.Unstorable.Call(full, record.Bytes8(lease), script.Decimal(ms), record.Bytes8(e.Stamp))
}

// noteUnstorable has Redis remember that e, which was loaded under lease, could not be stored,
// if err says that. kept and watched are those of [store.Leaser].FillLeased; kept has a
// Version if Redis does remember.
func (s *view) noteUnstorable(ctx context.Context, l *link.Pair, full string, lease uint64, e *meta, err error) (kept meta, watched bool) {
	if !cannotStore(err) {
		return kept, false
	}
	x := unstorableCall(full, lease, e)
	return s.noted(x.Run(ctx, l.T, x.Key, x.Args...), full, lease, e)
}

// noted reads the reply of the script.
func (s *view) noted(r rueidis.RedisResult, full string, lease uint64, e *meta) (kept meta, watched bool) {
	n, err := r.AsInt64()
	switch {
	case err != nil || n == 0:
		return kept, false
	case n == 1: // another may have read the key before
		s.client.watchers.Changed([]string{full}, s)
	}
	kept = *e
	kept.Version = lease
	return kept, len(s.client.link.Broadcast) == 0
}
