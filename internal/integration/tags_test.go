package integration_test

import (
	"context"
	"errors"
	"fmt"
	"testing"
	"time"

	"github.com/lokroom/strata/internal/redistest"
	"github.com/lokroom/strata/layered"
	"github.com/lokroom/strata/store"
)

// tagged is a loader that returns v with tags.
func tagged(v int, tags ...string) layered.Loader[int] {
	return func(context.Context, string) (store.Entry[int], error) {
		return store.Entry[int]{Value: v, Tags: tags}, nil
	}
}

// invalidations are the ways to invalidate values with the tag t.
var invalidations = map[string]func(context.Context, *house) error{
	"InvalidateTags": func(ctx context.Context, h *house) error { return h.InvalidateTags(ctx, "t", "other") },
	"Clear":          func(ctx context.Context, h *house) error { return h.Clear(ctx) },
	"every tag":      invalidatesEvery,
}

// tooMany are more tags than the retry queue holds.
var tooMany = func() (tags []string) {
	for i := range 100_001 {
		tags = append(tags, fmt.Sprint("other ", i))
	}
	return tags
}()

// invalidatesEvery does what a full retry queue does after the invalidation of t and of
// tooMany.
func invalidatesEvery(ctx context.Context, h *house) error {
	h.local.Invalidate("t")
	h.tags.InvalidateSoon(tooMany...)
	ctx, cancel := context.WithTimeout(ctx, time.Second)
	defer cancel()
	return h.tags.Flush(ctx)
}

// eachInvalidation runs a test for both, with two houses on a separate server.
func eachInvalidation(t *testing.T, build builder, test func(t *testing.T, server *redistest.Server, a, b *house, invalidate func(*house) error)) {
	server := redistest.Start(t, nil)
	for name, f := range invalidations {
		t.Run(name, func(t *testing.T) {
			if _, err := server.Do("FLUSHALL"); err != nil {
				t.Fatal(err)
			}
			test(t, server, build(t, server, nil), build(t, server, nil), func(h *house) error { return f(t.Context(), h) })
		})
	}
}

// An invalidated value is not read again: by strict reads at once in all processes, from L1
// at once in the invalidating process, and in others after the invalidation has arrived.
func TestTags_invalidated(t *testing.T) { inBothModes(t, tagsInvalidated) }

func tagsInvalidated(t *testing.T, build builder) {
	eachInvalidation(t, build, func(t *testing.T, server *redistest.Server, a, b *house, invalidate func(*house) error) {
		for v := range 15 {
			want(t, a, tagged(v, "t"), v, layered.Origin)
			want(t, b, tagged(-1), v, layered.L2)
			for _, h := range []*house{a, b} { // which may still receive the last one
				redistest.WaitFor(t, "it to be in L1", func() bool {
					f, err := h.Find(t.Context(), "k", layered.Source[int]{Load: tagged(-1)})
					return err == nil && f.Value == v && f.Tier == layered.L1
				})
			}
			if err := invalidate(b); err != nil {
				t.Fatal(err)
			}
			if e, ok := b.Local(t.Context(), "k"); ok {
				t.Fatalf("who took it back still has %d", e.Value)
			}
			if f, err := a.FindFresh(t.Context(), "k", layered.Source[int]{Load: tagged(v+1, "t")}); err != nil || f.Value != v+1 {
				t.Fatalf("a strict read returned %d from %v, %v", f.Value, f.Tier, err)
			}
			if m, err := store.GetMap(t.Context(), b, []string{"k"}); err != nil || m["k"].Value != v+1 {
				t.Fatalf("GetMany returned %v, %v", m, err)
			}
			if err := invalidate(b); err != nil {
				t.Fatal(err)
			}
			redistest.WaitFor(t, "L1 elsewhere to hear", func() bool { _, ok := a.Local(t.Context(), "k"); return !ok })
			if e, err := a.Get(t.Context(), "k"); err == nil {
				t.Fatalf("Get found %d", e.Value)
			}
			if ok, err := b.Exists(t.Context(), "k"); ok || err != nil {
				t.Fatalf("it exists: %v, %v", ok, err)
			}
		}
	})
}

