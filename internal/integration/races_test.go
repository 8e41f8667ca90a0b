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

// R9: an invalidated value is never returned again, even if the source fails. A stale value
// that was not invalidated is.
func TestFailSafe_notWhatWasInvalidated(t *testing.T) {
	server := redistest.Start(t, nil)
	o := &layered.Options[int]{RetryAfter: -1, AbsentFor: -1}
	errBroken := errors.New("broken")
	broken := func(context.Context, string) (store.Entry[int], error) { return store.Entry[int]{}, errBroken }
	stale := store.Entry[int]{Value: 1, Tags: []string{"t"}, StaleAt: store.In(time.Millisecond), ExpiresAt: store.In(time.Hour)}
	for name, invalidate := range map[string]func(*house) error{
		"Delete":         func(h *house) error { return h.Delete(t.Context(), "k") },
		"InvalidateTags": func(h *house) error { return h.InvalidateTags(t.Context(), "t") },
		"Clear":          func(h *house) error { return h.Clear(t.Context()) },
		"BeginWrite":     func(h *house) error { _, err := h.BeginWrite(t.Context(), time.Hour, "k"); return err },
	} {
		for _, here := range []bool{true, false} {
			if _, err := server.Do("FLUSHALL"); err != nil {
				t.Fatal(err)
			}
			a, b := build(t, server, o), build(t, server, o)
			if err := b.Set(t.Context(), "k", stale); err != nil {
				t.Fatal(err)
			}
			redistest.WaitFor(t, "the value to be stale", func() bool {
				f, err := a.Find(t.Context(), "k", layered.Source[int]{Load: broken})
				return err == nil && f.Value == 1 && f.Stale && errors.Is(f.Cause, errBroken)
			})
			who := a
			if !here {
				who = b
			}
			if err := invalidate(who); err != nil {
				t.Fatal(err)
			}
			if f, err := a.FindFresh(t.Context(), "k", layered.Source[int]{Load: broken}); !errors.Is(err, errBroken) {
				t.Errorf("%s, in the same process %v: got %d from %v, %v", name, here, f.Value, f.Tier, err)
			}
		}
	}
}

// R11: the clocks of two machines are never compared. A server with a wrong clock, or one
// that is set while it runs, affects neither TTLs nor guarantees.
func TestClock_serverIsWrong(t *testing.T) {
	server := redistest.Start(t, &redistest.Options{OwnClock: true})
	a, b := build(t, server, nil), build(t, server, nil)
	v := 1
	for _, ahead := range []time.Duration{time.Hour, -time.Hour, 0, 3 * time.Hour, -24 * time.Hour} {
		if err := server.SetClock(ahead); err != nil {
			t.Fatal(err)
		}
		// Until the next heartbeat a process assumes another time, and considers the
		// entries expired.
		redistest.WaitFor(t, "both to know the time", func() bool {
			for _, h := range []*house{a, b} {
				if err := h.Delete(t.Context(), "k"); err != nil {
					t.Fatal(err)
				}
				want(t, h, tagged(v, "t"), v, layered.Origin)
				for _, h := range []*house{a, b} {
					if f, err := h.FindFresh(t.Context(), "k", layered.Source[int]{}); err != nil || f.Value != v || f.ExpiresAt.Until() > 6*time.Minute {
						return false
					}
				}
			}
			return true
		})
		if err := a.Delete(t.Context(), "k"); err != nil {
			t.Fatal(err)
		}
		for range 20 {
			want(t, a, tagged(v, "t"), v, layered.Origin)
			f, err := b.FindFresh(t.Context(), "k", layered.Source[int]{Load: tagged(-1)})
			if err != nil || f.Value != v || f.ExpiresAt.Until() > 6*time.Minute {
				t.Fatalf("%v ahead: got %d for %v, %v", ahead, f.Value, f.ExpiresAt.Until(), err)
			}
			v++
			if v%2 == 0 {
				err = b.Delete(t.Context(), "k")
			} else {
				err = b.InvalidateTags(t.Context(), "t")
			}
			if err != nil {
				t.Fatal(err)
			}
			redistest.WaitFor(t, "the change to be notified", func() bool { _, ok := a.Local(t.Context(), "k"); return !ok })
		}
	}
}

