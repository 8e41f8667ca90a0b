package strata_test

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/lokroom/strata"
	"github.com/lokroom/strata/keys"
	"github.com/lokroom/strata/store"
)

// Fields that a loader sets apply to the entry; for other fields Options apply. It is the
// same for one id and for several.
func TestLoadEntry(t *testing.T) {
	known := map[int]strata.Loaded[string]{
		1: {Value: "as the options say"},
		2: {Value: "short", TTL: time.Minute},
		3: {Value: "not kept", TTL: strata.NoStore},
		4: {Value: "for ever", TTL: store.Forever},
		5: {Value: "tagged", Tags: []string{"a", "b"}, Revision: 7},
		6: {Absent: true},
		7: {Absent: true, TTL: time.Minute, Tags: []string{"a"}},
		8: {Absent: true, TTL: strata.NoStore},
	}
	options := func(asked *int) *strata.Options[int, string] {
		return &strata.Options[int, string]{
			TTL: time.Hour, StaleFor: time.Hour, AbsentFor: 10 * time.Minute, Jitter: -1,
			Tags:       func(_ int, v string) []string { return []string{"all"} },
			RevisionOf: func(int, string) uint64 { return 3 },
			LoadEntry: func(_ context.Context, id int) (strata.Loaded[string], error) {
				*asked++
				l, ok := known[id]
				if !ok {
					return l, store.ErrNotFound
				}
				return l, nil
			},
		}
	}
	many := func(asked *int) *strata.Options[int, string] {
		o := options(asked)
		o.LoadEntry = nil
		o.LoadEntries = func(_ context.Context, ids []int) (map[int]strata.Loaded[string], error) {
			*asked++
			m := map[int]strata.Loaded[string]{}
			for _, id := range ids {
				if l, ok := known[id]; ok {
					m[id] = l
				}
			}
			return m, nil
		}
		return o
	}
	for name, o := range map[string]func(*int) *strata.Options[int, string]{"LoadEntry": options, "LoadEntries": many} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				asked := 0
				b, err := strata.Open(t.Context(), nil)
				if err != nil {
					t.Fatal(err)
				}
				defer b.Close()
				c, err := strata.New(b, "entries", nil, o(&asked))
				if err != nil {
					t.Fatal(err)
				}
				for _, w := range []struct {
					id      int
					fresh   time.Duration // 0: not kept
					stale   time.Duration
					tags    string
					version uint64
				}{
					{1, time.Hour, time.Hour, "all", 3},
					{2, time.Minute, time.Hour, "all", 3},
					{3, 0, 0, "all", 3},
					{4, store.Forever, 0, "all", 3},
					{5, time.Hour, time.Hour, "all a b", 7},
					{6, 10 * time.Minute, 0, "", 0},
					{7, time.Minute, 0, "a", 0},
					{8, 0, 0, "", 0},
					{9, 10 * time.Minute, 0, "", 0},
				} {
					before := asked
					var e strata.Entry[string]
					for range 2 {
						e, err = c.GetEntry(t.Context(), w.id)
						if e.Value != known[w.id].Value || errors.Is(err, store.ErrNotFound) != (w.id > 5) || err != nil && !e.Absent {
							t.Errorf("%d: got %+v, %v", w.id, e, err)
						}
					}
					if kept := asked-before == 1; kept != (w.fresh != 0) {
						t.Errorf("%d was loaded %d times", w.id, asked-before)
					}
					fresh, end := e.StaleAt, e.ExpiresAt
					if fresh == 0 {
						fresh = end
					}
					if w.fresh != 0 && (fresh.Until() != w.fresh || end.Until() != fresh.Until()+w.stale && w.fresh != store.Forever) {
						t.Errorf("%d is fresh for %v and ends in %v", w.id, fresh.Until(), end.Until())
					}
					if strings.Join(e.Tags, " ") != w.tags || e.Revision != w.version {
						t.Errorf("%d has the tags %q and the revision %d", w.id, e.Tags, e.Revision)
					}
				}
				// The tags of an entry apply, also if it is absent.
				before := asked
				if err := b.InvalidateTags(t.Context(), "a"); err != nil {
					t.Fatal(err)
				}
				for _, id := range []int{1, 5, 7} {
					c.GetEntry(t.Context(), id)
				}
				if asked-before != 2 {
					t.Errorf("%d loads after the tag was invalidated", asked-before)
				}
				vs, err := c.GetMany(t.Context(), []int{1, 2, 3, 6, 9})
				if len(vs) != 3 || vs[3] != "not kept" || err != nil {
					t.Errorf("GetMany = %v, %v", vs, err)
				}
			})
		})
	}
}

func TestLoadEntry_failure(t *testing.T) {
	down := errors.New("down")
	c, err := strata.New(backend(t, nil), "entries", nil, &strata.Options[int, string]{
		LoadEntry: func(context.Context, int) (strata.Loaded[string], error) {
			return strata.Loaded[string]{Value: "x"}, down
		},
	})
	if err != nil {
		t.Fatal(err)
	}
	if v, err := c.Get(t.Context(), 1); err != down || v != "" {
		t.Errorf("got %q, %v", v, err)
	}
	if vs, err := c.GetMany(t.Context(), []int{1, 2}); !errors.Is(err, down) || len(vs) != 0 {
		t.Errorf("got %v, %v", vs, err)
	}
}

