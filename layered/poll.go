package layered

import (
	"math/rand/v2"
	"time"
)

const (
	firstPoll = 5 * time.Millisecond
	lastPoll  = 200 * time.Millisecond
)

// A poll tells how long one who waits for the lease of another process waits before it
// looks again, where L2 does not tell that the lease has ended. The zero poll is for an L2
// that does.
type poll struct {
	span    time.Duration // until the next look, at most
	counted bool
}

func (s *Store[T]) poll() *poll {
	if s.maxStale == 0 {
		return &poll{}
	}
	return &poll{span: firstPoll}
}

// countWait counts a wait, however often it looks.
func (s *Store[T]) countWait(p *poll) {
	if !p.counted {
		s.count.waits.Add(1)
	}
	p.counted = p.span > 0
}

// next returns how long to wait now for a lease that lasts for left: twice as long each
// time, up to lastPoll, less up to a half at random, so that processes do not ask together.
func (p *poll) next(left time.Duration) time.Duration {
	if p.span == 0 {
		return left
	}
	wait := p.span/2 + rand.N(p.span/2)
	p.span = min(2*p.span, lastPoll)
	return min(left, wait)
}
