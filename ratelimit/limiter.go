package ratelimit

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/lokroom/strata/store"
)

// A Limiter decides, by key, how much may happen. Keys are any strings; each has an
// allowance of its own. All methods may be called concurrently.
//
// Where an error comes back the Result does not allow. Errors are *[store.Error].
// A denial is none.
type Limiter interface {
	// Allow asks for one. It is AllowN(ctx, key, 1).
	Allow(ctx context.Context, key string) (Result, error)

	// AllowN asks for n, all or nothing. n = 0 is Peek; below zero, the error
	// is [ErrCost].
	AllowN(ctx context.Context, key string, n int) (Result, error)

	// Take asks for as much as there is, up to n, which is at least 1, and
	// returns how much it got. The Result allows if that is anything at all.
	Take(ctx context.Context, key string, n int) (taken int, r Result, err error)

	// Peek returns what Allow would answer, and charges nothing.
	Peek(ctx context.Context, key string) (Result, error)

	// Reset forgets the key: it has its whole allowance again.
	Reset(ctx context.Context, key string) error

	// Wait waits until n may pass, and takes it. It returns early with an error
	// that is ctx.Err() if ctx ends, with one that is context.DeadlineExceeded at
	// once if ctx would end before n may pass, and with one that is [ErrNever] if
	// n never may.
	Wait(ctx context.Context, key string, n int) error
}

var (
	// ErrCost says that a call asked for less than nothing, or Take for nothing.
	ErrCost = errors.New("cost out of range")

	// ErrNever says that a call costs more than can ever pass at once.
	ErrNever = errors.New("cost exceeds what can pass at once")

	// ErrLeaseLost says that a lease has ended: it was released, it was not
	// renewed in time, or the key was reset.
	ErrLeaseLost = errors.New("lease lost")
)

// errZero is the cause where a limiter was not made by a constructor.
var errZero = errors.New("the limiter was not made by New")

// errNoLease is the cause where there is no lease: Acquire did not allow.
var errNoLease = fmt.Errorf("%w: Acquire has not given it", ErrLeaseLost)

// Wait is how a [Limiter] waits: it calls AllowN until that allows. It is for those
// who implement one, whose Wait calls this.
func Wait(ctx context.Context, l Limiter, key string, n int) error {
	fail := func(cause error) error {
		return &store.Error{Store: "ratelimit", Op: "wait", Key: key, Err: cause}
	}
	for {
		if err := ctx.Err(); err != nil {
			return fail(err)
		}
		if l == nil {
			return fail(errZero)
		}
		if n == 0 {
			return nil
		}
		r, err := l.AllowN(ctx, key, n)
		switch {
		case err != nil:
			return err
		case r.Allowed:
			return nil
		case r.RetryAfter < 0:
			return fail(ErrNever)
		}
		if at, ok := ctx.Deadline(); ok && time.Until(at) < r.RetryAfter {
			return fail(fmt.Errorf("it would take %v: %w", r.RetryAfter, context.DeadlineExceeded))
		}
		timer := time.NewTimer(max(r.RetryAfter, time.Microsecond))
		select {
		case <-timer.C:
		case <-ctx.Done():
			timer.Stop()
		}
	}
}
