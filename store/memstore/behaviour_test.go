package memstore_test

import (
	"context"
	"errors"
	"fmt"
	"testing"
	"testing/synctest"
	"time"

	"github.com/lokroom/strata/store"
	"github.com/lokroom/strata/store/memstore"
)

var ctx = context.Background()

func set(t *testing.T, s *memstore.Store[int], key string, e store.Entry[int]) {
	t.Helper()
	if err := s.Set(ctx, key, e); err != nil {
		t.Fatal(err)
	}
}

// watch calls changed for all invalidations until the test ends.
func watch(t *testing.T, s *memstore.Store[int], changed func(store.Invalidation)) {
	t.Helper()
	stop, err := s.Watch(store.Watching{Changed: changed})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(stop)
}

func TestNew_maxEntries(t *testing.T) {
	s := memstore.New[int](&memstore.Options{MaxEntries: 3})
	for n := range 10 {
		set(t, s, fmt.Sprint(n), store.Entry[int]{Value: n})
		if e, err := s.Get(ctx, fmt.Sprint(n)); err != nil || e.Value != n {
			t.Errorf("the entry that was just set is %v, %v", e.Value, err)
		}
		set(t, s, fmt.Sprint(n), store.Entry[int]{Value: n}) // takes nobody's place
	}
	st, err := s.Stats(ctx)
	if err != nil || st.Entries != 3 || st.Evictions != 7 {
		t.Errorf("Stats returned %+v, %v", st, err)
	}
	if _, err := s.Add(ctx, "counter", 1, 0); err != nil {
		t.Fatal(err)
	}
	if st, _ := s.Stats(ctx); st.Entries != 3 || st.Evictions != 8 {
		t.Errorf("after Add Stats returned %+v", st)
	}
}

// Expiry is exact to the millisecond of the clock.
func TestStore_expiry(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := memstore.New[int](nil)
		set(t, s, "k", store.Entry[int]{Value: 1, ExpiresAt: store.In(time.Second)})
		time.Sleep(time.Second - time.Millisecond)
		if _, err := s.Get(ctx, "k"); err != nil {
			t.Errorf("a millisecond before its expiry: %v", err)
		}
		if ttl, err := s.TTL(ctx, "k"); ttl != time.Millisecond || err != nil {
			t.Errorf("TTL is %v, %v", ttl, err)
		}
		time.Sleep(time.Millisecond)
		if e, err := s.Get(ctx, "k"); err != store.ErrNotFound {
			t.Errorf("at its expiry: %v, %v", e, err)
		}
		if st, _ := s.Stats(ctx); st.Entries != 0 {
			t.Errorf("the expired entry is held: %+v", st)
		}
	})
}

func TestStore_Expire_softExpiry(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s, now := memstore.New[int](nil), store.Now()
		hour := now.Add(time.Hour)
		for _, c := range []struct {
			expires, stale, wantStale store.Time
			to                        time.Duration
			why                       string
		}{
			{hour, hour - 5, now.Add(time.Minute) - 5, time.Minute, "as far before"},
			{hour, hour + 5, now.Add(time.Minute) + 5, time.Minute, "as far behind"},
			{hour, 0, 0, time.Minute, "none stays none"},
			{hour, hour - 5, 0, store.Forever, "no expiry, so never stale"},
			{0, hour, hour, time.Minute, "no expiry to measure from"},
			{hour, 1, 1, time.Minute, "not before the epoch"},
		} {
			set(t, s, "k", store.Entry[int]{ExpiresAt: c.expires, StaleAt: c.stale})
			if err := s.Expire(ctx, "k", c.to); err != nil {
				t.Fatal(err)
			}
			e, err := s.Get(ctx, "k")
			if err != nil || e.StaleAt != c.wantStale || e.ExpiresAt != store.In(c.to) {
				t.Errorf("%s: stale at %v, expires at %v, %v", c.why, e.StaleAt, e.ExpiresAt, err)
			}
		}
	})
}

func TestStore_Close(t *testing.T) {
	s := memstore.New[int](nil)
	peer := s.Peer()
	set(t, s, "k", store.Entry[int]{Value: 1})
	for range 2 {
		if err := s.Close(); err != nil {
			t.Errorf("Close: %v", err)
		}
	}
	if _, err := peer.Get(ctx, "k"); !errors.Is(err, store.ErrClosed) {
		t.Errorf("Get of a peer after Close: %v", err)
	}
}

