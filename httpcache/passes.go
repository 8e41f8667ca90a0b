package httpcache

import (
	"sync"
	"time"
)

// passes remembers the keys of responses that could not be stored: requests for them do not
// wait for each other. One of them at a time still tries to store its response.
type passes struct {
	window time.Duration // negative: nothing is remembered

	mu      sync.Mutex
	until   map[string]time.Time
	claimed map[string]bool
}

// maxPasses bounds the number of keys. A further one replaces any.
const maxPasses = 10_000

func (p *passes) remember(key string) {
	if p.window < 0 {
		return
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.until == nil {
		p.until = make(map[string]time.Time)
	}
	for other := range p.until {
		if len(p.until) < maxPasses {
			break
		}
		delete(p.until, other)
	}
	p.until[key] = time.Now().Add(p.window)
}

func (p *passes) forget(key string) {
	p.mu.Lock()
	defer p.mu.Unlock()
	delete(p.until, key)
}

func (p *passes) active(key string) bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	until, ok := p.until[key]
	if ok && !time.Now().Before(until) {
		delete(p.until, key)
		return false
	}
	return ok
}

// claim reports whether the caller is the only one with a claim to key, until release.
func (p *passes) claim(key string) bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.claimed[key] {
		return false
	}
	if p.claimed == nil {
		p.claimed = make(map[string]bool)
	}
	p.claimed[key] = true
	return true
}

func (p *passes) release(key string) {
	p.mu.Lock()
	defer p.mu.Unlock()
	delete(p.claimed, key)
}
