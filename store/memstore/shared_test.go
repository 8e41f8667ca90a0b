package memstore_test

import (
	"errors"
	"fmt"
	"testing"
	"testing/synctest"
	"time"

	"github.com/lokroom/strata/store"
	"github.com/lokroom/strata/store/memstore"
)

func TestShared_Limit(t *testing.T) {
	s := memstore.NewShared[int](nil)
	set(t, s.Store, "k", store.Entry[int]{Value: 1})
	version := func() uint64 {
		e, _ := s.Get(ctx, "k")
		return e.Version
	}
	s.Peer().Limit(func(_ string, v int) error {
		if v > 1 {
			return store.ErrUnstorable
		}
		return nil
	})
	big, was := store.Entry[int]{Value: 2, Revision: 9}, version()
	for what, write := range map[string]func() error{
		"Set":      func() error { return s.Set(ctx, "k", big) },
		"SetMany":  func() error { return s.SetMany(ctx, map[string]store.Entry[int]{"k": big}) },
		"SetNewer": func() error { _, err := s.SetNewer(ctx, "k", big); return err },
		"Fill":     func() error { _, _, err := s.Fill(ctx, "k", big); return err },
		"Replace":  func() error { _, _, err := s.Replace(ctx, "k", version(), big); return err },
	} {
		if err := write(); !errors.Is(err, store.ErrUnstorable) {
			t.Errorf("%s of a value that cannot be stored returned %v", what, err)
		}
	}
	if version() != was {
		t.Error("a write that was refused has changed the entry")
	}
	set(t, s.Store, "absent", store.Entry[int]{Value: 2, Absent: true})

	token, err := s.BeginWrite(ctx, time.Minute, "k")
	if err != nil {
		t.Fatal(err)
	}
	err = s.EndWrite(ctx, token, map[string]store.Entry[int]{"k": big}, "k")
	if !errors.Is(err, store.ErrUnstorable) || !errors.Is(err, store.ErrRemoved) {
		t.Errorf("EndWrite returned %v", err)
	}
	s.Limit(nil)
	set(t, s.Store, "k", big)
}

// What cannot be stored is noted for as long as it would have lived, an hour at most.
func TestShared_FillLeased_noteEnds(t *testing.T) {
	for _, c := range []struct{ life, noted time.Duration }{{time.Minute, time.Minute}, {24 * time.Hour, time.Hour}, {store.Forever, time.Hour}} {
		synctest.Test(t, func(t *testing.T) {
			s := memstore.NewShared[int](nil)
			s.Limit(func(string, int) error { return store.ErrTooLarge })
			g, err := s.Lease(ctx, "k", time.Minute, 0)
			if err != nil {
				t.Fatal(err)
			}
			if _, _, err := s.FillLeased(ctx, "k", g.Lease, store.Entry[int]{ExpiresAt: store.In(c.life)}); !errors.Is(err, store.ErrTooLarge) {
				t.Fatal(err)
			}
			if err := errors.Join(s.Renew(ctx, "k", g.Lease, time.Second), s.Release(ctx, "k", g.Lease, 0, "")); err != nil {
				t.Errorf("Renew and Release of a lease that all are granted: %v", err)
			}
			time.Sleep(c.noted - 2*time.Millisecond)
			if next, _ := s.Lease(ctx, "k", time.Minute, 0); next.Lease != g.Lease {
				t.Errorf("before %v another lease is granted", c.noted)
			}
			time.Sleep(2 * time.Millisecond)
			if next, _ := s.Lease(ctx, "k", time.Minute, 0); next.State != store.Granted || next.Lease == g.Lease {
				t.Errorf("after %v: %+v", c.noted, next)
			}
		})
	}
}

// A lease is valid to the end of its time, and not longer.
func TestShared_Lease_time(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := memstore.NewShared[int](nil)
		g, _ := s.Lease(ctx, "k", time.Second, 0)
		time.Sleep(time.Second - 1)
		if next, _ := s.Lease(ctx, "k", time.Second, 0); next.State != store.Taken || next.Left != 1 {
			t.Errorf("a nanosecond before its end: %+v", next)
		}
		if err := s.Renew(ctx, "k", g.Lease, time.Second); err != nil {
			t.Error(err)
		}
		time.Sleep(time.Second)
		if _, _, err := s.FillLeased(ctx, "k", g.Lease, store.Entry[int]{}); !errors.Is(err, store.ErrLeaseLost) {
			t.Errorf("FillLeased after its end returned %v", err)
		}
	})
}

// What was loaded under a hold that is over would have to be capped by it: it is refused.
func TestShared_holdOver(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := memstore.NewShared[int](nil)
		if err := s.DeleteHolding(ctx, store.Hold{For: time.Second, Revision: 5}, "k"); err != nil {
			t.Fatal(err)
		}
		set(t, s.Store, "k", store.Entry[int]{Value: 1, Revision: 5}) // lives on
		e, _ := s.Get(ctx, "k")
		time.Sleep(time.Second)
		if _, _, err := s.Replace(ctx, "k", e.Version, store.Entry[int]{Value: 2}); !errors.Is(err, store.ErrChanged) {
			t.Errorf("Replace after the end of the hold returned %v", err)
		}
		g, _ := s.Lease(ctx, "k", time.Minute, e.Version) // from here on it does not count
		if g.Version != e.Version {
			t.Errorf("the grant is of version %d, not %d", g.Version, e.Version)
		}
		if _, _, err := s.Replace(ctx, "k", e.Version, store.Entry[int]{Value: 2}); !errors.Is(err, store.ErrChanged) {
			t.Errorf("Replace of the version from under the hold returned %v", err)
		}
		if _, _, err := s.FillLeased(ctx, "k", g.Lease, store.Entry[int]{Value: 3}); err != nil {
			t.Errorf("FillLeased under the new lease returned %v", err)
		}

		if err := s.DeleteHolding(ctx, store.Hold{For: time.Second}, "l"); err != nil {
			t.Fatal(err)
		}
		g, _ = s.Lease(ctx, "l", time.Minute, 0)
		time.Sleep(time.Second)
		if _, _, err := s.FillLeased(ctx, "l", g.Lease, store.Entry[int]{}); !errors.Is(err, store.ErrLeaseLost) {
			t.Errorf("FillLeased after the end of the hold returned %v", err)
		}
	})
}

