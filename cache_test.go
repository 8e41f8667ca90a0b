package strata_test

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/lokroom/strata"
	"github.com/lokroom/strata/internal/redistest"
	"github.com/lokroom/strata/layered"
	"github.com/lokroom/strata/store"
)

type listing struct {
	ID    int64
	Title string
}

// A repo is a source that counts its loads.
type repo struct {
	loads atomic.Int64
	err   error
}

func (r *repo) ByID(_ context.Context, id int64) (listing, error) {
	r.loads.Add(1)
	switch {
	case r.err != nil:
		return listing{}, r.err
	case id < 0:
		return listing{}, fmt.Errorf("listing %d: %w", id, store.ErrNotFound)
	}
	return listing{ID: id, Title: fmt.Sprint("listing ", id)}, nil
}

func backend(t testing.TB, c *strata.Config) *strata.Backend {
	t.Helper()
	b, err := strata.Open(t.Context(), c)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { b.Close() })
	return b
}

func listings(t testing.TB, b *strata.Backend, r *repo, o *strata.Options[int64, listing]) *strata.Cache[int64, listing] {
	t.Helper()
	c, err := strata.New(b, "listing", r.ByID, o)
	if err != nil {
		t.Fatal(err)
	}
	return c
}

func engines(t *testing.T, f func(t *testing.T, c *strata.Config)) {
	for _, e := range []strata.Engine{strata.Otter, strata.Ristretto} {
		t.Run(e.String(), func(t *testing.T) { f(t, &strata.Config{Engine: e}) })
	}
	t.Run("no L1", func(t *testing.T) { f(t, &strata.Config{Memory: -1}) })
}

func TestCache_L1Only(t *testing.T) {
	engines(t, func(t *testing.T, cfg *strata.Config) {
		var r repo
		c := listings(t, backend(t, cfg), &r, nil)
		ctx := t.Context()
		l, err := c.Get(ctx, 42)
		if err != nil || l.Title != "listing 42" {
			t.Fatalf("Get = %+v, %v", l, err)
		}
		if cfg.Memory < 0 {
			return // nothing is kept
		}
		e, err := c.GetEntry(ctx, 42)
		if err != nil || e.Value != l || e.Tier != layered.L1 || r.loads.Load() != 1 {
			t.Errorf("GetEntry = %+v, %v after %d loads, want it from L1 after one", e, err, r.loads.Load())
		}
		if err := c.Set(ctx, 42, listing{ID: 42, Title: "new"}); err != nil {
			t.Fatal(err)
		}
		if l, err = c.Get(ctx, 42); err != nil || l.Title != "new" {
			t.Errorf("after Set: %+v, %v", l, err)
		}
		if err := c.Delete(ctx, 42, 43); err != nil {
			t.Fatal(err)
		}
		if l, err = c.Get(ctx, 42); err != nil || l.Title != "listing 42" {
			t.Errorf("after Delete: %+v, %v", l, err)
		}
		if err := c.Clear(ctx); err != nil {
			t.Fatal(err)
		}
		if l, err = c.Get(ctx, 42); err != nil || r.loads.Load() != 3 {
			t.Errorf("after Clear: %+v, %v, %d loads, want a third", l, err, r.loads.Load())
		}
		for range 2 {
			if _, err := c.Get(ctx, -1); !errors.Is(err, store.ErrNotFound) {
				t.Errorf("absent: %v", err)
			}
		}
		if r.loads.Load() != 4 {
			t.Errorf("%d loads, want the absent one remembered", r.loads.Load())
		}
		if st := c.Stats(); st.L1Hits != 3 || st.Loads != 4 {
			t.Errorf("Stats = %+v, want 3 L1 hits and 4 loads", st)
		}
	})
}

func TestCache_errorOfTheLoaderComesBackAsItIs(t *testing.T) {
	r := &repo{err: errors.New("the database is down")}
	c := listings(t, backend(t, nil), r, nil)
	if _, err := c.Get(t.Context(), 1); err != r.err {
		t.Errorf("Get: %v, want %v itself", err, r.err)
	}
}

