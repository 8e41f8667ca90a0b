package redisstore_test

import (
	"errors"
	"fmt"
	"strconv"
	stdstrings "strings"
	"testing"
	"time"

	"github.com/lokroom/strata/internal/redistest"
	"github.com/lokroom/strata/store"
	"github.com/lokroom/strata/store/redisstore"
)

// confirm confirms what is under "k" for two hours more.
func confirm(t *testing.T, s *redisstore.Store[string], old store.Entry[string]) (kept store.Entry[string], watched bool, err error) {
	t.Helper()
	e := old
	e.LoadedAt, e.StaleAt, e.ExpiresAt = store.Now(), store.In(time.Hour), store.In(2*time.Hour)
	return s.Confirm(t.Context(), "k", old, e)
}

// put sets v under "k" and returns it as it is read.
func put(t *testing.T, s *redisstore.Store[string], e store.Entry[string]) store.Entry[string] {
	t.Helper()
	if err := s.Set(t.Context(), "k", e); err != nil {
		t.Fatal(err)
	}
	old, err := s.Get(t.Context(), "k")
	if err != nil {
		t.Fatal(err)
	}
	return old
}

// What is confirmed is what was there, with another life and version, and is intact.
func TestStore_Confirm(t *testing.T) {
	srv := redistest.Start(t, nil)
	s, other := strings(dial(t, to(srv)), "p:"), strings(dial(t, to(srv)), "p:")
	ago := store.Now().Add(-time.Hour)
	for name, e := range map[string]store.Entry[string]{
		"plain":       {Value: "v", LoadedAt: ago},
		"empty":       {LoadedAt: ago, ExpiresAt: store.In(time.Minute)},
		"long":        {Value: stdstrings.Repeat("0123456789", 100_000), LoadedAt: ago},
		"with more":   {Value: "v", LoadedAt: ago, Tags: []string{"t", "", "u"}, Revision: 7, LoadTime: 3 * time.Second},
		"stale":       {Value: "v", LoadedAt: ago, StaleAt: ago, ExpiresAt: store.In(time.Minute)},
		"no LoadedAt": {Value: "v"},
	} {
		t.Run(name, func(t *testing.T) {
			old := put(t, s, e)
			kept, watched, err := confirm(t, s, old)
			if err != nil || !watched {
				t.Fatalf("got %+v, watched %v, %v", kept, watched, err)
			}
			got, err := other.Get(t.Context(), "k")
			if err != nil || got.Value != e.Value || got.LoadedAt <= ago || got.LoadTime != old.LoadTime || got.Revision != old.Revision ||
				fmt.Sprint(got.Tags) != fmt.Sprint(old.Tags) || got.Stamp != old.Stamp || got.Size != old.Size {
				t.Errorf("got %.200v, %v", got, err)
			}
			if kept.Version != got.Version || got.Version == old.Version {
				t.Errorf("version %d of %d, was %d", kept.Version, got.Version, old.Version)
			}
			for _, e := range []store.Entry[string]{kept, got} {
				if d := e.StaleAt.Until(); d < 59*time.Minute || d > time.Hour || e.ExpiresAt.Sub(e.StaleAt) != time.Hour {
					t.Errorf("fresh for %v, there for %v", d, e.ExpiresAt.Until())
				}
			}
			if st, err := other.Stats(t.Context()); err != nil || st.Corrupt != 0 {
				t.Errorf("%d are corrupt, %v", st.Corrupt, err)
			}
			if _, _, err := confirm(t, s, old); !errors.Is(err, store.ErrChanged) {
				t.Errorf("the old one once more: %v", err)
			}
		})
	}
}

// The value is not sent.
func TestStore_Confirm_sendsNoValue(t *testing.T) {
	srv := redistest.Start(t, nil)
	s := strings(dialWith(t, &redisstore.Dialer{MaxDisconnected: -1, Timeout: patience}, to(srv)), "p:")
	received := func() int {
		t.Helper()
		info, err := srv.Info("stats")
		n, convErr := strconv.Atoi(info["total_net_input_bytes"])
		if err := errors.Join(err, convErr); err != nil {
			t.Fatal(err)
		}
		return n
	}
	const size = 1_000_000
	for name, do := range map[string]func(store.Entry[string]) error{
		"Confirm": func(e store.Entry[string]) error { _, _, err := confirm(t, s, e); return err },
		"Replace": func(e store.Entry[string]) error { _, _, err := s.Replace(t.Context(), "k", e.Version, e); return err },
	} {
		old := put(t, s, store.Entry[string]{Value: stdstrings.Repeat("v", size), LoadedAt: 1})
		before := received()
		if err := do(old); err != nil {
			t.Fatal(err)
		}
		if n := received() - before; n > size == (name == "Confirm") {
			t.Errorf("%s sent %d bytes", name, n)
		}
	}
}

// What was changed, taken back or is held is not confirmed, or not so.
func TestStore_Confirm_changed(t *testing.T) {
	s, p := open(t)
	peer := strings(dial(t, to(server(t))), p)
	e := store.Entry[string]{Value: "v", LoadedAt: 1, Tags: []string{"t"}}
	for name, change := range map[string]func() error{
		"Delete":         func() error { return peer.Delete(t.Context(), "k") },
		"Set":            func() error { return peer.Set(t.Context(), "k", e) },
		"MarkStale":      func() error { return peer.MarkStale(t.Context(), "k") },
		"InvalidateTags": func() error { return peer.InvalidateTags(t.Context(), "t") },
		"Clear":          func() error { return peer.Clear(t.Context()) },
	} {
		old := put(t, s, e)
		if err := change(); err != nil {
			t.Fatal(err)
		}
		before, wasErr := s.Get(t.Context(), "k")
		if kept, _, err := confirm(t, s, old); !errors.Is(err, store.ErrChanged) {
			t.Errorf("after %s: %+v, %v", name, kept, err)
		}
		if now, err := s.Get(t.Context(), "k"); now.Version != before.Version || !errors.Is(err, wasErr) {
			t.Errorf("after %s there is %+v, %v; before it %+v, %v", name, now, err, before, wasErr)
		}
	}
	if err := s.DeleteHolding(t.Context(), store.Hold{For: time.Minute}, "k"); err != nil {
		t.Fatal(err)
	}
	old := put(t, s, e)
	if kept, _, err := confirm(t, s, old); err != nil || kept.ExpiresAt.Until() > time.Minute {
		t.Errorf("under a hold it lives for %v, %v", kept.ExpiresAt.Until(), err)
	}
	old = put(t, s, e)
	over := old
	over.ExpiresAt = 1
	if _, _, err := s.Confirm(t.Context(), "k", old, over); err != nil {
		t.Error(err)
	}
	if _, err := s.Get(t.Context(), "k"); !errors.Is(err, store.ErrNotFound) {
		t.Errorf("when it is over: %v", err)
	}
}

// It is notified to others, and its own watcher is notified of the next change.
func TestStore_Confirm_notifies(t *testing.T) {
	p, c := prefix(), dial(t, to(server(t)))
	a, b := strings(c, p), strings(c, p)
	old := put(t, a, store.Entry[string]{Value: "v", LoadedAt: 1})
	if _, err := b.Get(ctx, "k"); err != nil {
		t.Fatal(err)
	}
	own, others := watch(t, a), watch(t, b)
	if _, watched, err := confirm(t, a, old); err != nil || !watched {
		t.Fatalf("watched %v, %v", watched, err)
	}
	others.wait(t, "k")
	if err := strings(dial(t, to(server(t))), p).Delete(ctx, "k"); err != nil {
		t.Fatal(err)
	}
	own.wait(t, "k")
}
