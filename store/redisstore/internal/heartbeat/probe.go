package heartbeat

import (
	"context"
	"errors"
	"time"

	"github.com/lokroom/strata/store/redisstore/internal/link"
)

// rest waits for the next heartbeat. While Redis does not answer, heartbeats are the probes of the
// breakers: they come sooner then, but never later, because what a failover has lost is
// noticed by them. It returns false when ctx is done.
func (p *Heartbeat) rest(ctx context.Context, tick <-chan time.Time) bool {
	for {
		var soon <-chan time.Time
		if d, open := p.link.Breakers.Wait(); open {
			t := time.NewTimer(d)
			defer t.Stop()
			soon = t.C
		}
		select {
		case <-ctx.Done():
			return false
		case <-tick:
			return true
		case <-soon:
			return true
		case <-p.hurried:
		}
	}
}

// noteAnswer notes whether what was sent was answered. If nothing has been for longer than an
// operation may take, none is sent any more.
func (p *Heartbeat) noteAnswer(answered bool, sent time.Time) {
	p.mu.Lock()
	if answered {
		p.lastContact, p.answered = sent, true
	}
	silent := time.Since(p.lastContact) >= max(p.MaxDisconnected, p.link.Deadlines.Timeout)
	p.mu.Unlock()
	if silent && !answered {
		p.link.Breakers.Unanswered()
	}
}

// Hurry makes it look whether it is time for a probe.
func (p *Heartbeat) Hurry() {
	select {
	case p.hurried <- struct{}{}:
	default:
	}
}

// Running reports whether heartbeats are sent.
func (p *Heartbeat) Running() bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.ctx != nil
}

// An UnreachableError says that a read was not sent, because a heartbeat failed.
type UnreachableError struct{ error }

func (e *UnreachableError) Unwrap() error { return e.error }

// A RefusedError is the error reply to a heartbeat that the user may not send.
type RefusedError struct{ error }

func (e *RefusedError) Unwrap() error { return e.error }

// markRefused returns err as a [RefusedError] if it is one.
func markRefused(err error) error {
	if link.IsDenied(err) {
		return &RefusedError{err}
	}
	return err
}

func IsRefused(err error) bool {
	var refused *RefusedError
	return errors.As(err, &refused)
}