func TestCache_GetMany(t *testing.T) {
	for name, many := range map[string]bool{"LoadMany": true, "one by one": false} {
		t.Run(name, func(t *testing.T) {
			var r repo
			var batches atomic.Int64
			o := &strata.Options[int64, listing]{}
			if many {
				o.LoadMany = func(ctx context.Context, ids []int64) (map[int64]listing, error) {
					batches.Add(1)
					found := map[int64]listing{}
					for _, id := range ids {
						if l, err := r.ByID(ctx, id); err == nil {
							found[id] = l
						}
					}
					return found, nil
				}
			}
			c := listings(t, backend(t, nil), &r, o)
			ctx := t.Context()
			c.Get(ctx, 1)
			for range 2 {
				ls, err := c.GetMany(ctx, []int64{1, 2, -3, 4, 2})
				if err != nil || len(ls) != 3 || ls[1].ID != 1 || ls[2].ID != 2 || ls[4].ID != 4 {
					t.Errorf("GetMany = %v, %v", ls, err)
				}
			}
			if r.loads.Load() != 4 {
				t.Errorf("%d loads of 4 ids", r.loads.Load())
			}
			if many && batches.Load() != 1 {
				t.Errorf("%d batches, want 1", batches.Load())
			}
		})
	}
}

func TestCache_GetMany_partial(t *testing.T) {
	cause := errors.New("bad row")
	c, err := strata.New(backend(t, nil), "x", func(_ context.Context, id int) (int, error) {
		switch id {
		case 3:
			return 0, cause
		case 4:
			panic(cause)
		case 5:
			return 0, store.ErrNotFound
		}
		return id, nil
	}, nil)
	if err != nil {
		t.Fatal(err)
	}
	vs, err := c.GetMany(t.Context(), []int{1, 2, 3, 4, 5})
	if len(vs) != 2 || vs[1] != 1 || vs[2] != 2 || !errors.Is(err, cause) {
		t.Errorf("GetMany = %v, %v: want what could be loaded, and the error", vs, err)
	}
	for _, id := range []string{"3:", "4:"} {
		if !strings.Contains(err.Error(), id) {
			t.Errorf("the error does not name id %s: %v", id, err)
		}
	}
	if e, err := c.GetEntry(t.Context(), 5); !errors.Is(err, store.ErrNotFound) || e.Tier != layered.L1 {
		t.Errorf("an absent id beside failures was not remembered: %+v, %v", e, err)
	}
}

// Failures are reported by id, by any kind of loader; the other values are returned.
func TestCache_GetMany_errorsByID(t *testing.T) {
	odd, down := errors.New("odd"), errors.New("down")
	var all error
	c, err := strata.New(backend(t, nil), "x", nil, &strata.Options[int, int]{
		LoadMany: func(_ context.Context, ids []int) (map[int]int, error) {
			return map[int]int{1: 1}, errors.Join(all, store.NewManyError(map[int]error{3: odd}))
		},
	})
	if err != nil {
		t.Fatal(err)
	}
	all = down // the loader cannot know which of them exist
	vs, err := c.GetMany(t.Context(), []int{1, 2, 3})
	var many *strata.ManyError[int]
	if !errors.As(err, &many) || len(vs) != 1 || !errors.Is(many.Errors[2], down) || many.Errors[1] != nil {
		t.Errorf("got %v, %v", vs, err)
	}
	c, err = strata.New(backend(t, nil), "x", nil, &strata.Options[int, int]{
		LoadMany: func(_ context.Context, ids []int) (map[int]int, error) {
			return map[int]int{1: 1}, store.NewManyError(map[int]error{3: odd})
		},
	})
	if err != nil {
		t.Fatal(err)
	}
	vs, err = c.GetMany(t.Context(), []int{1, 2, 3})
	if !errors.As(err, &many) || len(vs) != 1 || len(many.Errors) != 1 || many.Errors[3] != odd || err.Error() != "3: odd" {
		t.Errorf("got %v, %v", vs, err)
	}
	if _, err := c.Get(t.Context(), 3); err != odd {
		t.Errorf("Get of one that fails: %v", err)
	}
	if e, err := c.GetEntry(t.Context(), 2); !errors.Is(err, store.ErrNotFound) || !e.Absent || e.Tier != layered.L1 {
		t.Errorf("what is in neither map was not remembered as absent: %+v, %v", e, err)
	}
}

