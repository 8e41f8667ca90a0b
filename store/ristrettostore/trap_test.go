package ristrettostore_test

import (
	"fmt"
	"sync/atomic"
	"testing"
	"testing/synctest"

	"github.com/dgraph-io/ristretto/v2"

	"github.com/lokroom/strata/store"
	"github.com/lokroom/strata/store/ristrettostore"
)

// Each test here shows first that the bare engine does what must not happen,
// and then that the store does not. If the engine stops doing it, the store can
// be made simpler.

const queue = 32 << 10 // how many changes the engine takes at a time

// A bare engine holds these. Those with a gate stop it until the gate opens.
type bare struct {
	n       int
	reached chan struct{}
	gate    chan struct{}
}

func openBare(t *testing.T, c ristretto.Config[string, *bare]) *ristretto.Cache[string, *bare] {
	t.Helper()
	c.NumCounters, c.BufferItems = 10_000, 64
	if c.Cost == nil {
		c.Cost = func(v *bare) int64 {
			if v.gate != nil {
				close(v.reached)
				<-v.gate
			}
			return 1
		}
	}
	engine, err := ristretto.NewCache(&c)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(engine.Close)
	return engine
}

// stickBare keeps the engine from going on beyond what was reported before.
func stickBare(engine *ristretto.Cache[string, *bare], key string) *bare {
	v := &bare{reached: make(chan struct{}), gate: make(chan struct{})}
	engine.Set(key, v, 0)
	return v
}

var roomy = ristretto.Config[string, *bare]{MaxCost: 1 << 30, IgnoreInternalCost: true}

// openStuck returns a store whose engine does nothing until release is called.
// It costs 1 per entry.
func openStuck(t *testing.T) (b *ristrettostore.Budget, s *ristrettostore.Store[int], release func()) {
	b = open(t, 1<<30)
	s = ristrettostore.New(b, &ristrettostore.Options[int]{
		Cost: func(string, *store.Entry[int]) int64 { return 1 },
	})
	return b, s, b.Stick()
}

// free returns key, or another one if key cannot be used now.
func free(s *ristrettostore.Store[int], key string) string {
	for s.Stuck(key) {
		key += "'"
	}
	return key
}

// overfill reports more to the stuck engine than it takes.
func overfill(t *testing.T, s *ristrettostore.Store[int]) {
	t.Helper()
	for i := range queue + 1000 {
		set(t, s, free(s, fmt.Sprint("fill ", i)), i)
	}
	if n := stats(t, s).Rejected; n < 500 {
		t.Fatalf("the engine took all but %d of %d: is its queue larger now?", n, queue+1000)
	}
}

func TestTrap_setIsSeenLater(t *testing.T) {
	engine := openBare(t, roomy)
	stuck := stickBare(engine, "stuck")
	engine.Set("k", &bare{n: 1}, 0)
	if _, ok := engine.Get("k"); ok {
		t.Error("control: the bare engine shows a Set at once")
	}
	close(stuck.gate)

	_, s, release := openStuck(t)
	defer release()
	k := free(s, "k")
	set(t, s, k, 1)
	if v, ok := get(t, s, k); !ok || v != 1 {
		t.Errorf("Get after Set: %d, %v", v, ok)
	}
}

func TestTrap_olderSetWins(t *testing.T) {
	engine := openBare(t, roomy)
	stuck := stickBare(engine, "stuck")
	engine.Set("k", &bare{n: 1}, 0)
	engine.Set("k", &bare{n: 2}, 0)
	close(stuck.gate)
	engine.Wait()
	if v, ok := engine.Get("k"); !ok || v.n != 1 {
		t.Error("control: the newer Set wins in the bare engine")
	}

	b, s, release := openStuck(t)
	k := free(s, "k")
	set(t, s, k, 1)
	set(t, s, k, 2)
	if v, ok := get(t, s, k); !ok || v != 2 {
		t.Errorf("at once: %d, %v", v, ok)
	}
	release()
	b.Settle()
	if v, ok := get(t, s, k); !ok || v != 2 {
		t.Errorf("later: %d, %v", v, ok)
	}
}

func TestTrap_deletedEntryComesBack(t *testing.T) {
	engine := openBare(t, roomy)
	first := stickBare(engine, "first")
	engine.Set("k", &bare{n: 1}, 0)
	second := stickBare(engine, "second")
	engine.Del("k")
	close(first.gate)
	<-second.reached
	if _, ok := engine.Get("k"); !ok {
		t.Error("control: the bare engine does not show what was deleted")
	}
	close(second.gate)

	b, s, release := openStuck(t)
	k := free(s, "k")
	set(t, s, k, 1)
	if err := s.Delete(ctx, k); err != nil {
		t.Fatal(err)
	}
	var settled atomic.Bool
	go func() {
		b.Settle()
		settled.Store(true)
	}()
	release()
	for !settled.Load() {
		if v, ok := get(t, s, k); ok {
			t.Fatalf("Get after Delete: %d", v)
		}
	}
}

