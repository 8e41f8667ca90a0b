package integration_test

import (
	"context"
	"fmt"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/lokroom/strata"
	"github.com/lokroom/strata/internal/redistest"
	"github.com/lokroom/strata/layered"
	"github.com/lokroom/strata/store"
)

// A version is a value with its revision. The revisions of these tests begin above 2^53,
// where numbers of Lua are not exact.
const firstRevision = 1 << 60

func version(n int) store.Entry[int] {
	return store.Entry[int]{Value: n, Revision: firstRevision + uint64(n), ExpiresAt: store.In(time.Hour)}
}

// R10: writers set what they have committed, and their calls reach Redis in any order. With
// revisions the newest value wins; the control shows that otherwise the last call does.
func TestSetNewer_anyOrder(t *testing.T) { inBothModes(t, setNewerAnyOrder) }

func setNewerAnyOrder(t *testing.T, build builder) {
	server := redistest.Start(t, nil)
	a, b, reader := build(t, server, nil), build(t, server, nil), build(t, server, nil)
	for _, order := range [][]int{{1, 2, 3}, {1, 3, 2}, {2, 1, 3}, {2, 3, 1}, {3, 1, 2}, {3, 2, 1}} {
		for _, versioned := range []bool{true, false} {
			if err := a.Delete(t.Context(), "k"); err != nil {
				t.Fatal(err)
			}
			newest := 0
			for i, n := range order {
				writer := []*house{a, b}[i%2]
				if !versioned {
					if err := writer.Set(t.Context(), "k", version(n)); err != nil {
						t.Fatal(err)
					}
					continue
				}
				kept, err := writer.SetNewer(t.Context(), "k", version(n))
				if err != nil || kept != (n > newest) {
					t.Errorf("%v: SetNewer of %d after %d: kept %v, %v", order, n, newest, kept, err)
				}
				newest = max(newest, n)
				f, err := reader.FindFresh(t.Context(), "k", layered.Source[int]{})
				if err != nil || f.Value != newest || f.Revision != version(newest).Revision {
					t.Errorf("%v: after SetNewer of %d a reader has %d, revision %d, %v", order, n, f.Value, f.Revision, err)
				}
			}
			stands := 3
			if !versioned {
				stands = order[2] // whatever the source has: 3
			}
			if f, err := reader.FindFresh(t.Context(), "k", layered.Source[int]{}); err != nil || f.Value != stands {
				t.Errorf("%v, versioned %v: %d stands, %v, want %d", order, versioned, f.Value, err, stands)
			}
		}
	}
}

// The same with concurrent writers, loads and deletes. The final value is that of the
// source.
func TestSetNewer_beside(t *testing.T) {
	server := redistest.Start(t, nil)
	houses := []*house{build(t, server, nil), build(t, server, nil)}
	var row atomic.Int64
	load := func(context.Context, string) (store.Entry[int], error) { return version(int(row.Load())), nil }
	for range 50 {
		var wg sync.WaitGroup
		for g := range 6 {
			h := houses[g%2]
			wg.Go(func() {
				for range 3 {
					e := version(int(row.Add(1)))
					if _, err := h.SetNewer(t.Context(), "k", e); err != nil {
						t.Error(err)
					}
					if _, err := h.Find(t.Context(), "k", layered.Source[int]{Load: load}); err != nil {
						t.Error(err)
					}
				}
			})
		}
		wg.Wait()
		for _, h := range houses {
			f, err := h.FindFresh(t.Context(), "k", layered.Source[int]{Load: load})
			if err != nil || int64(f.Value) != row.Load() {
				t.Fatalf("%d stands, %v, want %d", f.Value, err, row.Load())
			}
		}
	}
}

// A load that began before does not undo a SetNewer, nor does a refused SetNewer break a
// lease.
func TestSetNewer_besideALoad(t *testing.T) {
	server := redistest.Start(t, nil)
	a, b := build(t, server, nil), build(t, server, nil)
	row := &source{v: 1}
	answer := begin(t, a, row)
	if kept, err := b.SetNewer(t.Context(), "k", version(2)); !kept || err != nil {
		t.Fatal(kept, err)
	}
	close(row.done)
	<-answer
	want(t, b, now(9), 2, layered.L2)
	if n := a.Counts().Refused; n != 1 {
		t.Errorf("%d fills were refused, want the one", n)
	}
	stale := version(3)
	stale.StaleAt = store.Now()
	if err := b.Set(t.Context(), "k", stale); err != nil {
		t.Fatal(err)
	}
	row = &source{v: 4}
	answer = begin(t, a, row)
	if kept, err := b.SetNewer(t.Context(), "k", version(2)); kept || err != nil {
		t.Fatal(kept, err)
	}
	close(row.done)
	<-answer
	want(t, b, now(9), 4, layered.L2)
}