// Values without the tag stay, also in L1.
func TestTags_othersStay(t *testing.T) {
	server := redistest.Start(t, nil)
	a, b := build(t, server, nil), build(t, server, nil)
	want(t, a, tagged(1, "u", "v"), 1, layered.Origin)
	if err := b.InvalidateTags(t.Context(), "t"); err != nil {
		t.Fatal(err)
	}
	want(t, a, tagged(2), 1, layered.L1)
	want(t, b, tagged(2), 1, layered.L2)
	if err := b.InvalidateTags(t.Context(), "v"); err != nil {
		t.Fatal(err)
	}
	want(t, b, tagged(2), 2, layered.Origin)
}

// R6: the tags of a value are known only after the load. A value invalidated during its
// load is not kept, and later callers do not get it.
func TestTags_loadIsOvertaken(t *testing.T) { inBothModes(t, tagsLoadIsOvertaken) }

func tagsLoadIsOvertaken(t *testing.T, build builder) {
	eachInvalidation(t, build, func(t *testing.T, server *redistest.Server, a, b *house, invalidate func(*house) error) {
		read, done := make(chan int), make(chan struct{})
		v := 1
		load := func(context.Context, string) (store.Entry[int], error) {
			e := store.Entry[int]{Value: v, Tags: []string{"t"}}
			if e.Value == 1 {
				read <- e.Value
				<-done
			}
			return e, nil
		}
		ask := func() <-chan int {
			answer := make(chan int, 1)
			go func() {
				f, err := a.Find(t.Context(), "k", layered.Source[int]{Load: load})
				if err != nil {
					t.Error(err)
				}
				answer <- f.Value
			}()
			return answer
		}
		leader := ask()
		<-read
		v = 2
		if err := invalidate(b); err != nil {
			t.Fatal(err)
		}
		joiner := ask()
		redistest.WaitFor(t, "the second to join, to wait for the lease, or to load", func() bool { c := a.Counts(); return c.Shared+c.Waits > 0 || c.Loads > 1 })
		close(done)
		if got := <-leader; got != 1 {
			t.Errorf("who began before got %d", got)
		}
		if got := <-joiner; got != 2 {
			t.Errorf("who came after got %d", got)
		}
		want(t, b, tagged(9), 2, layered.L2)
		if f, err := a.Find(t.Context(), "k", layered.Source[int]{Load: tagged(9)}); err != nil || f.Value != 2 {
			t.Errorf("then got %d, %v", f.Value, err)
		}
	})
}

// R12: the eviction of a tag, of the record of Clear, or of the clock does not bring back
// invalidated values.
func TestTags_eviction(t *testing.T) { inBothModes(t, tagsEviction) }

func tagsEviction(t *testing.T, build builder) {
	eachInvalidation(t, build, func(t *testing.T, server *redistest.Server, a, b *house, invalidate func(*house) error) {
		for v := range 10 {
			for _, evict := range [][]any{{"DEL", "!h:t:t", "!h:c:h:", "!h:every"}, {"DEL", "!h:clock"}, {"DEL", "!h:t:t", "!h:c:h:", "!h:every", "!h:clock"}} {
				want(t, a, tagged(v, "t"), v, layered.Origin)
				if err := invalidate(b); err != nil {
					t.Fatal(err)
				}
				if n, err := server.Do(evict...); n == int64(0) || err != nil {
					t.Fatalf("%v: %v, %v", evict, n, err)
				}
				if f, err := b.FindFresh(t.Context(), "k", layered.Source[int]{Load: tagged(-v-2, "t")}); err != nil || f.Value != -v-2 {
					t.Fatalf("after %v got %d from %v, %v", evict, f.Value, f.Tier, err)
				}
				// Values loaded then are kept.
				redistest.WaitFor(t, "values to be kept again", func() bool {
					f, err := a.FindFresh(t.Context(), "k", layered.Source[int]{Load: tagged(7, "t")})
					return err == nil && f.Tier == layered.L2
				})
				if err := a.Delete(t.Context(), "k"); err != nil {
					t.Fatal(err)
				}
			}
		}
	})
}