func TestStore_Peer(t *testing.T) {
	s := memstore.New[int](nil)
	peer := s.Peer()
	var own, others int
	watch(t, s, func(store.Invalidation) { own++ })
	watch(t, peer, func(store.Invalidation) { others++ })
	if _, watched, err := s.Fill(ctx, "k", store.Entry[int]{Value: 1}); !watched || err != nil {
		t.Errorf("Fill: watched %v, %v", watched, err)
	}
	if own != 0 || others != 1 {
		t.Errorf("Fill was told to its own watcher %d times, to that of a peer %d times", own, others)
	}
	if e, err := peer.Get(ctx, "k"); e.Value != 1 || err != nil {
		t.Errorf("the peer got %v, %v", e, err)
	}
	if st, _ := s.Stats(ctx); st.Hits != 0 || st.Sets != 1 {
		t.Errorf("what the peer did is counted: %+v", st)
	}
}

func TestStore_Fill_expired(t *testing.T) {
	s := memstore.New[int](nil)
	if _, watched, err := s.Fill(ctx, "k", store.Entry[int]{ExpiresAt: 1}); watched || err != nil {
		t.Errorf("Fill of an expired entry: watched %v, %v", watched, err)
	}
}

func TestStore_version(t *testing.T) {
	s := memstore.New[int](nil)
	var last uint64
	for range 3 {
		set(t, s, "k", store.Entry[int]{})
		if e, err := s.Get(ctx, "k"); e.Version <= last || err != nil {
			t.Errorf("the version after %d is %d, %v", last, e.Version, err)
		} else {
			last = e.Version
		}
	}
	set(t, s, "k", store.Entry[int]{Version: 7 << 40}) // a copy of what another tier keeps
	if e, err := s.Get(ctx, "k"); e.Version != 7<<40 || err != nil {
		t.Errorf("the version is %d, %v, want the one that was given", e.Version, err)
	}
}

func TestStore_errors(t *testing.T) {
	s := memstore.New[int](nil)
	set(t, s, "k", store.Entry[int]{Value: 1})
	_, err := s.Add(ctx, "k", 1, 0)
	if got, want := fmt.Sprint(err), `memory: add "k": wrong type`; got != want {
		t.Errorf("the error is %s, want %s", got, want)
	}
	if st, _ := s.Stats(ctx); st.Errors != 1 {
		t.Errorf("Errors is %d", st.Errors)
	}
}

func ExampleNew() {
	ctx := context.Background()
	cities := memstore.New[string](nil)
	if err := cities.Set(ctx, "fr", store.Entry[string]{Value: "Paris", ExpiresAt: store.In(time.Hour)}); err != nil {
		fmt.Println(err)
	}
	e, err := cities.Get(ctx, "fr")
	fmt.Println(e.Value, err)
	_, err = cities.Get(ctx, "it")
	fmt.Println(err)
	// Output:
	// Paris <nil>
	// not found
}

func ExampleStore_Watch() {
	ctx := context.Background()
	s := memstore.New[string](nil)
	stop, _ := s.Watch(store.Watching{
		Changed: func(inv store.Invalidation) { fmt.Printf("changed: %q, all: %v\n", inv.Keys, inv.All) },
	})
	defer stop()
	_ = s.Set(ctx, "fr", store.Entry[string]{Value: "Paris"})
	_ = s.Delete(ctx, "fr")
	_ = s.Clear(ctx)
	// Output:
	// changed: ["fr"], all: false
	// changed: ["fr"], all: false
	// changed: [], all: true
}

func ExampleStore_Peer() {
	ctx := context.Background()
	here := memstore.New[string](nil)
	there := here.Peer()
	stop, _ := there.Watch(store.Watching{Changed: func(inv store.Invalidation) { fmt.Println("there:", inv.Keys) }})
	defer stop()
	_ = here.Set(ctx, "fr", store.Entry[string]{Value: "Paris"})
	e, _ := there.Get(ctx, "fr")
	fmt.Println(e.Value)
	// Output:
	// there: [fr]
	// Paris
}
