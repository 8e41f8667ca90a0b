package redislimit

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"time"

	"github.com/redis/rueidis"

	"github.com/lokroom/strata/internal/meter"
	"github.com/lokroom/strata/ratelimit"
)

// A Lease is the right to work, of one of the slots of each Concurrency policy. Its
// holder renews it before a Window is over, for as long as it works, and then
// releases it. If it dies, the slots are free again when the Window is over. Its
// methods may be called concurrently. Those of a nil or zero Lease return
// [ratelimit.ErrLeaseLost].
type Lease struct {
	l     *Limiter
	key   string
	id    string           // empty: nobody gave it, since Redis was away and failure is open
	local *ratelimit.Lease // of the limiter that decides while Redis is away
}

var errNoSlots = fmt.Errorf("%w: no policy is of the algorithm slots", errors.ErrUnsupported)

// Acquire is Allow, for work that takes time: what it takes of Concurrency policies
// is given back by the lease. The lease is nil unless the Result allows. Without a
// Concurrency policy the error is errors.ErrUnsupported.
func (l *Limiter) Acquire(ctx context.Context, key string) (*Lease, ratelimit.Result, error) {
	const op = "acquire"
	if l.isZero() {
		return nil, ratelimit.Result{}, failed(op, key, errZero)
	}
	if !slices.ContainsFunc(l.policies, func(p ratelimit.Policy) bool { return p.Algorithm == ratelimit.Concurrency }) {
		return nil, ratelimit.Result{}, failed(op, key, errNoSlots)
	}
	key = bounded(key)
	id := string(binary.LittleEndian.AppendUint64(nil, rand.Uint64()|1)) // not noID
	var a answer
	asked := false
	err := l.exchange(ctx, op, key, func(ctx context.Context) (err error) {
		asked = true
		a, err = l.ask(ctx, key, 1, meter.All, id)
		return err
	})
	if err != nil && asked && !isReply(err) {
		go l.releaseLate(key, id)
	}
	lease := &Lease{l: l, key: key}
	switch {
	case err == nil && !a.Allowed:
		return nil, l.result(&a), nil
	case err == nil:
		lease.id = id
		return lease, l.result(&a), nil
	case ctx.Err() == nil && l.options.OnFailure == FailLocal:
		local, r, err := l.local.Acquire(ctx, key)
		r.Source = ratelimit.SourceFallback
		if lease.local = local; local == nil {
			lease = nil
		}
		return lease, r, err
	}
	_, r, err := l.without(ctx, op, key, 1, meter.All, err)
	if !r.Allowed {
		lease = nil
	}
	return lease, r, err
}

// lateFor is how long it is tried to release what may have been given although the reply
// was given up. What that does not reach is free when the Window is over.
const lateFor = 10 * time.Second

// releaseLate releases the lease id, if it was given. Redis runs it after the request,
// since both have the same key and so the same connection.
func (l *Limiter) releaseLate(key, id string) {
	ctx, cancel := context.WithTimeout(context.Background(), lateFor)
	defer cancel()
	for ctx.Err() == nil {
		err := l.slotsScript.Exec(ctx, l.client, []string{l.redisKey(key)}, []string{question(0, 0, id, l.packed)}).Error()
		if err == nil || isReply(err) || errors.Is(err, rueidis.ErrClosing) {
			return
		}
		select {
		case <-time.After(time.Second):
		case <-ctx.Done():
		}
	}
}

// Renew lets the lease last for a Window from now. If it has ended the error is
// [ratelimit.ErrLeaseLost], and the slots may be somebody else's: stop. If it is
// store.ErrUnavailable, the lease may or may not have been renewed.
func (le *Lease) Renew(ctx context.Context) error { return le.change(ctx, "renew", 1) }

// Release gives the slots back. If the lease has ended the error is
// [ratelimit.ErrLeaseLost]; if it is store.ErrUnavailable, the slots may be taken until
// the Window is over.
func (le *Lease) Release(ctx context.Context) error { return le.change(ctx, "release", 0) }

func (le *Lease) change(ctx context.Context, op string, code int64) error {
	switch {
	case le == nil || le.l == nil:
		return failed(op, "", fmt.Errorf("%w: Acquire has not given it", ratelimit.ErrLeaseLost))
	case le.local != nil && op == "renew":
		return le.local.Renew(ctx)
	case le.local != nil:
		return le.local.Release(ctx)
	case le.id == "":
		return nil
	}
	l, held := le.l, int64(0)
	err := l.exchange(ctx, op, le.key, func(ctx context.Context) (err error) {
		held, err = l.slotsScript.Exec(ctx, l.client, []string{l.redisKey(le.key)}, []string{question(code, 0, le.id, l.packed)}).AsInt64()
		return err
	})
	if err == nil && held == 0 {
		return failed(op, le.key, ratelimit.ErrLeaseLost)
	}
	return err
}