// A lease of a crashed holder does not last longer if the clock of the server is set back.
func TestClock_setBackUnderALease(t *testing.T) {
	server := redistest.Start(t, &redistest.Options{OwnClock: true})
	o := &layered.Options[int]{Lease: time.Minute}
	a, b := build(t, server, o), build(t, server, o)
	row := &source{v: 1}
	answer := begin(t, a, row)
	a.link.Refuse(true) // it cannot renew, nor release
	a.link.Cut()
	if err := server.SetClock(-time.Hour); err != nil {
		t.Fatal(err)
	}
	f, err := b.Find(t.Context(), "k", layered.Source[int]{Load: now(2)})
	if err != nil || f.Value != 2 || f.Tier != layered.Origin || f.Version == 0 {
		t.Errorf("got %d from %v, version %d, %v; want it loaded, and kept in Redis", f.Value, f.Tier, f.Version, err)
	}
	close(row.done)
	<-answer
	// From L1 or, once a heartbeat has detected the other time, from Redis.
	if f, err := b.Find(t.Context(), "k", layered.Source[int]{Load: now(3)}); err != nil || f.Value != 2 {
		t.Errorf("then: got %d from %v, %v; want 2", f.Value, f.Tier, err)
	}
}

// A value read just when the clock was set forward would be kept in L1 too long. Therefore
// every copy is revalidated when a heartbeat detects it.
func TestClock_setForwardWhileReading(t *testing.T) {
	server := redistest.Start(t, &redistest.Options{OwnClock: true})
	a := build(t, server, nil)
	want(t, a, now(1), 1, layered.Origin)
	lost := a.Counts().Lost
	if err := server.SetClock(time.Minute); err != nil {
		t.Fatal(err)
	}
	redistest.WaitFor(t, "the copies to be in doubt", func() bool { return a.Counts().Lost > lost })
	redistest.WaitFor(t, "the copy to be confirmed", func() bool {
		f, err := a.Find(t.Context(), "k", layered.Source[int]{Load: now(1)})
		return err == nil && f.Tier == layered.L1 && f.ExpiresAt.Until() < 4*time.Minute+30*time.Second
	})
}

// R15: a Delete that timed out and runs later costs a load at most. Its invalidation is
// pushed to the same process as well, which would otherwise serve values changed by others
// after it.
func TestRetryQueue_lateDelete(t *testing.T) {
	server := redistest.Start(t, nil)
	a, b := build(t, server, nil), build(t, server, nil)
	for v := 1; v < 4; v++ {
		if _, err := a.Find(t.Context(), "k", layered.Source[int]{Load: now(v)}); err != nil {
			t.Fatal(err)
		}
		if err := server.Pause(); err != nil { // commands sent now run later
			t.Fatal(err)
		}
		err := a.Delete(t.Context(), "k")
		if rerr := server.Resume(); rerr != nil {
			t.Fatal(rerr)
		}
		if !errors.Is(err, store.ErrUnavailable) {
			t.Fatalf("Delete returned %v", err)
		}
		redistest.WaitFor(t, "the new value in L1 of both", func() bool {
			for _, h := range []*house{a, b} {
				f, err := h.Find(t.Context(), "k", layered.Source[int]{Load: now(10 * v)})
				if err == nil && f.Value != 10*v && h == a {
					t.Fatalf("%d. who deleted it got %d from %v", v, f.Value, f.Tier)
				}
				if err != nil || f.Value != 10*v || f.Tier != layered.L1 || f.Epoch == 0 {
					return false
				}
			}
			return a.Counts().RetryQueue == 0
		})
		if err := b.Set(t.Context(), "k", store.Entry[int]{Value: -v, ExpiresAt: store.In(time.Hour)}); err != nil {
			t.Fatal(err)
		}
		redistest.WaitFor(t, "a to hear of the next change", func() bool {
			f, err := a.Find(t.Context(), "k", layered.Source[int]{})
			return err == nil && f.Value == -v
		})
		if err := b.Delete(t.Context(), "k"); err != nil {
			t.Fatal(err)
		}
		redistest.WaitFor(t, "a to hear of the last", func() bool { _, ok := a.Local(t.Context(), "k"); return !ok })
	}
}
