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

// A Lease holds one slot of each Concurrency policy of a limiter. Its holder must call
// Renew before Window has passed, for as long as it works, and then Release. If the holder
// crashes, the slots become free when Window has passed. All methods are safe for
// concurrent use. The methods of a nil or zero Lease return [ratelimit.ErrLeaseLost].
type Lease struct {
	l     *Limiter
	key   string
	id    string           // empty: not in Redis, because of FailOpen in an outage
	local *ratelimit.Lease // of the limiter in memory
}

var errNoSlots = fmt.Errorf("%w: Acquire requires a Concurrency policy", errors.ErrUnsupported)

// Acquire is Allow for work that takes time: releasing the lease returns the slots of
// Concurrency policies. The lease is nil unless the Result allows the call. Without a
// Concurrency policy the error wraps errors.ErrUnsupported.
func (l *Limiter) Acquire(ctx context.Context, key string) (*Lease, ratelimit.Result, error) {
	const op = "acquire"
	if l.isZero() {
		return nil, ratelimit.Result{}, failed(op, key, errZero)
	}
	if !slices.ContainsFunc(l.policies, func(p ratelimit.Policy) bool { return p.Algorithm == ratelimit.Concurrency }) {
		return nil, ratelimit.Result{}, failed(op, key, errNoSlots)
	}
	key = bounded(key)
	if l.conn == nil {
		local, r, err := l.local.Acquire(ctx, key)
		if local == nil {
			return nil, r, err
		}
		return &Lease{l: l, key: key, local: local}, r, err
	}
	id := string(binary.LittleEndian.AppendUint64(nil, rand.Uint64()|1)) // never equal to noID
	var a answer
	asked := false
	err := l.exchange(ctx, op, key, func(ctx context.Context, c rueidis.Client) (err error) {
		asked = true
		a, err = l.ask(ctx, c, key, 1, meter.All, id)
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

// lateFor is how long releaseLate tries. After that, the slots become free when Window has
// passed.
const lateFor = 10 * time.Second

// releaseLate releases the lease id if Redis granted it after the call gave up. Redis runs
// it after the request: both use the same key, and thus the same connection.
func (l *Limiter) releaseLate(key, id string) {
	ctx, cancel := context.WithTimeout(context.Background(), lateFor)
	defer cancel()
	for ctx.Err() == nil {
		err := l.conn.do(ctx, l.redisKey(key), func(ctx context.Context, c rueidis.Client) error {
			return l.slotsScript.Exec(ctx, c, []string{l.redisKey(key)}, []string{question(0, 0, id, l.packed)}).Error()
		})
		if err == nil || isReply(err) || isClosed(err) {
			return
		}
		select {
		case <-time.After(time.Second):
		case <-ctx.Done():
		}
	}
}

// Renew extends the lease to one Window from now. If the lease has ended, the error is
// [ratelimit.ErrLeaseLost]: the holder must stop, since another caller may have the slots.
// If the error wraps store.ErrUnavailable, the lease may or may not have been renewed.
func (le *Lease) Renew(ctx context.Context) error { return le.change(ctx, "renew", 1) }

// Release returns the slots. If the lease has ended, the error is [ratelimit.ErrLeaseLost].
// If the error wraps store.ErrUnavailable, the slots may be taken until Window has passed.
func (le *Lease) Release(ctx context.Context) error { return le.change(ctx, "release", 0) }

func (le *Lease) change(ctx context.Context, op string, code int64) error {
	switch {
	case le == nil || le.l == nil:
		return failed(op, "", fmt.Errorf("%w: Acquire did not allow the call", ratelimit.ErrLeaseLost))
	case le.local != nil && op == "renew":
		return le.local.Renew(ctx)
	case le.local != nil:
		return le.local.Release(ctx)
	case le.id == "":
		return nil
	}
	l, held := le.l, int64(0)
	err := l.exchange(ctx, op, le.key, func(ctx context.Context, c rueidis.Client) (err error) {
		held, err = l.slotsScript.Exec(ctx, c, []string{l.redisKey(le.key)}, []string{question(code, 0, le.id, l.packed)}).AsInt64()
		return err
	})
	if err == nil && held == 0 {
		return failed(op, le.key, ratelimit.ErrLeaseLost)
	}
	return err
}
