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

// A suspect copy with a tag is returned if neither Redis nor the source can answer, unless
// this process has received or made an invalidation of the tag.
func TestSuspect_tags(t *testing.T) { inBothModes(t, suspectTags) }

func suspectTags(t *testing.T, build builder) {
	ctx := t.Context()
	tagged := func(context.Context, string) (store.Entry[int], error) {
		return store.Entry[int]{Value: 1, Tags: []string{"t"}}, nil
	}
	errSource := errors.New("the source fails")
	failing := func(context.Context, string) (store.Entry[int], error) { return store.Entry[int]{}, errSource }
	inL1 := func(h *house) func() bool {
		return func() bool { _, ok := h.Local(ctx, "k"); return ok }
	}
	for name, c := range map[string]struct {
		before, after func(a, b *house)
		served        bool
	}{
		"nothing": {served: true},
		"notified": {before: func(a, b *house) {
			b.InvalidateTags(ctx, "t")
			redistest.WaitFor(t, "the push", func() bool { return !inL1(a)() })
		}},
		"invalidated":     {before: func(a, b *house) { a.InvalidateTags(ctx, "t") }},
		"while it is off": {after: func(a, b *house) { a.InvalidateTags(ctx, "t") }},
	} {
		t.Run(name, func(t *testing.T) {
			server := redistest.Start(t, nil)
			o := layered.Options[int]{TTL: time.Hour, StaleFor: time.Hour}
			a, b := build(t, server, &o), build(t, server, &o)
			redistest.WaitFor(t, "L1 to have it", func() bool { a.Find(ctx, "k", layered.Source[int]{Load: tagged}); return inL1(a)() })
			if c.before != nil {
				c.before(a, b)
			}
			lost := a.Counts().Lost
			a.link.Refuse(true)
			a.link.Cut()
			redistest.WaitFor(t, "the loss to be noticed", func() bool { return a.Counts().Lost > lost })
			if c.after != nil {
				c.after(a, b)
			}
			f, err := a.Find(ctx, "k", layered.Source[int]{Load: failing})
			switch {
			case c.served && (err != nil || f.Value != 1 || !f.Stale || !errors.Is(f.Cause, errSource)):
				t.Errorf("got %+v, %v", f, err)
			case !c.served && !errors.Is(err, errSource):
				t.Errorf("it was served: %+v, %v", f, err)
			}
			a.link.Refuse(false)
		})
	}
}

// While Redis hangs, few reads wait for it, and none after the breaker has opened.
func TestRedisHangs_breaker(t *testing.T) {
	server := redistest.Start(t, nil)
	var src table
	c := open(t, server.URL(), &src, nil)
	server.Pause()
	defer server.Resume()
	const timeout = time.Second
	read := func(n int) (slow int) {
		for i := range n {
			began := time.Now()
			if _, err := c.GetFresh(t.Context(), i%64); err != nil {
				t.Fatal(err)
			}
			if time.Since(began) >= timeout/2 {
				slow++
			}
		}
		return slow
	}
	before := 0
	for c.Stats().Loads < 20 {
		before += read(1)
	}
	if before == 0 {
		t.Error("no read waited: Redis did not hang")
	}
	// A late one is possible on a busy machine.
	if after := read(640); after > 5 {
		t.Errorf("%d of 640 reads waited though the breaker was open", after)
	}
	t.Logf("%d of 20 reads waited", before)
	if e, err := c.GetEntry(t.Context(), 1); err != nil || e.ExpiresAt.Until() > 2*time.Second {
		t.Errorf("what is loaded then is kept in L1 for %v, %v", e.ExpiresAt.Until(), err)
	}
}
