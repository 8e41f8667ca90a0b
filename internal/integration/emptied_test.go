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

// emptied returns a house that has read the keys a to d, whose Redis was then started again
// without data.
func emptied(t *testing.T, build builder, o layered.Options[int], before func(*house)) *house {
	t.Helper()
	server := redistest.Start(t, nil)
	o.TTL, o.StaleFor = time.Hour, time.Hour
	h := build(t, server, &o)
	for _, key := range []string{"a", "b", "c", "d"} {
		if _, err := h.Find(t.Context(), key, now(1)); err != nil {
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
		_, err := h.Find(t.Context(), "new", now(1))
		_, err2 := server.Do("GET", "h:new")
		return err == nil && err2 == nil && h.Counts().Lost > 0 && h.Ping(t.Context()) == nil
	})
	return h
}

// A Redis that was started again without data denies nothing: where the source fails, what
// L1 has from before is served as stale, alone and in batches, again and again.
func TestFailSafe_emptiedRedisDeniesNothing(t *testing.T) {
	h := emptied(t, build, layered.Options[int]{RetryAfter: -1}, nil)
	for range 3 {
		for _, key := range []string{"a", "b"} {
			f, err := h.Find(t.Context(), key, failing)
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
	if f, err := h.Find(t.Context(), "a", now(2)); err != nil || f.Value != 2 || f.Stale {
		t.Errorf("when the source is back: got %+v, %v", f, err)
	}
}

// What this process has deleted is not served, nor is anything with StrictStale.
func TestFailSafe_emptiedRedis_changedIsNotServed(t *testing.T) {
	h := emptied(t, build, layered.Options[int]{}, func(h *house) {
		if err := h.Delete(t.Context(), "a"); err != nil {
			t.Fatal(err)
		}
	})
	if f, err := h.Find(t.Context(), "a", failing); !errors.Is(err, errSource) {
		t.Errorf("what was deleted before: got %+v, %v", f, err)
	}
	if err := h.Delete(t.Context(), "b"); err != nil {
		t.Fatal(err)
	}
	if f, err := h.Find(t.Context(), "b", failing); !errors.Is(err, errSource) {
		t.Errorf("what was deleted after: got %+v, %v", f, err)
	}
	if _, err := h.Find(t.Context(), "c", failing); err != nil {
		t.Error(err)
	}
	strict := emptied(t, build, layered.Options[int]{StrictStale: true}, nil)
	if f, err := strict.Find(t.Context(), "a", failing); !errors.Is(err, errSource) {
		t.Errorf("with StrictStale: got %+v, %v", f, err)
	}
}

// What another process has deleted, and whose invalidation arrived here, is not served.
func TestFailSafe_emptiedRedis_notifiedIsNotServed(t *testing.T) {
	h := emptied(t, build, layered.Options[int]{}, nil)
	peer := houseOn(t, dial(t, h.link.Addr()), nil)
	if _, err := h.Find(t.Context(), "a", failing); err != nil { // Redis knows that it reads the key
		t.Fatal(err)
	}
	if err := peer.Set(t.Context(), "a", store.Entry[int]{Value: 2}); err != nil {
		t.Fatal(err)
	}
	if err := peer.Delete(t.Context(), "a"); err != nil {
		t.Fatal(err)
	}
	redistest.WaitFor(t, "the copy to be dropped", func() bool {
		_, err := h.Find(t.Context(), "a", failing)
		return errors.Is(err, errSource) || errors.Is(err, store.ErrLoadFailed)
	})
}

// A Redis that goes on running and does not have the entry any more denies it: FLUSHALL is
// as good as a deletion.
func TestFailSafe_flushedRedisDenies(t *testing.T) {
	server := redistest.Start(t, nil)
	h := build(t, server, &layered.Options[int]{TTL: time.Hour, StaleFor: time.Hour})
	want(t, h, now(1), 1, layered.Source)
	if _, err := server.Do("FLUSHALL"); err != nil {
		t.Fatal(err)
	}
	redistest.WaitFor(t, "the copy to be denied", func() bool {
		_, err := h.Find(t.Context(), "k", failing)
		return errors.Is(err, errSource)
	})
}