// Default is called for each failed id with its error.
func TestCache_GetMany_defaultByID(t *testing.T) {
	odd, down := errors.New("odd"), errors.New("down")
	c, err := strata.New(backend(t, nil), "x", nil, &strata.Options[int, int]{
		LoadMany: func(context.Context, []int) (map[int]int, error) {
			return map[int]int{1: 1}, store.NewManyError(map[int]error{2: odd, 3: down})
		},
		Default: func(id int, err error) (int, bool) { return -id, errors.Is(err, odd) },
	})
	if err != nil {
		t.Fatal(err)
	}
	es, err := c.GetManyEntries(t.Context(), []int{1, 2, 3, 4})
	if e := es[2]; e.Value != -2 || !e.Stale || e.Tier != layered.Default || !errors.Is(e.Cause, odd) {
		t.Errorf("2 is %+v", e)
	}
	if of := store.ByKey[int](err); len(es) != 3 || !es[4].Absent || !errors.Is(of(3), down) || of(2) != nil {
		t.Errorf("got %v, %v", es, err)
	}
}

func TestCache_GetManyEntries(t *testing.T) {
	for name, cfg := range redisOrNot(t) {
		t.Run(name, func(t *testing.T) {
			r := &repo{}
			c := listings(t, backend(t, cfg), r, nil)
			if _, err := c.Get(t.Context(), 1); err != nil {
				t.Fatal(err)
			}
			es, err := c.GetManyEntries(t.Context(), []int64{1, 2, -3})
			if err != nil || len(es) != 3 {
				t.Fatalf("got %v, %v", es, err)
			}
			tier := layered.L1
			if name == "L2 alone" {
				tier = layered.L2
			}
			if e := es[1]; e.Value.ID != 1 || e.Tier != tier || e.LoadedAt == 0 || e.ExpiresAt == 0 {
				t.Errorf("1 is %+v", e)
			}
			if e := es[2]; e.Value.ID != 2 || e.Tier != layered.Origin || e.Absent {
				t.Errorf("2 is %+v", e)
			}
			if e := es[-3]; !e.Absent || e.Value.ID != 0 {
				t.Errorf("-3 is %+v", e)
			}
		})
	}
}

// redisOrNot are L1 alone, L2 alone and both.
func redisOrNot(t *testing.T) map[string]*strata.Config {
	t.Helper()
	url := redistest.Start(t, nil).URL()
	return map[string]*strata.Config{
		"L1 alone": nil,
		"L2 alone": {RedisURL: url, Memory: -1, Prefix: "a:"},
		"both":     {RedisURL: url, Prefix: "b:"},
	}
}