// lives fails unless a value loaded by load is kept for its full TTL, or if not full for
// the hold at most.
func lives(t *testing.T, what string, h *house, load layered.Loader[int], full bool) {
	t.Helper()
	f, err := h.FindFresh(t.Context(), "k", layered.Source[int]{Load: load})
	if err != f.MissError() || f.Tier != layered.Origin {
		t.Errorf("%s: got %d from %v, %v", what, f.Value, f.Tier, err)
	}
	if d := f.ExpiresAt.Until(); full != (d > longHold) {
		t.Errorf("%s: the loaded value lives for %v", what, d)
	}
	e, ok := h.Local(t.Context(), "k")
	if !ok || full != (e.ExpiresAt.Until() > longHold) {
		t.Errorf("%s: L1 has it: %v", what, ok)
	}
}

func loaded(e store.Entry[int]) layered.Loader[int] {
	e.ExpiresAt = store.In(3 * longHold)
	return func(context.Context, string) (store.Entry[int], error) { return e, nil }
}

// R5 exactly: after a change with a known revision, an old value from a lagging replica is
// kept for the hold at most, and one with the change for its full TTL at once.
func TestDeleteOlder(t *testing.T) { inBothModes(t, deleteOlder) }

func deleteOlder(t *testing.T, build builder) {
	server := redistest.Start(t, nil)
	o := &layered.Options[int]{AbsentFor: 3 * longHold}
	a, b := build(t, server, o), build(t, server, o)
	ctx := t.Context()
	change := func(n int) {
		t.Helper()
		if err := a.DeleteHolding(ctx, store.Hold{For: longHold, Revision: version(n).Revision}, "k"); err != nil {
			t.Fatal(err)
		}
	}
	for what, tc := range map[string]struct {
		e    store.Entry[int]
		full bool
	}{
		"older":               {version(4), false},
		"the change":          {version(5), true},
		"newer":               {version(6), true},
		"without a revision":  {store.Entry[int]{Value: 5}, false},
		"a small revision":    {store.Entry[int]{Value: 5, Revision: 5}, false},
		"the largest":         {store.Entry[int]{Value: 5, Revision: 1<<64 - 1}, true},
		"absent, not known":   {store.Entry[int]{Absent: true}, false},
		"absent, but known":   {store.Entry[int]{Absent: true, Revision: version(5).Revision}, true},
		"absent, but earlier": {store.Entry[int]{Absent: true, Revision: version(4).Revision}, false},
	} {
		if _, err := server.Do("FLUSHALL"); err != nil {
			t.Fatal(err)
		}
		change(5)
		lives(t, what, b, loaded(tc.e), tc.full)
	}

	// Changes that overlap: the newest counts.
	change(7)
	change(6)
	lives(t, "between two changes", b, loaded(version(6)), false)
	change(7)
	lives(t, "after both", b, loaded(version(7)), true)
	// What is set counts like what is loaded.
	change(8)
	for n, full := range map[int]bool{7: false, 8: true} {
		if err := a.Delete(ctx, "k"); err != nil { // the hold stays
			t.Fatal(err)
		}
		e, _ := loaded(version(n))(ctx, "")
		if kept, err := a.SetNewer(ctx, "k", e); !kept || err != nil {
			t.Fatal(kept, err)
		}
		if d, err := a.TTL(ctx, "k"); err != nil || full != (d > longHold) {
			t.Errorf("SetNewer of %d lives for %v, %v", n, d, err)
		}
	}
	// A change without a known revision caps everything.
	if err := a.DeleteHolding(ctx, store.Hold{For: longHold}, "k"); err != nil {
		t.Fatal(err)
	}
	lives(t, "after DeleteHolding", b, loaded(version(9)), false)
	// The control: after a plain Delete, the value of the replica stays.
	if _, err := server.Do("FLUSHALL"); err != nil {
		t.Fatal(err)
	}
	if err := a.Delete(ctx, "k"); err != nil {
		t.Fatal(err)
	}
	lives(t, "after a plain Delete", b, loaded(version(1)), true)
}

