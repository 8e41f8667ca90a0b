// Package memfleet lets several backends in one test process share an L2 in memory, as
// processes share a Redis. Package stratatest is its public face: the root only looks for a
// [Process] in the context of Open.
package memfleet

import (
	"context"
	"fmt"
	"reflect"
	"sync"
	"time"

	"github.com/lokroom/strata/store"
	"github.com/lokroom/strata/store/memstore"
)

// A Memory is what processes share. Each prefix of keys has a store of its own, because
// caches have values of different types.
type Memory struct {
	mu     sync.Mutex
	spaces map[string]space
	types  map[string]reflect.Type // of the values of each space
}

// A space is a *memstore.Shared[T].
type space interface {
	InvalidateTags(ctx context.Context, tags ...string) error
	Snapshot() (rollback func())
}

// Snapshot notes what the memory holds. rollback restores that, as Redis goes back in time
// in a failover. What processes store for the first time after Snapshot stays.
func (m *Memory) Snapshot() (rollback func()) {
	m.mu.Lock()
	defer m.mu.Unlock()
	var all []func()
	for _, s := range m.spaces {
		all = append(all, s.Snapshot())
	}
	return func() {
		for _, f := range all {
			f()
		}
	}
}

// A Process is the connection of one backend to a Memory. All methods are safe for
// concurrent use, and work inside testing/synctest.
type Process struct {
	memory          *Memory
	maxDisconnected time.Duration // of the backend

	switching sync.Mutex // held by Disconnect and Reconnect

	mu         sync.Mutex
	clients    map[string]client // by prefix
	offline    bool
	tags       []string      // invalidated while offline
	stalled    chan struct{} // closed by Resume; nil: the process runs
	delay      time.Duration // of invalidations
	queue      []*change     // invalidations under way, in order
	delivering bool
}

// A client is a *memstore.Shared[T].
type client interface {
	Disconnect()
	Reconnect()
}

// A change is an invalidation on its way to a process.
type change struct {
	at     time.Time
	arrive func()
	also   bool // arrive is called also if the process is disconnected before
}

// NewProcess returns a process that shares m. maxDisconnected is that of its backend.
func (m *Memory) NewProcess(maxDisconnected time.Duration) *Process {
	return &Process{memory: m, maxDisconnected: maxDisconnected, clients: make(map[string]client)}
}

type contextKey struct{}

// With returns a context for strata.Open: the backend has p in the place of Redis.
func With(ctx context.Context, p *Process) context.Context {
	return context.WithValue(ctx, contextKey{}, p)
}

// From returns the process in ctx, or nil.
func From(ctx context.Context) *Process {
	p, _ := ctx.Value(contextKey{}).(*Process)
	return p
}

// Open returns the L2 of a cache with values of the type of, which a T holds. storable is that
// of [memstore.Shared.Limit].
func Open[T any](p *Process, prefix string, of reflect.Type, storable func(key string, value T) error) (store.Store[T], error) {
	p.switching.Lock()
	defer p.switching.Unlock()
	p.memory.mu.Lock()
	defer p.memory.mu.Unlock()
	if p.memory.spaces == nil {
		p.memory.spaces, p.memory.types = make(map[string]space), make(map[string]reflect.Type)
	}
	if p.memory.spaces[prefix] == nil {
		s := memstore.NewShared[T](nil)
		s.Limit(storable)
		p.memory.spaces[prefix], p.memory.types[prefix] = s, of
	}
	s, ok := p.memory.spaces[prefix].(*memstore.Shared[T])
	if !ok || p.memory.types[prefix] != of {
		return nil, fmt.Errorf("another process of the fleet has a cache with the same keys and other values than %v", of)
	}
	own := s.Peer()
	own.Before(p.wait)
	p.mu.Lock()
	defer p.mu.Unlock()
	p.clients[prefix] = own
	if p.offline {
		own.Disconnect()
	}
	return &l2[T]{own, p}, nil
}

// wait blocks while the process is stalled.
func (p *Process) wait(string, string) {
	p.mu.Lock()
	stalled := p.stalled
	p.mu.Unlock()
	if stalled != nil {
		<-stalled
	}
}

// errAway is the cause of calls while the process is disconnected.
func errAway(op string) error {
	return &store.Error{Store: "memory", Op: op, Err: store.ErrUnavailable}
}

// Ping returns nil if the process is connected.
func (p *Process) Ping(context.Context) error {
	p.wait("", "")
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.offline {
		return errAway("ping")
	}
	return nil
}

// InvalidateTags invalidates tags in all caches of the fleet. Those that are invalidated
// while the process is disconnected are invalidated by Reconnect.
func (p *Process) InvalidateTags(ctx context.Context, tags ...string) error {
	p.wait("", "")
	p.mu.Lock()
	if p.offline {
		p.tags = append(p.tags, tags...)
		p.mu.Unlock()
		return errAway("invalidate tags")
	}
	p.mu.Unlock()
	return p.memory.invalidate(ctx, tags)
}

func (m *Memory) invalidate(ctx context.Context, tags []string) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	for _, s := range m.spaces {
		if err := s.InvalidateTags(ctx, tags...); err != nil {
			return err
		}
	}
	return nil
}

// Sync waits until the invalidations of all changes before the call have arrived, as
// redisstore.Client.Sync does.
func (p *Process) Sync(ctx context.Context) error {
	if err := p.Ping(ctx); err != nil {
		return err
	}
	arrived := make(chan struct{})
	p.deliver(&change{arrive: func() { close(arrived) }, also: true})
	select {
	case <-arrived:
		return p.Ping(ctx) // not the end of the queue if the process was disconnected
	case <-ctx.Done():
		return context.Cause(ctx)
	}
}

// Snapshot is that of the memory.
func (p *Process) Snapshot() (rollback func()) { return p.memory.Snapshot() }