// Foreign bytes under the key of a tag count as an evicted tag.
func TestTags_garbage(t *testing.T) {
	server := redistest.Start(t, nil)
	a := build(t, server, nil)
	for _, set := range [][]any{{"SET", "!h:t:t", "garbage"}, {"RPUSH", "!h:t:t", "x"}, {"SET", "!h:clock", "x"}, {"RPUSH", "!h:clock", "x"}, {"RPUSH", "!h:c:h:", "x"}, {"RPUSH", "!h:every", "x"}} {
		want(t, a, tagged(1, "t"), 1, layered.Origin)
		server.Do("DEL", set[1])
		if _, err := server.Do(set...); err != nil {
			t.Fatal(err)
		}
		redistest.WaitFor(t, fmt.Sprintf("values to be kept again after %v", set), func() bool {
			if _, err := a.FindFresh(t.Context(), "k", layered.Source[int]{Load: tagged(2, "t")}); err != nil {
				t.Fatal(err)
			}
			f, err := a.FindFresh(t.Context(), "k", layered.Source[int]{Load: tagged(2, "t")})
			return err == nil && f.Tier == layered.L2
		})
		if err := a.InvalidateTags(t.Context(), "t"); err != nil {
			t.Errorf("after %v: %v", set, err)
		}
	}
}

// A link that drops invalidations does not let L1 serve invalidated values for longer than
// MaxDisconnected. (InvalidateTags pushes nothing to L1, which reads the tags.)
func TestTags_disconnected(t *testing.T) {
	eachInvalidation(t, build, func(t *testing.T, server *redistest.Server, a, b *house, invalidate func(*house) error) {
		want(t, a, tagged(1, "t"), 1, layered.Origin)
		a.link.HoleReplies(true)
		defer a.link.HoleReplies(false)
		if err := invalidate(b); err != nil {
			t.Fatal(err)
		}
		if _, ok := a.Local(t.Context(), "k"); !ok {
			t.Fatal("it has heard: there is nothing to show")
		}
		redistest.WaitFor(t, "L1 to stop", func() bool { _, ok := a.Local(t.Context(), "k"); return !ok })
		a.link.HoleReplies(false)
		redistest.WaitFor(t, "the link to come back", func() bool {
			f, err := a.Find(t.Context(), "k", layered.Source[int]{Load: tagged(2, "t")})
			if err == nil && f.Value == 1 {
				t.Fatalf("got the old value from %v", f.Tier)
			}
			return err == nil && f.Tier == layered.L1 && f.Epoch != 0
		})
	})
}

// While Redis is unreachable, this process finds no invalidated value, neither in memory
// nor in Redis, and Redis receives the invalidation when it is reachable.
func TestTags_redisAway(t *testing.T) {
	eachInvalidation(t, build, func(t *testing.T, server *redistest.Server, a, b *house, invalidate func(*house) error) {
		v := 1
		load := func(context.Context, string) (store.Entry[int], error) {
			return store.Entry[int]{Value: v, Tags: []string{"t"}}, nil
		}
		want(t, a, load, 1, layered.Origin)
		want(t, b, load, 1, layered.L2)
		a.link.Refuse(true)
		a.link.Cut()
		redistest.WaitFor(t, "the loss", func() bool { _, ok := a.Local(t.Context(), "k"); return !ok })
		for range 2 { // a value loaded now is kept in L1 for a moment; it is invalidated as well
			want(t, a, load, v, layered.Origin)
			v++
			if err := invalidate(a); !errors.Is(err, store.ErrUnavailable) {
				t.Fatalf("without Redis it returned %v", err)
			}
		}
		want(t, a, load, v, layered.Origin)
		a.link.Refuse(false)
		redistest.WaitFor(t, "the other to hear", func() bool {
			f, err := a.Find(t.Context(), "k", layered.Source[int]{Load: load})
			if err != nil || f.Value != v {
				t.Fatalf("got %d from %v, %v", f.Value, f.Tier, err)
			}
			f, err = b.Find(t.Context(), "k", layered.Source[int]{Load: load})
			return err == nil && f.Value == v
		})
	})
}

