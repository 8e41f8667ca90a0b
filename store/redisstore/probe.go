package redisstore

import (
	"context"
	"time"
)

// The beats of the pulse are the probes of the breakers.

// rest waits for the next beat. While Redis does not answer, beats are the probes of the
// breakers: they come sooner then, but never later, because what a failover has lost is
// noticed by them. It returns false when ctx is done.
func (p *pulse) rest(ctx context.Context, tick <-chan time.Time) bool {
	for {
		var soon <-chan time.Time
		if d, open := p.client.breakers.wait(); open {
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

// hush is told whether what was sent was answered. If nothing has been for longer than an
// operation may take, none is sent any more.
func (p *pulse) hush(answered bool, sent time.Time) {
	p.mu.Lock()
	if answered {
		p.last, p.answered = sent, true
	}
	silent := time.Since(p.last) >= max(p.most, p.client.deadlines.Timeout)
	p.mu.Unlock()
	if silent && !answered {
		p.client.breakers.silent()
	}
}

// hurry has the beating look whether it is time for a probe.
func (p *pulse) hurry() {
	select {
	case p.hurried <- struct{}{}:
	default:
	}
}

// beats reports whether it does.
func (p *pulse) beats() bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.ctx != nil
}

// An unheardError says that a read was not sent, because a beat failed.
type unheardError struct{ error }

func (e *unheardError) Unwrap() error { return e.error }
