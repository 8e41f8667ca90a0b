package ristrettostore

import (
	"fmt"
	"runtime"
)

// Collide has the hashes of s keep only the bits of mask. Call it before s is used.
func (s *Store[T]) Collide(mask uint64) { s.view.Mask = mask }

// Settle waits until the engine has applied all changes.
func (b *Budget) Settle() { b.engine.Wait() }

// Stick keeps the engine from applying anything until release is called. Keys
// for which Stuck reports true must not be used in between.
func (b *Budget) Stick() (release func()) {
	s := &b.stripes[0]
	s.mu.Lock()
	for !b.engine.Set(0, &cell{dead: true}, 0) {
		runtime.Gosched()
	}
	return s.mu.Unlock
}

// Stuck reports whether key must not be used while the engine is stuck.
func (s *Store[T]) Stuck(key string) bool {
	return s.budget.stripe(s.view.Hash(key)) == &s.budget.stripes[0]
}

// Cells returns how many cells there are, empty ones included.
func (b *Budget) Cells() (n int) {
	for i := range b.stripes {
		s := &b.stripes[i]
		s.mu.Lock()
		n += len(s.cells)
		s.mu.Unlock()
	}
	return n
}

// Unknown and Limit are the sum that the engine does not know of and its limit.
func (b *Budget) Unknown() int64 { return b.unknown.Load() }
func (b *Budget) Limit() int64   { return b.engine.MaxCost() }

// Check says what is wrong with the books. Nothing may be under way.
func (b *Budget) Check() error {
	var entries, bytes, known int64
	for i := range b.stripes {
		s := &b.stripes[i]
		s.mu.Lock()
		defer s.mu.Unlock()
		for h, c := range s.cells {
			held, _ := b.engine.Get(h)
			if c.hash != h || c.dead || held != c && c.item.Load() != nil {
				return fmt.Errorf("cell %x under %x: dead %v, the engine holds %p, not %p", c.hash, h, c.dead, held, c)
			}
			if c.item.Load() != nil {
				entries++
			}
			bytes += c.cost
			known += c.known
		}
	}
	if b.underway.Load() != 0 {
		return fmt.Errorf("%d bytes under way", b.underway.Load())
	}
	if entries != b.entries.Load() || bytes != b.bytes.Load() || bytes-known != b.unknown.Load() {
		return fmt.Errorf("%d entries, %d bytes, %d unknown; counted %d, %d, %d",
			entries, bytes, bytes-known, b.entries.Load(), b.bytes.Load(), b.unknown.Load())
	}
	if used := b.engine.MaxCost() - b.engine.RemainingCost(); used != known {
		return fmt.Errorf("the engine counts %d, it was reported %d", used, known)
	}
	return nil
}

// BeginGet is a Get of key that is under way until end is called.
func (s *Store[T]) BeginGet(key string) (end func()) {
	n := s.view.At(s.view.Hash(key))
	n.Begun.Add(1)
	return func() { n.Misses.Add(1) }
}