func TestCache_SetMany(t *testing.T) {
	for name, cfg := range redisOrNot(t) {
		t.Run(name, func(t *testing.T) {
			r := &repo{}
			c := listings(t, backend(t, cfg), r, &strata.Options[int64, listing]{
				TTLOf: func(id int64, _ listing) time.Duration {
					if id == 3 {
						return -1
					}
					return 0
				},
			})
			err := c.SetMany(t.Context(), map[int64]listing{1: {ID: 1, Title: "one"}, 2: {ID: 2, Title: "two"}, 3: {ID: 3}})
			if err != nil {
				t.Fatal(err)
			}
			vs, err := c.GetMany(t.Context(), []int64{1, 2, 3})
			if err != nil || vs[1].Title != "one" || vs[2].Title != "two" || vs[3].Title != "listing 3" || r.loads.Load() != 1 {
				t.Errorf("got %v, %v, after %d loads", vs, err, r.loads.Load())
			}
			if err := c.Delete(t.Context(), 1, 2, 3); err != nil {
				t.Fatal(err)
			}
			if vs, err := c.GetMany(t.Context(), []int64{1, 2}); err != nil || vs[1].Title != "listing 1" || vs[2].Title != "listing 2" {
				t.Errorf("after Delete: %v, %v", vs, err)
			}
			if err := c.SetMany(t.Context(), nil); err != nil {
				t.Errorf("of none: %v", err)
			}
		})
	}
}

// A picky is an id that has a key only if it is not empty.
type picky struct{ s string }

func (p picky) MarshalText() ([]byte, error) {
	if p.s == "" {
		return nil, errors.New("nothing")
	}
	return []byte(p.s), nil
}

// An id without a key does not prevent the answers for the others.
func TestCache_many_invalidIDs(t *testing.T) {
	c, err := strata.New(backend(t, nil), "x", func(_ context.Context, id picky) (int, error) { return len(id.s), nil }, nil)
	if err != nil {
		t.Fatal(err)
	}
	none, a, bb := picky{}, picky{"a"}, picky{"bb"}
	vs, err := c.GetMany(t.Context(), []picky{none, a, bb, none})
	var many *strata.ManyError[picky]
	if len(vs) != 2 || vs[a] != 1 || vs[bb] != 2 || !errors.As(err, &many) || len(many.Errors) != 1 || many.Errors[none] == nil {
		t.Errorf("GetMany = %v, %v", vs, err)
	}
	err = c.SetMany(t.Context(), map[picky]int{none: 0, a: 5})
	if !errors.As(err, &many) || len(many.Errors) != 1 || many.Errors[none] == nil {
		t.Errorf("SetMany: %v", err)
	}
	if v, err := c.Get(t.Context(), a); v != 5 || err != nil {
		t.Errorf("beside an id without a key: %d, %v", v, err)
	}
}

func TestCache_LoadManyAlone(t *testing.T) {
	c, err := strata.New(backend(t, nil), "x", nil, &strata.Options[int, string]{
		LoadMany: func(_ context.Context, ids []int) (map[int]string, error) { return map[int]string{1: "one"}, nil },
	})
	if err != nil {
		t.Fatal(err)
	}
	if v, err := c.Get(t.Context(), 1); v != "one" || err != nil {
		t.Errorf("Get(1) = %q, %v", v, err)
	}
	if _, err := c.Get(t.Context(), 2); !errors.Is(err, store.ErrNotFound) {
		t.Errorf("Get(2): %v, want ErrNotFound", err)
	}
}

func TestCache_withoutLoader(t *testing.T) {
	c, err := strata.New[string, int](backend(t, nil), "x", nil, nil)
	if err != nil {
		t.Fatal(err)
	}
	ctx := t.Context()
	if _, err := c.Get(ctx, "a"); err != store.ErrNotFound {
		t.Errorf("Get: %v, want ErrNotFound", err)
	}
	c.Set(ctx, "a", 1)
	if v, err := c.Get(ctx, "a"); v != 1 || err != nil {
		t.Errorf("Get after Set = %d, %v", v, err)
	}
	if vs, err := c.GetMany(ctx, []string{"a", "b"}); len(vs) != 1 || err != nil {
		t.Errorf("GetMany = %v, %v", vs, err)
	}
}