// Expire does not free an entry from its hold.
func TestShared_Expire_underHold(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := memstore.NewShared[int](nil)
		if err := s.DeleteHolding(ctx, store.Hold{For: time.Minute}, "k"); err != nil {
			t.Fatal(err)
		}
		for ttl, want := range map[time.Duration]time.Duration{time.Hour: time.Minute, store.Forever: time.Minute, time.Second: time.Second} {
			set(t, s.Store, "k", store.Entry[int]{Value: 1})
			if err := s.Expire(ctx, "k", ttl); err != nil {
				t.Fatal(err)
			}
			if left, err := s.TTL(ctx, "k"); left != want || err != nil {
				t.Errorf("after Expire to %v it ends in %v, %v", ttl, left, err)
			}
		}
	})
}

func TestOptions_MaxStale(t *testing.T) {
	s := memstore.NewShared[int](&memstore.Options{MaxStale: time.Second})
	peer := s.Peer()
	var notified int
	watch(t, s.Store, func(store.Invalidation) { notified++ })
	set(t, peer.Store, "k", store.Entry[int]{Value: 1})
	if notified != 0 || s.MaxStale() != time.Second {
		t.Errorf("notified %d times of what a peer did, MaxStale is %v", notified, s.MaxStale())
	}
	set(t, s.Store, "k", store.Entry[int]{Value: 2})
	if notified != 1 {
		t.Errorf("notified %d times of an own change", notified)
	}
}

// A process that is cut off recalls the tags that it knew of, and knows nothing for certain.
func TestShared_Disconnect_tags(t *testing.T) {
	s := memstore.NewShared[int](nil)
	peer := s.Peer()
	stamp, _ := s.Stamp(ctx)
	s.Disconnect()
	if ok, known := s.Current([]string{"t"}, stamp); ok || known {
		t.Errorf("Current while disconnected: %v, %v", ok, known)
	}
	if ok, known := s.Current(nil, stamp); !ok || !known {
		t.Errorf("Current of no tags while disconnected: %v, %v", ok, known)
	}
	if err := peer.InvalidateTags(ctx, "t"); err != nil {
		t.Fatal(err)
	}
	if !s.Recall([]string{"t"}, stamp) || peer.Recall([]string{"t"}, stamp) {
		t.Error("what happened while disconnected is recalled, or else is not")
	}
	s.Reconnect()
	if ok, known := s.Current([]string{"t"}, stamp); ok || !known {
		t.Errorf("Current after Reconnect: %v, %v", ok, known)
	}
}

func TestShared_Snapshot(t *testing.T) {
	s := memstore.NewShared[int](nil)
	set(t, s.Store, "k", store.Entry[int]{Value: 1, Tags: []string{"t"}})
	set(t, s.Store, "gone", store.Entry[int]{Value: 1})
	rollback := s.Peer().Snapshot()
	set(t, s.Store, "k", store.Entry[int]{Value: 2})
	set(t, s.Store, "new", store.Entry[int]{Value: 2})
	if err := errors.Join(s.Delete(ctx, "gone"), s.InvalidateTags(ctx, "t")); err != nil {
		t.Fatal(err)
	}
	for range 2 {
		rollback()
		found, err := store.GetMap(ctx, s, []string{"k", "gone", "new"})
		if len(found) != 2 || found["k"].Value != 1 || found["gone"].Value != 1 || err != nil {
			t.Errorf("after the rollback there is %+v, %v", found, err)
		}
		set(t, s.Store, "k", store.Entry[int]{Value: 3})
	}
	e, _ := s.Get(ctx, "k")
	rollback()
	if old, _ := s.Get(ctx, "k"); old.Version == e.Version {
		t.Error("a version was used twice")
	}
}

func ExampleShared_Lease() {
	here := memstore.NewShared[string](nil)
	there := here.Peer()
	g, _ := here.Lease(ctx, "fr", time.Second, 0)
	other, _ := there.Lease(ctx, "fr", time.Second, 0)
	fmt.Println(g.State == store.Granted, other.State == store.Taken)
	_, _, err := here.FillLeased(ctx, "fr", g.Lease, store.Entry[string]{Value: "Paris"})
	e, _ := there.Get(ctx, "fr")
	fmt.Println(e.Value, err)
	// Output:
	// true true
	// Paris <nil>
}

func ExampleShared_Disconnect() {
	here := memstore.NewShared[string](nil)
	there := here.Peer()
	stop, _ := there.Watch(store.Watching{
		Changed:   func(inv store.Invalidation) { fmt.Printf("changed: %q, all: %v\n", inv.Keys, inv.All) },
		Connected: func(connected bool) { fmt.Println("connected:", connected) },
	})
	defer stop()
	there.Disconnect()
	_ = here.Set(ctx, "fr", store.Entry[string]{Value: "Paris"})
	_, err := there.Get(ctx, "fr")
	fmt.Println(err)
	there.Reconnect()
	// Output:
	// connected: true
	// connected: false
	// memory: get "fr": unavailable
	// changed: [], all: true
	// connected: true
}