func TestTrap_droppedSetLeavesOldValue(t *testing.T) {
	engine := openBare(t, roomy)
	stuck := stickBare(engine, "stuck")
	<-stuck.reached // else it makes room in the queue later
	engine.Set("k", &bare{n: 1}, 0)
	for i := range queue {
		engine.Set(fmt.Sprint(i), &bare{}, 0)
	}
	if engine.Set("k", &bare{n: 2}, 0) {
		t.Error("control: the bare engine drops nothing")
	}
	close(stuck.gate)
	engine.Wait()
	if v, ok := engine.Get("k"); !ok || v.n != 1 {
		t.Error("control: the old value is gone from the bare engine")
	}

	b, s, release := openStuck(t)
	k := free(s, "k")
	set(t, s, k, 1)
	overfill(t, s)
	set(t, s, k, 2)
	if v, ok := get(t, s, k); !ok || v != 2 {
		t.Errorf("at once: %d, %v", v, ok)
	}
	dropped := free(s, "dropped")
	set(t, s, dropped, 1)
	if _, ok := get(t, s, dropped); ok {
		t.Error("an entry is kept that the engine does not know of")
	}
	release()
	b.Settle()
	if v, ok := get(t, s, k); !ok || v != 2 {
		t.Errorf("later: %d, %v", v, ok)
	}
	if err := b.Check(); err != nil {
		t.Error(err)
	}
}

func TestTrap_deleteBlocks(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		engine := openBare(t, roomy)
		stuck := stickBare(engine, "stuck")
		<-stuck.reached // else it makes room in the queue later
		for i := range queue + 1 {
			engine.Set(fmt.Sprint(i), &bare{}, 0)
		}
		returned := false
		go func() {
			engine.Del("k")
			returned = true
		}()
		synctest.Wait()
		if returned {
			t.Error("control: Del of the bare engine returns while its queue is full")
		}
		close(stuck.gate)
		synctest.Wait()
	})

	_, s, release := openStuck(t)
	defer release()
	k := free(s, "k")
	set(t, s, k, 1)
	overfill(t, s)
	if err := s.Delete(ctx, k, k); err != nil { // else the test hangs here
		t.Error(err)
	}
	set(t, s, k, 2)
	if err := s.Expire(ctx, k, 0); err != nil {
		t.Error(err)
	}
	if _, ok := get(t, s, k); ok {
		t.Error("Get after Expire found an entry")
	}
}

func TestTrap_hiddenCost(t *testing.T) {
	engine := openBare(t, ristretto.Config[string, *bare]{MaxCost: 10_000})
	for i := range 5000 {
		engine.Set(fmt.Sprint(i), &bare{}, 0)
		if i%1000 == 0 {
			engine.Wait()
		}
	}
	engine.Wait()
	kept := 0
	for i := range 5000 {
		if _, ok := engine.Get(fmt.Sprint(i)); ok {
			kept++
		}
	}
	if kept > 500 {
		t.Errorf("control: the bare engine keeps %d entries of cost 1 in 10,000", kept)
	}

	b := open(t, 10_000)
	s := ristrettostore.New(b, &ristrettostore.Options[int]{
		Cost: func(string, *store.Entry[int]) int64 { return 1 },
	})
	for i := range 5000 {
		set(t, s, fmt.Sprint(i), i)
	}
	b.Settle()
	for i := range 5000 {
		if _, ok := get(t, s, fmt.Sprint(i)); !ok {
			t.Fatalf("entry %d was not kept", i)
		}
	}
}

// A change of cost that the engine was too busy to hear is made up for.
func TestTrap_droppedCost(t *testing.T) {
	engine := openBare(t, ristretto.Config[string, *bare]{MaxCost: 1 << 30, IgnoreInternalCost: true,
		Cost: func(v *bare) int64 {
			if v.gate != nil {
				<-v.gate
			}
			return int64(v.n)
		}})
	engine.Set("k", &bare{n: 100}, 0)
	engine.Wait()
	stuck := &bare{gate: make(chan struct{})}
	engine.Set("stuck", stuck, 0)
	for i := range queue + 1 {
		engine.Set(fmt.Sprint(i), &bare{}, 0)
	}
	if !engine.Set("k", &bare{n: 5000}, 0) {
		t.Error("control: the bare engine says that it forgot the cost")
	}
	close(stuck.gate)
	engine.Wait()
	if used := engine.MaxCost() - engine.RemainingCost(); used > 1000 {
		t.Errorf("control: the bare engine counts %d", used)
	}

	const size = 1 << 30
	b := open(t, size)
	s := ristrettostore.New(b, &ristrettostore.Options[int]{
		Cost: func(_ string, e *store.Entry[int]) int64 { return int64(e.Value) },
	})
	k := free(s, "k")
	set(t, s, k, 100)
	b.Settle()
	release := b.Stick()
	overfill(t, s)
	set(t, s, k, 5000)
	release()
	b.Settle()
	if err := b.Check(); err != nil {
		t.Error(err)
	}
	if b.Unknown() != 4900 || b.Limit() != size-4900 {
		t.Errorf("%d unknown, the limit is %d", b.Unknown(), b.Limit()-size)
	}
	set(t, s, k, 5000)
	b.Settle()
	if err := b.Check(); err != nil {
		t.Error(err)
	}
	if b.Unknown() != 0 || b.Limit() != size {
		t.Errorf("reported again: %d unknown, the limit is %d", b.Unknown(), b.Limit()-size)
	}
}
