package integration_test

import (
	"context"
	"errors"
	"testing"
	"time"

	"github.com/lokroom/strata/internal/redistest"
	"github.com/lokroom/strata/layered"
	"github.com/lokroom/strata/store"
)

var errSource = errors.New("the source fails")

func failing(context.Context, string) (store.Entry[int], error) {
	return store.Entry[int]{}, errSource
}

// emptied returns a house that has read the keys a to d from a Redis that was then
// restarted without data.
func emptied(t *testing.T, build builder, o layered.Options[int], before func(*house)) *house {
	t.Helper()
	server := redistest.Start(t, nil)
	o.TTL, o.StaleFor = time.Hour, time.Hour
	h := build(t, server, &o)
	for _, key := range []string{"a", "b", "c", "d"} {
		if _, err := h.Find(t.Context(), key, layered.Source[int]{Load: now(1)}); err != nil {
			t.Fatal(err)
		}
	}
	if before != nil {
		before(h)
	}
	server.Kill()
	if err := server.Restart(); err != nil {
		t.Fatal(err)
	}
	redistest.WaitFor(t, "Redis to be read again", func() bool {
		_, err := h.Find(t.Context(), "new", layered.Source[int]{Load: now(1)})
		_, err2 := server.Do("GET", "h:new")
		return err == nil && err2 == nil && h.Counts().Lost > 0 && h.Ping(t.Context()) == nil
	})
	return h
}

// A Redis restarted without data invalidates nothing: if the source fails, old copies in L1
// are returned as stale, alone and in batches, repeatedly.
func TestFailSafe_emptiedRedisDeniesNothing(t *testing.T) {
	h := emptied(t, build, layered.Options[int]{RetryAfter: -1}, nil)
	for range 3 {
		for _, key := range []string{"a", "b"} {
			f, err := h.Find(t.Context(), key, layered.Source[int]{Load: failing})
			if err != nil || f.Value != 1 || !f.Stale || !errors.Is(f.Cause, errSource) {
				t.Errorf("%q: got %+v, %v", key, f, err)
			}
		}
		got, err := h.GetManyOrLoad(t.Context(), []string{"b", "c"}, func(context.Context, []string) (map[string]store.Entry[int], error) {
			return nil, errSource
		})
		if err != nil || got["b"].Value != 1 || got["c"].Value != 1 {
			t.Errorf("got %v, %v", got, err)
		}
	}
	if f, err := h.Find(t.Context(), "a", layered.Source[int]{Load: now(2)}); err != nil || f.Value != 2 || f.Stale {
		t.Errorf("when the source is back: got %+v, %v", f, err)
	}
}

// A value that this process has deleted is not returned; nor is any with StrictStale.
func TestFailSafe_emptiedRedis_changedIsNotServed(t *testing.T) {
	h := emptied(t, build, layered.Options[int]{}, func(h *house) {
		if err := h.Delete(t.Context(), "a"); err != nil {
			t.Fatal(err)
		}
	})
	if f, err := h.Find(t.Context(), "a", layered.Source[int]{Load: failing}); !errors.Is(err, errSource) {
		t.Errorf("what was deleted before: got %+v, %v", f, err)
	}
	if err := h.Delete(t.Context(), "b"); err != nil {
		t.Fatal(err)
	}
	if f, err := h.Find(t.Context(), "b", layered.Source[int]{Load: failing}); !errors.Is(err, errSource) {
		t.Errorf("what was deleted after: got %+v, %v", f, err)
	}
	if _, err := h.Find(t.Context(), "c", layered.Source[int]{Load: failing}); err != nil {
		t.Error(err)
	}
	strict := emptied(t, build, layered.Options[int]{StrictStale: true}, nil)
	if f, err := strict.Find(t.Context(), "a", layered.Source[int]{Load: failing}); !errors.Is(err, errSource) {
		t.Errorf("with StrictStale: got %+v, %v", f, err)
	}
}

// A value that another process has deleted is not returned once the invalidation has
// arrived.
func TestFailSafe_emptiedRedis_notifiedIsNotServed(t *testing.T) {
	h := emptied(t, build, layered.Options[int]{}, nil)
	peer := houseOn(t, dial(t, h.link.Addr()), nil)
	if _, err := h.Find(t.Context(), "a", layered.Source[int]{Load: failing}); err != nil { // Redis now tracks the key for it
		t.Fatal(err)
	}
	if err := peer.Set(t.Context(), "a", store.Entry[int]{Value: 2}); err != nil {
		t.Fatal(err)
	}
	if err := peer.Delete(t.Context(), "a"); err != nil {
		t.Fatal(err)
	}
	redistest.WaitFor(t, "the copy to be dropped", func() bool {
		_, err := h.Find(t.Context(), "a", layered.Source[int]{Load: failing})
		return errors.Is(err, errSource) || errors.Is(err, store.ErrLoadFailed)
	})
}

// A running Redis without the entry counts as a deletion: FLUSHALL is as good as Delete.
func TestFailSafe_flushedRedisDenies(t *testing.T) {
	server := redistest.Start(t, nil)
	h := build(t, server, &layered.Options[int]{TTL: time.Hour, StaleFor: time.Hour})
	want(t, h, now(1), 1, layered.Origin)
	if _, err := server.Do("FLUSHALL"); err != nil {
		t.Fatal(err)
	}
	redistest.WaitFor(t, "the copy to be denied", func() bool {
		_, err := h.Find(t.Context(), "k", layered.Source[int]{Load: failing})
		return errors.Is(err, errSource)
	})
}

// Redis pushes a lease of a missing key as a change, so the copy that one process still has is
// refused once another has tried to load it.
func TestFailSafe_emptiedRedis_leaseElsewhere(t *testing.T) {
	h := emptied(t, build, layered.Options[int]{RetryAfter: -1}, nil)
	peer := houseOn(t, dial(t, h.link.Addr()), nil)
	if f, err := h.Find(t.Context(), "a", layered.Source[int]{Load: failing}); err != nil || !f.Stale {
		t.Fatalf("got %+v, %v", f, err)
	}
	if f, err := peer.Find(t.Context(), "a", layered.Source[int]{Load: failing}); !errors.Is(err, errSource) {
		t.Fatalf("the other process got %+v, %v", f, err)
	}
	redistest.WaitFor(t, "the push of the lease", func() bool {
		_, err := h.Find(t.Context(), "a", layered.Source[int]{Load: failing})
		return errors.Is(err, errSource)
	})
}

// A slot that another primary of a cluster has seized without its keys, while the old owner
// lives, looks like one that has moved: that a value is missing counts as a deletion.
func TestFailSafe_slotIsSeized(t *testing.T) {
	cluster := redistest.StartCluster(t, 2)
	h := houseOn(t, dial(t, cluster.Addrs()...), &layered.Options[int]{TTL: time.Hour, StaleFor: time.Hour, RetryAfter: -1})
	want(t, h, now(1), 1, layered.Origin)
	slot, err := cluster.Slot("h:k")
	if err != nil {
		t.Fatal(err)
	}
	to := cluster.Nodes[0]
	if cluster.OwnerOf(slot) == to {
		to = cluster.Nodes[1]
	}
	if err := cluster.Seize(slot, to); err != nil {
		t.Fatal(err)
	}
	redistest.WaitFor(t, "the copy to be refused", func() bool {
		_, err := h.Find(t.Context(), "k", layered.Source[int]{Load: failing})
		return errors.Is(err, errSource)
	})
	want(t, h, now(2), 2, layered.Origin)
}