func TestOptions_ttls(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b, err := strata.Open(t.Context(), nil)
		if err != nil {
			t.Fatal(err)
		}
		defer b.Close()
		var r repo
		c := listings(t, b, &r, &strata.Options[int64, listing]{
			TTL:    time.Minute,
			TTLOf:  func(id int64, _ listing) time.Duration { return map[int64]time.Duration{1: time.Hour, 2: -1}[id] },
			Jitter: -1, AbsentFor: time.Second, StaleFor: time.Minute,
		})
		get := func(id int64) strata.Entry[listing] {
			e, _ := c.GetEntry(t.Context(), id)
			return e
		}
		for id, want := range map[int64]time.Duration{0: time.Minute, 1: time.Hour} {
			if e := get(id); time.Duration(e.StaleAt-e.LoadedAt)*time.Millisecond != want || e.ExpiresAt.Sub(e.StaleAt) != time.Minute {
				t.Errorf("%d: fresh for %v, stale for %v", id, e.StaleAt.Sub(e.LoadedAt), e.ExpiresAt.Sub(e.StaleAt))
			}
		}
		get(2)
		if e := get(2); e.Tier != layered.Origin {
			t.Errorf("a value with a negative TTL was kept in %v", e.Tier)
		}
		time.Sleep(30 * time.Second)
		if e := get(0); e.Age != 30*time.Second || e.Tier != layered.L1 {
			t.Errorf("Age %v from %v, want 30s from L1", e.Age, e.Tier)
		}
		time.Sleep(30 * time.Second)
		r.err = errors.New("down")
		if e := get(0); !e.Stale || e.Cause != r.err || e.Value.Title != "listing 0" {
			t.Errorf("with the source down: %+v, want the stale value and the cause", e)
		}
		time.Sleep(time.Minute)
		if _, err := c.Get(t.Context(), 0); err != r.err {
			t.Errorf("past StaleFor: %v", err)
		}
	})
}

type (
	slug string
	num  uint16
	pair struct{ a, b int }
	bad  [2]int
)

func (p pair) MarshalText() ([]byte, error) {
	if p.a < 0 {
		return nil, errors.New("negative")
	}
	return fmt.Appendf(nil, "%d-%d", p.a, p.b), nil
}

func testID[K comparable](t *testing.T, b *strata.Backend, ids map[string]K) {
	t.Helper()
	c, err := strata.New[K, int](b, fmt.Sprintf("%T", *new(K)), nil, nil)
	if err != nil {
		t.Fatal(err)
	}
	for key, id := range ids {
		if err := c.Set(t.Context(), id, 1); err != nil {
			t.Errorf("%T: %v", id, err)
		}
		if ok, err := c.Tiers().Exists(t.Context(), key); !ok || err != nil {
			t.Errorf("%T %v is not under %q: %v", id, id, key, err)
		}
	}
}

func TestNew_ids(t *testing.T) {
	b := backend(t, nil)
	testID(t, b, map[string]string{"": "", "a:b": "a:b", "\x00\xff": "\x00\xff"})
	testID(t, b, map[string]slug{"x": "x"})
	testID(t, b, map[string]int{"-7": -7})
	testID(t, b, map[string]int64{"9223372036854775807": 1<<63 - 1})
	testID(t, b, map[string]int8{"-128": -128})
	testID(t, b, map[string]num{"65535": 65535})
	testID(t, b, map[string]uint64{"18446744073709551615": 1<<64 - 1})
	testID(t, b, map[string]pair{"1-2": {1, 2}})
	testID(t, b, map[string]time.Month{"12": time.December})

	if _, err := strata.New[bad, int](b, "bad", nil, nil); err == nil || !strings.Contains(err.Error(), "MarshalText") {
		t.Errorf("an id that cannot be a key: %v", err)
	}
	c, err := strata.New[pair, int](b, "pair", nil, nil)
	if err != nil {
		t.Fatal(err)
	}
	p, err := strata.New[*pair, int](b, "pointer", nil, nil)
	if err != nil {
		t.Fatal(err)
	}
	ctx := t.Context()
	for op, err := range map[string]error{
		"Get":      second(c.Get(ctx, pair{-1, 0})),
		"Peek":     second(c.Peek(ctx, pair{-1, 0})),
		"Text":     second(c.Text(pair{-1, 0})),
		"GetEntry": second(c.GetEntry(ctx, pair{-1, 0})),
		"GetMany":  second(c.GetMany(ctx, []pair{{-1, 0}})),
		"Set":      c.Set(ctx, pair{-1, 0}, 1),
		"Delete":   c.Delete(ctx, pair{-1, 0}),
		"nil":      second(p.Get(ctx, nil)),
	} {
		if !errors.Is(err, store.ErrInvalidKey) || op != "nil" && !strings.Contains(err.Error(), `"pair"`) {
			t.Errorf("%s with an id that has no text: %v, want ErrInvalidKey and the name of the cache", op, err)
		}
	}
}

