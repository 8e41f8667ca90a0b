package ratelimit

import (
	"context"
	"fmt"
	"sync"
	"time"
)

// A Checker checks limits that are given with each call, without policies. A Limiter
// returns more details and is faster. The zero Checker is equivalent to NewChecker(nil).
// All methods are safe for concurrent use.
type Checker struct {
	open func(Policy) (Limiter, error) // nil: New

	mu       sync.RWMutex
	limiters map[Policy]Limiter
}

// maxCheckerPolicies bounds the number of distinct limits and windows. They are constants
// of the program, not input of clients.
const maxCheckerPolicies = 1000

// NewChecker returns a Checker that uses one limiter for each limit and window. open
// returns that limiter, for example
//
//	func(p ratelimit.Policy) (ratelimit.Limiter, error) { return redislimit.New(client, nil, p) }
//
// If open is nil, limiters are local to the process.
func NewChecker(open func(Policy) (Limiter, error)) *Checker {
	return &Checker{open: open}
}

// Check requests one call of endpoint by ip, of which limit are allowed in each window
// since 1970. It returns the remaining number of calls, and the time when all are available
// again. The error reports an invalid limit or window, or is that of the limiter.
func (c *Checker) Check(ctx context.Context, ip, endpoint string, limit int, window time.Duration) (allowed bool, remaining int, reset time.Time, err error) {
	return c.check(ctx, ip, endpoint, Policy{Algorithm: FixedWindow, Limit: limit, Window: window})
}

// CheckSliding is Check with at most limit calls in any window, wherever it begins.
func (c *Checker) CheckSliding(ctx context.Context, ip, endpoint string, limit int, window time.Duration) (allowed bool, remaining int, reset time.Time, err error) {
	return c.check(ctx, ip, endpoint, Policy{Algorithm: StrictWindow, Limit: limit, Window: window})
}

func (c *Checker) check(ctx context.Context, ip, endpoint string, p Policy) (bool, int, time.Time, error) {
	l, err := c.limiter(p)
	if err != nil {
		return false, 0, time.Time{}, err
	}
	r, err := l.Allow(ctx, join(ip, endpoint))
	return r.Allowed, r.Remaining, time.Now().Add(r.ResetAfter), err
}

// limiter returns the limiter of a policy without a name.
func (c *Checker) limiter(p Policy) (Limiter, error) {
	c.mu.RLock()
	l, ok := c.limiters[p]
	c.mu.RUnlock()
	if ok {
		return l, nil
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if l, ok := c.limiters[p]; ok {
		return l, nil
	}
	if len(c.limiters) >= maxCheckerPolicies {
		return nil, fmt.Errorf("ratelimit: more than %d different limits and windows", maxCheckerPolicies)
	}
	named := p
	named.Name = "check-" + p.Window.String()
	l, err := c.make(named)
	if err != nil {
		return nil, err
	}
	if c.limiters == nil {
		c.limiters = make(map[Policy]Limiter)
	}
	c.limiters[p] = l
	return l, nil
}

func (c *Checker) make(p Policy) (Limiter, error) {
	if c.open == nil {
		return New(p)
	}
	l, err := c.open(p)
	if err == nil && l == nil {
		err = errZero
	}
	return l, err
}
