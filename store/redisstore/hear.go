package redisstore

import (
	"context"
	"slices"
	"sync"
	"time"
)

// An ear is one call of Hear or of Rewound.
type ear struct {
	mu      sync.Mutex
	hears   func(bool) // nil after stop, and if it is of Rewound
	rewound func()     // nil after stop, and if it is of Hear
}

func (e *ear) tell(hears bool) {
	e.mu.Lock()
	defer e.mu.Unlock()
	if e.hears != nil {
		e.hears(hears)
	}
}

// Hear tells fn whether this process would hear of changes, as [store.Hearer]
// describes it: false when Redis, or one primary of a cluster, has not answered
// for the time that [Dialer.MaxUnheard] allows. stop waits for a call of fn that
// is running.
func (s *Store[T]) Hear(fn func(hears bool)) (stop func()) {
	return s.client.pulse.listen(&ear{hears: fn}, s.tags.prefix)
}

func (p *pulse) listen(e *ear, prefix string) (stop func()) {
	p.add(e, prefix)
	return func() {
		p.remove(e)
		e.mu.Lock()
		e.hears, e.rewound = nil, nil
		e.mu.Unlock()
	}
}

const (
	pulseKey = "pulse"        // behind the prefix of the Tags that the heartbeat serves
	anyPulse = "!" + pulseKey // without Tags
)

// ownKey returns the key that is written.
func (p *pulse) ownKey() string {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.key
}

// offer says that keys with this prefix may be written: the user of Redis need not have the
// right to others.
func (p *pulse) offer(prefix string) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.ctx == nil && p.key == anyPulse {
		p.key = prefix + pulseKey
	}
}

func (p *pulse) add(e *ear, prefix string) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.ears = append(p.ears, e)
	if p.ctx == nil && p.most > 0 && !p.closed {
		p.key = prefix + pulseKey
		p.ctx, p.cancel = context.WithCancel(context.Background())
		p.last, p.answered = time.Now(), false
		p.moves.Add(1) // what happened before was not watched
		p.work.Add(1)
		go p.run(p.ctx)
	}
	e.tell(p.most <= 0 || p.hears.Load())
}

func (p *pulse) remove(e *ear) {
	p.mu.Lock()
	p.ears = slices.DeleteFunc(p.ears, func(x *ear) bool { return x == e })
	if len(p.ears) == 0 {
		p.end()
	}
	p.mu.Unlock()
}
