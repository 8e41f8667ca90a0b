package invalidate

import (
	"sync"
	"time"
)

// recent remembers the last event of ids, up to a number of them.
type recent struct {
	mu   sync.Mutex
	most int
	last map[[2]string]seen // by cache and text
}

type seen struct {
	event string
	at    time.Time
}

// add remembers what targets invalidate. Of too many ids it forgets any others.
func (r *recent) add(targets Targets) {
	if r.most <= 0 {
		return
	}
	now := time.Now()
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.last == nil {
		r.last = make(map[[2]string]seen)
	}
	for _, t := range targets {
		for _, text := range t.Texts {
			r.put([2]string{t.Cache, text}, seen{t.Event, now})
		}
		if t.All {
			r.put([2]string{t.Cache}, seen{t.Event, now})
		}
	}
}

func (r *recent) put(key [2]string, s seen) {
	if _, ok := r.last[key]; !ok && len(r.last) >= r.most {
		for other := range r.last {
			delete(r.last, other)
			break
		}
	}
	r.last[key] = s
}

// of returns the last event that invalidated an id.
func (r *recent) of(cache, text string) (event string, at time.Time) {
	r.mu.Lock()
	defer r.mu.Unlock()
	for _, key := range [][2]string{{cache, text}, {cache}, {}} {
		if s, ok := r.last[key]; ok && s.at.After(at) {
			event, at = s.event, s.at
		}
	}
	return event, at
}
