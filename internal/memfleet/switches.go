package memfleet

import (
	"context"
	"slices"
	"sync"
	"time"

	"github.com/lokroom/strata/store"
	"github.com/lokroom/strata/store/memstore"
)

// Disconnect cuts the process off from the memory: calls fail, and invalidations are lost.
// As with Redis, the process may serve its copies until the backend has been disconnected
// for MaxDisconnected.
func (p *Process) Disconnect() { p.setOffline(true) }

// Reconnect ends Disconnect.
func (p *Process) Reconnect() { p.setOffline(false) }

// ReconnectAll ends Disconnect for all of ps at the same time: a call that one of them makes
// as soon as it is connected finds the others connected, too.
func ReconnectAll(ps ...*Process) {
	var held []*Process
	for _, p := range ps {
		if p.hold() {
			held = append(held, p)
		}
	}
	for _, p := range ps {
		p.Reconnect()
	}
	for _, p := range held {
		p.Resume()
	}
}

func (p *Process) setOffline(offline bool) {
	p.switching.Lock()
	defer p.switching.Unlock()
	p.mu.Lock()
	if p.offline == offline {
		p.mu.Unlock()
		return
	}
	lost := p.queue
	p.offline, p.queue = offline, nil
	tags := p.tags
	if !offline {
		p.tags = nil
	}
	clients := make([]client, 0, len(p.clients))
	for _, c := range p.clients {
		clients = append(clients, c)
	}
	p.mu.Unlock()
	for _, c := range lost {
		if c.also {
			c.arrive()
		}
	}
	if !offline && len(tags) > 0 {
		_ = p.memory.invalidate(context.Background(), tags) // fails only after the memory was closed
	}
	for _, c := range clients {
		if offline {
			c.Disconnect()
		} else {
			c.Reconnect()
		}
	}
}

// Delay lets invalidations arrive d after the change, in order, from now on.
func (p *Process) Delay(d time.Duration) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.delay = d
}

// Stall stops the process: its calls to the memory block, and invalidations wait.
func (p *Process) Stall() { p.hold() }

// hold stops the process, unless it is stopped: then it returns false.
func (p *Process) hold() bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.stalled != nil {
		return false
	}
	p.stalled = make(chan struct{})
	return true
}

// Resume ends Stall. Invalidations that are due have been delivered when it returns.
func (p *Process) Resume() {
	p.mu.Lock()
	stalled, due := p.stalled, []*change(nil)
	if stalled == nil {
		p.mu.Unlock()
		return
	}
	for len(p.queue) > 0 && !p.queue[0].at.After(time.Now()) {
		due, p.queue = append(due, p.queue[0]), p.queue[1:]
	}
	p.mu.Unlock()
	for _, c := range due {
		c.arrive()
	}
	p.mu.Lock()
	p.stalled = nil
	p.mu.Unlock()
	close(stalled)
}

// deliver lets c arrive now, or after the delay and behind earlier invalidations.
func (p *Process) deliver(c *change) {
	p.mu.Lock()
	if p.delay == 0 && p.stalled == nil && len(p.queue) == 0 {
		p.mu.Unlock()
		c.arrive()
		return
	}
	c.at = time.Now().Add(p.delay)
	p.queue = append(p.queue, c)
	if !p.delivering {
		p.delivering = true
		go p.run()
	}
	p.mu.Unlock()
}

// run delivers the queue until it is empty.
func (p *Process) run() {
	for {
		p.mu.Lock()
		if len(p.queue) == 0 {
			p.delivering = false
			p.mu.Unlock()
			return
		}
		next := p.queue[0]
		p.mu.Unlock()
		time.Sleep(time.Until(next.at))
		p.wait("", "")
		p.mu.Lock()
		if len(p.queue) == 0 || p.queue[0] != next { // delivered by Resume, or lost
			p.mu.Unlock()
			continue
		}
		p.queue = p.queue[1:]
		p.mu.Unlock()
		next.arrive()
	}
}

// An l2 is the L2 of a cache in one process.
type l2[T any] struct {
	*memstore.Shared[T]
	p *Process
}

// Watch implements store.Watcher.
func (s *l2[T]) Watch(w store.Watching) (stop func(), err error) {
	l := &listener{p: s.p, to: w}
	inner, err := s.Shared.Watch(store.Watching{Changed: l.changed, Connected: l.connected, RolledBack: w.RolledBack})
	return func() {
		inner()
		l.stop()
	}, err
}

// A listener passes on what a watcher is notified of, at its time.
type listener struct {
	p  *Process
	to store.Watching

	mu      sync.Mutex // held by calls of to
	stopped bool
	silence *time.Timer // calls Connected with false
}

func (l *listener) changed(inv store.Invalidation) {
	if inv.All && !inv.Cleared { // the connection was lost: no reply is read before this
		l.pass(inv)
		return
	}
	inv.Keys = slices.Clone(inv.Keys)
	l.p.deliver(&change{arrive: func() { l.pass(inv) }})
}

func (l *listener) pass(inv store.Invalidation) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if !l.stopped && l.to.Changed != nil {
		l.to.Changed(inv)
	}
}

// connected passes on at once that the memory is connected, and after MaxDisconnected that
// it is not.
func (l *listener) connected(connected bool) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.stopped || l.to.Connected == nil {
		return
	}
	if l.silence != nil {
		l.silence.Stop()
		l.silence = nil
	}
	if connected {
		l.to.Connected(true)
		return
	}
	var timer *time.Timer
	timer = time.AfterFunc(l.p.maxDisconnected, func() {
		l.mu.Lock()
		defer l.mu.Unlock()
		if !l.stopped && l.silence == timer {
			l.to.Connected(false)
		}
	})
	l.silence = timer
}

func (l *listener) stop() {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.stopped = true
	if l.silence != nil {
		l.silence.Stop()
	}
}