// Clear and InvalidateTags take two exchanges, for any number of entries.
func TestTags_cost(t *testing.T) {
	eachInvalidation(t, build, func(t *testing.T, server *redistest.Server, a, b *house, invalidate func(*house) error) {
		entries := map[string]store.Entry[int]{}
		for i := range 5000 {
			entries[fmt.Sprint(i)] = store.Entry[int]{Value: i, Tags: []string{"t"}}
		}
		if err := a.SetMany(t.Context(), entries); err != nil {
			t.Fatal(err)
		}
		scans := calls(t, server, "scan")
		for range 2 { // the first call loads the scripts
			before := calls(t, server, "evalsha")
			if err := invalidate(a); err != nil {
				t.Fatal(err)
			}
			if n := calls(t, server, "evalsha") - before; n > 3 {
				t.Errorf("%d scripts ran", n)
			}
		}
		if n := calls(t, server, "scan") - scans; n > 2 { // each client may send one when it checks its rights
			t.Errorf("%d times SCAN", n)
		}
		if m, err := store.GetMap(t.Context(), b, []string{"0", "2500", "4999"}); len(m) != 0 || err != nil {
			t.Errorf("found %v, %v", m, err)
		}
	})
}

// In a cluster a tag may be on another node than the entries that carry it.
func TestTags_cluster(t *testing.T) {
	cluster := redistest.StartCluster(t, 3)
	const unheard = 500 * time.Millisecond
	a, b := buildOn(t, unheard, cluster.Addrs()...), buildOn(t, unheard, cluster.Addrs()...)
	for v := range 200 {
		key, tag := fmt.Sprint("k", v%7), fmt.Sprint("t", v%5)
		f, err := a.Find(t.Context(), key, layered.Source[int]{Load: tagged(v, tag)})
		if err != nil {
			t.Fatal(err)
		}
		old := f.Value
		if err := b.InvalidateTags(t.Context(), tag); err != nil {
			t.Fatal(err)
		}
		f, err = a.FindFresh(t.Context(), key, layered.Source[int]{Load: tagged(-1, tag)})
		if err != nil || f.Value == old && len(f.Tags) > 0 && f.Tags[0] == tag {
			t.Fatalf("%d. got %d with %v from %v, %v", v, f.Value, f.Tags, f.Tier, err)
		}
		if err := b.Delete(t.Context(), key); err != nil {
			t.Fatal(err)
		}
	}
	for v := range 5 {
		want(t, a, tagged(v, "t"), v, layered.Origin)
		if err := b.Clear(t.Context()); err != nil {
			t.Fatal(err)
		}
		if e, ok := a.Local(t.Context(), "k"); ok {
			t.Errorf("after Clear L1 elsewhere has %d", e.Value)
		}
	}
	for v := range 5 { // every tag at once: others may be notified later
		want(t, a, tagged(v, "t"), v, layered.Origin)
		if err := invalidatesEvery(t.Context(), b); err != nil {
			t.Fatal(err)
		}
		if f, err := b.FindFresh(t.Context(), "k", layered.Source[int]{Load: tagged(v+10, "t")}); err != nil || f.Value != v+10 {
			t.Errorf("who invalidated it got %d from %v, %v", f.Value, f.Tier, err)
		}
		redistest.WaitFor(t, "the others to hear", func() bool {
			f, err := a.Find(t.Context(), "k", layered.Source[int]{Load: tagged(-1, "t")})
			return err == nil && f.Value == v+10
		})
		if err := b.Delete(t.Context(), "k"); err != nil {
			t.Fatal(err)
		}
		redistest.WaitFor(t, "L1 elsewhere to hear", func() bool { _, ok := a.Local(t.Context(), "k"); return !ok })
	}
}
