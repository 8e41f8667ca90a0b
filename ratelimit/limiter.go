package ratelimit

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/lokroom/strata/store"
)

// A Limiter decides, by key, how much may happen. A key is any string and has its own
// allowance. All methods are safe for concurrent use.
//
// If a method returns an error, its Result does not allow the call. Errors are of type
// *[store.Error]. A denial is not an error.
type Limiter interface {
	// Allow requests one unit. It is AllowN(ctx, key, 1).
	Allow(ctx context.Context, key string) (Result, error)

	// AllowN requests n units, all or nothing. n = 0 is Peek; with a negative n the error
	// is [ErrCost].
	AllowN(ctx context.Context, key string, n int) (Result, error)

	// Take requests up to n units and returns how many were charged. n must be at least 1.
	// The Result allows the call if at least one unit was charged.
	Take(ctx context.Context, key string, n int) (taken int, r Result, err error)

	// Peek returns the result that Allow would return, and charges nothing.
	Peek(ctx context.Context, key string) (Result, error)

	// Reset restores the full allowance of the key.
	Reset(ctx context.Context, key string) error

	// Wait waits until n units may pass, and charges them. If ctx ends, the error wraps
	// ctx.Err(). If ctx would end before n may pass, Wait returns context.DeadlineExceeded
	// at once. If n can never pass, the error is [ErrNever].
	Wait(ctx context.Context, key string, n int) error
}

var (
	// ErrCost reports a negative cost, or a Take of less than 1.
	ErrCost = errors.New("cost out of range")

	// ErrNever reports a cost that exceeds what can ever pass at once.
	ErrNever = errors.New("cost exceeds what can pass at once")

	// ErrLeaseLost reports that a lease has ended: it was released, was not renewed in
	// time, or the key was reset.
	ErrLeaseLost = errors.New("lease lost")
)

// errZero is the cause of errors of a limiter that no constructor made.
var errZero = errors.New("the limiter was not made by New")

// errNoLease is the cause of errors of a zero lease: Acquire did not allow the call.
var errNoLease = fmt.Errorf("%w: Acquire did not allow the call", ErrLeaseLost)

// Wait implements the method Wait of a [Limiter]: it calls AllowN until the call is
// allowed. It is meant for implementations of Limiter.
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
			return fail(fmt.Errorf("the wait would take %v: %w", r.RetryAfter, context.DeadlineExceeded))
		}
		timer := time.NewTimer(max(r.RetryAfter, time.Microsecond))
		select {
		case <-timer.C:
		case <-ctx.Done():
			timer.Stop()
		}
	}
}