func TestNew_oneLoader(t *testing.T) {
	load := func(context.Context, int) (string, error) { return "", nil }
	_, err := strata.New(backend(t, nil), "entries", load, &strata.Options[int, string]{
		LoadEntry:   func(context.Context, int) (l strata.Loaded[string], err error) { return },
		LoadMany:    func(context.Context, []int) (m map[int]string, err error) { return },
		LoadEntries: func(context.Context, []int) (m map[int]strata.Loaded[string], err error) { return },
	})
	if err == nil || !strings.Contains(err.Error(), "LoadEntry") || !strings.Contains(err.Error(), "LoadMany and LoadEntries") {
		t.Errorf("got %v", err)
	}
}

// TTLOf may return NoStore, too.
func TestNoStore(t *testing.T) {
	var r repo
	c := listings(t, backend(t, nil), &r, &strata.Options[int64, listing]{
		TTLOf: func(id int64, _ listing) time.Duration {
			if id == 1 {
				return strata.NoStore
			}
			return keys.Long
		},
	})
	for range 3 {
		for id := range int64(2) {
			if l, err := c.Get(t.Context(), id); err != nil || l.ID != id {
				t.Errorf("got %+v, %v", l, err)
			}
		}
	}
	if n := r.loads.Load(); n != 1+3 {
		t.Errorf("%d loads", n)
	}
}

var errDown = errors.New("the database is down")

// If the source fails without a stale value, Default is returned and flagged.
func TestDefault(t *testing.T) {
	engines(t, func(t *testing.T, cfg *strata.Config) {
		r := &repo{err: errDown}
		asked := 0
		c := listings(t, backend(t, cfg), r, &strata.Options[int64, listing]{
			Default: func(id int64, err error) (listing, bool) {
				asked++
				if !errors.Is(err, errDown) {
					t.Errorf("Default was asked because of %v", err)
				}
				return listing{ID: id, Title: "out of order"}, id < 100
			},
		})
		ctx := t.Context()
		for range 3 {
			if l, err := c.Get(ctx, 1); err != nil || l.Title != "out of order" || l.ID != 1 {
				t.Errorf("Get = %+v, %v", l, err)
			}
		}
		if n := r.loads.Load(); n != 1 {
			t.Errorf("the source was asked %d times, though it had failed", n)
		}
		e, err := c.GetEntry(ctx, 1)
		if err != nil || !e.Stale || e.Tier.String() != "default" || !errors.Is(e.Cause, errDown) || e.Age != 0 {
			t.Errorf("GetEntry = %+v, %v", e, err)
		}
		if _, err := c.Get(ctx, 100); !errors.Is(err, errDown) {
			t.Errorf("without a default: %v", err)
		}
		vs, err := c.GetMany(ctx, []int64{1, 2, 2, 3})
		if len(vs) != 3 || err != nil || vs[2].Title != "out of order" {
			t.Errorf("GetMany = %v, %v", vs, err)
		}
		vs, err = c.GetMany(ctx, []int64{2, 100})
		if len(vs) != 1 || !errors.Is(err, errDown) {
			t.Errorf("GetMany = %v, %v", vs, err)
		}
		if _, err := c.GetFresh(ctx, 1); !errors.Is(err, errDown) {
			t.Errorf("GetFresh: %v", err)
		}
		if n := c.Stats().Defaults; int(n) != asked-2 {
			t.Errorf("%d were counted of %d", n, asked-2)
		}
	})
}

// Default is not called for an absent value, nor for a caller that has left, and a stale
// value takes precedence. When the source works again, its value is returned.
func TestDefault_lastResort(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b, err := strata.Open(t.Context(), nil)
		if err != nil {
			t.Fatal(err)
		}
		defer b.Close()
		var failure error
		titles, err := strata.New(b, "titles", func(ctx context.Context, id int) (string, error) {
			if id < 0 {
				return "", store.ErrNotFound
			}
			return fmt.Sprint("title ", id), failure
		}, &strata.Options[int, string]{
			TTL: time.Minute, StaleFor: time.Minute, Jitter: -1, RetryAfter: 10 * time.Second,
			Default: func(int, error) (string, bool) { return "none", true },
		})
		if err != nil {
			t.Fatal(err)
		}
		get := func(id int, want string) {
			t.Helper()
			if v, err := titles.Get(t.Context(), id); v != want || err != nil {
				t.Errorf("got %q, %v; want %q", v, err, want)
			}
		}
		get(1, "title 1")
		time.Sleep(time.Minute)
		failure = errDown
		get(1, "title 1")
		get(2, "none")
		if _, err := titles.Get(t.Context(), -1); !errors.Is(err, store.ErrNotFound) {
			t.Errorf("absent: %v", err)
		}
		gone, leave := context.WithCancel(t.Context())
		leave()
		if _, err := titles.Get(gone, 3); !errors.Is(err, context.Canceled) {
			t.Errorf("who left got %v", err)
		}
		failure = nil
		get(2, "none") // it failed less than 10 seconds ago
		time.Sleep(10 * time.Second)
		get(2, "title 2")
		get(1, "title 1")
		vs, err := titles.GetMany(t.Context(), []int{1, -1})
		if len(vs) != 1 || err != nil {
			t.Errorf("GetMany = %v, %v", vs, err)
		}
	})
}