// A replica is a lagging copy of a table.
type replica struct {
	mu   sync.Mutex
	rows []store.Entry[int] // by revision
	at   int
}

func (r *replica) load(context.Context, string) (store.Entry[int], error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.rows[r.at], nil
}

func (r *replica) catchUp() {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.at = len(r.rows) - 1
}

// Readers of a lagging replica get its values, and see the change when the hold has ended,
// or when it is set.
func TestDeleteOlder_replicaLags(t *testing.T) {
	server := redistest.Start(t, nil)
	a, b := build(t, server, nil), build(t, server, nil)
	r := &replica{rows: []store.Entry[int]{{Value: 1, Revision: firstRevision + 1}, {Value: 2, Revision: firstRevision + 2}}}
	want(t, b, r.load, 1, layered.Origin)
	if err := a.DeleteHolding(t.Context(), store.Hold{For: hold, Revision: firstRevision + 2}, "k"); err != nil {
		t.Fatal(err)
	}
	redistest.WaitFor(t, "the old value to be gone from L1", func() bool {
		_, ok := b.Local(t.Context(), "k")
		return !ok
	})
	f, err := b.Find(t.Context(), "k", layered.Source[int]{Load: r.load})
	if err != nil || f.Value == 1 && f.ExpiresAt.Until() > hold {
		t.Fatalf("got %d for %v, %v", f.Value, f.ExpiresAt.Until(), err)
	}
	r.catchUp()
	redistest.WaitFor(t, "the change to be seen", func() bool {
		f, err := b.Find(t.Context(), "k", layered.Source[int]{Load: r.load})
		return err == nil && f.Value == 2
	})
	if f, err := b.FindFresh(t.Context(), "k", layered.Source[int]{Load: r.load}); err != nil || f.ExpiresAt.Until() < time.Minute {
		t.Errorf("the change is kept for %v, %v", f.ExpiresAt.Until(), err)
	}
}

// Through the API: values have revisions.
func TestSetIfNewer(t *testing.T) {
	type row struct {
		Name     string
		Revision uint64
	}
	server := redistest.Start(t, nil)
	b, err := strata.Open(t.Context(), &strata.Config{RedisURL: server.URL()})
	if err != nil {
		t.Fatal(err)
	}
	defer b.Close()
	var current atomic.Pointer[row]
	load := func(context.Context, int) (row, error) { return *current.Load(), nil }
	c, err := strata.New(b, "rows", load, &strata.Options[int, row]{
		RevisionOf: func(_ int, r row) uint64 { return r.Revision },
		LoadMany: func(ctx context.Context, ids []int) (map[int]row, error) {
			return map[int]row{ids[0]: *current.Load()}, nil
		},
	})
	if err != nil {
		t.Fatal(err)
	}
	ctx := t.Context()
	current.Store(&row{"a", firstRevision + 2})
	for _, many := range []bool{false, true} { // loaded, with its revision
		if err := c.Delete(ctx, 1); err != nil {
			t.Fatal(err)
		}
		if many {
			_, err = c.GetMany(ctx, []int{1})
		} else {
			_, err = c.Get(ctx, 1)
		}
		if err != nil {
			t.Fatal(err)
		}
		if kept, err := c.SetIfNewer(ctx, 1, row{"old", firstRevision + 1}, firstRevision+1); kept || err != nil {
			t.Errorf("many %v: an older version: kept %v, %v", many, kept, err)
		}
		if r, err := c.Get(ctx, 1); r.Name != "a" || err != nil {
			t.Errorf("many %v: Get = %+v, %v", many, r, err)
		}
	}
	if kept, err := c.SetIfNewer(ctx, 1, row{"b", 0}, firstRevision+3); !kept || err != nil {
		t.Errorf("a newer version: kept %v, %v", kept, err)
	}
	if r, err := c.Get(ctx, 1); r.Name != "b" || err != nil {
		t.Errorf("Get = %+v, %v", r, err)
	}
	for revision, full := range map[uint64]bool{firstRevision + 3: false, firstRevision + 4: true} {
		if err := c.DeleteOlder(ctx, time.Second, firstRevision+4, 1); err != nil {
			t.Fatal(err)
		}
		current.Store(&row{fmt.Sprint(revision), revision})
		e, err := c.GetEntry(ctx, 1)
		if err != nil || full != (e.ExpiresAt.Until() > time.Minute) {
			t.Errorf("%+v lives for %v, %v", e.Value, e.ExpiresAt.Until(), err)
		}
	}
}