func second[T any](_ T, err error) error { return err }

func TestNew_nameIsUnique(t *testing.T) {
	b := backend(t, nil)
	var r repo
	c := listings(t, b, &r, nil)
	if _, err := strata.New(b, "listing", r.ByID, nil); err == nil {
		t.Error("two caches of one name")
	}
	c.Close()
	c = listings(t, b, &r, nil) // a closed one frees its name
	if c.Name() != "listing" {
		t.Errorf("Name = %q", c.Name())
	}
	if _, err := strata.New(b, "", r.ByID, nil); err == nil {
		t.Error("a cache without a name")
	}
	if _, err := strata.New(b, "y", r.ByID, &strata.Options[int64, listing]{TTL: -1, Jitter: 2}); err == nil ||
		!strings.Contains(err.Error(), "TTL") || !strings.Contains(err.Error(), "jitter") {
		t.Errorf("mistakes in the options: %v, want both named", err)
	}
	if _, err := strata.New(b, "y", r.ByID, nil); err != nil {
		t.Errorf("a failed New kept the name: %v", err)
	}
}

func TestBackend_Close(t *testing.T) {
	b := backend(t, nil)
	var r repo
	c := listings(t, b, &r, nil)
	c.Get(t.Context(), 1)
	for range 2 {
		if err := b.Close(); err != nil {
			t.Errorf("Close: %v", err)
		}
	}
	_, err := c.Get(t.Context(), 1)
	_, err2 := strata.New(b, "other", r.ByID, nil)
	for op, err := range map[string]error{"Get": err, "New": err2, "Ping": b.Ping(t.Context()), "Set": c.Set(t.Context(), 1, listing{})} {
		if !errors.Is(err, store.ErrClosed) {
			t.Errorf("%s after Close: %v, want ErrClosed", op, err)
		}
	}
}

func TestAlloc_hit(t *testing.T) {
	engines(t, func(t *testing.T, cfg *strata.Config) {
		if cfg.Memory < 0 {
			return
		}
		b := backend(t, cfg)
		ctx := t.Context()
		byInt, err := strata.New(b, "int", func(context.Context, int64) (listing, error) { return listing{}, nil }, nil)
		if err != nil {
			t.Fatal(err)
		}
		byName, err := strata.New(b, "string", func(context.Context, string) (listing, error) { return listing{}, nil }, nil)
		if err != nil {
			t.Fatal(err)
		}
		bySlug, err := strata.New(b, "slug", func(context.Context, slug) (listing, error) { return listing{}, nil }, nil)
		if err != nil {
			t.Fatal(err)
		}
		for name, tc := range map[string]struct {
			get  func()
			most float64
		}{
			"int64":        {func() { byInt.Get(ctx, 1<<40) }, 1},
			"string":       {func() { byName.Get(ctx, "some name") }, 0},
			"named string": {func() { bySlug.Get(ctx, "some slug") }, 1},
		} {
			tc.get()
			if n := testing.AllocsPerRun(1000, tc.get); n > tc.most {
				t.Errorf("a hit by %s id: %v allocations, want at most %v", name, n, tc.most)
			}
		}
	})
}
