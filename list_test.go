package strata_test

import (
	"context"
	"errors"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"

	"github.com/lokroom/strata"
	"github.com/lokroom/strata/codec"
	"github.com/lokroom/strata/internal/redistest"
	"github.com/lokroom/strata/store"
)

func TestList(t *testing.T) {
	eachBackend(t, func(t *testing.T, b *strata.Backend) {
		ctx := t.Context()
		var mu sync.Mutex
		rows, finds, batches := map[int]string{1: "one", 2: "two", 3: "three"}, 0, 0
		down := false
		numbers, err := strata.New(b, "number", nil, &strata.Options[int, string]{
			LoadMany: func(_ context.Context, ids []int) (map[int]string, error) {
				mu.Lock()
				defer mu.Unlock()
				batches++
				if down {
					return nil, errDown
				}
				found := make(map[int]string)
				for _, id := range ids {
					if v, ok := rows[id]; ok {
						found[id] = v
					}
				}
				return found, nil
			},
		})
		if err != nil {
			t.Fatal(err)
		}
		list, err := strata.NewList(numbers, "numbers from", func(_ context.Context, least int) (ids []int, err error) {
			mu.Lock()
			defer mu.Unlock()
			finds++
			for id := 3; id >= least; id-- {
				ids = append(ids, id)
			}
			return ids, nil
		}, nil)
		if err != nil {
			t.Fatal(err)
		}
		want := func(least int, want ...string) {
			t.Helper()
			if got, err := list.Get(ctx, least); !slices.Equal(got, want) || err != nil {
				t.Errorf("from %d: %v, %v; want %v", least, got, err, want)
			}
		}
		want(2, "three", "two")
		want(4)
		redistest.WaitFor(t, "the lists to be cached", func() bool { // Ristretto writes in the background
			a, aerr := list.IDs().Has(ctx, 2)
			b, berr := list.IDs().Has(ctx, 4)
			two, terr := numbers.Has(ctx, 2)
			three, eerr := numbers.Has(ctx, 3)
			return a && b && two && three && errors.Join(aerr, berr, terr, eerr) == nil
		})
		before := finds
		want(2, "three", "two")
		want(4)
		if finds != before || batches != 1 {
			t.Errorf("%d queries of cached lists, %d batches", finds-before, batches)
		}
		delete(rows, 3)
		if err := numbers.Delete(ctx, 3); err != nil {
			t.Fatal(err)
		}
		want(2, "two") // the list is as it was, the value is gone
		if err := list.Delete(ctx, 2); err != nil {
			t.Fatal(err)
		}
		want(2, "two")
		if finds != before+1 {
			t.Errorf("%d queries after Delete", finds-before)
		}
		down = true
		got, err := list.Get(ctx, 1) // 1 was never read
		var many *strata.ManyError[int]
		if !slices.Equal(got, []string{"two"}) || !errors.As(err, &many) || !errors.Is(many.Errors[1], errDown) {
			t.Errorf("with a failing source: %v, %v", got, err)
		}
	})
}

func TestNewList_refused(t *testing.T) {
	c, err := strata.New[int, string](backend(t, nil), "c", nil, nil)
	if err != nil {
		t.Fatal(err)
	}
	find := func(context.Context, int) ([]int, error) { return nil, nil }
	if _, err := strata.NewList[int](c, "l", nil, nil); err == nil || !strings.Contains(err.Error(), "find is required") {
		t.Errorf("without find: %v", err)
	}
	if _, err := strata.NewList[int, int, string](nil, "l", find, nil); err == nil || !strings.Contains(err.Error(), "the cache is nil") {
		t.Errorf("without a cache: %v", err)
	}
	if _, err := strata.NewList(c, "c", find, nil); err == nil {
		t.Error("the name of another cache was accepted")
	}
}

// A record of what Hooks were called with.
type hookLog struct {
	mu   sync.Mutex
	seen []string
}

func (l *hookLog) add(what ...string) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.seen = append(l.seen, strings.Join(what, " "))
}

func (l *hookLog) has(t *testing.T, what string) {
	t.Helper()
	redistest.WaitFor(t, what, func() bool {
		l.mu.Lock()
		defer l.mu.Unlock()
		return slices.Contains(l.seen, what)
	})
}

func (l *hookLog) hooks() strata.Hooks {
	done := func(_ context.Context, op store.Op, _ store.Result) { l.add(op.Store, op.Cache, op.Name, op.Key) }
	return strata.Hooks{Loaded: done, RedisDone: done, Changed: func(cache string, keys []string) {
		if l.add("changed", cache, strings.Join(keys, ",")); keys == nil {
			l.add("changed", cache, "all")
		}
	}}
}

func TestConfig_Hooks(t *testing.T) {
	server := redistest.Start(t, nil)
	for name, c := range map[string]strata.Config{"memory": {}, "Redis": {RedisURL: server.URL()}} {
		t.Run(name, func(t *testing.T) {
			log, observed, other := &hookLog{}, &opLog{names: make(map[string]bool)}, &hookLog{}
			c.Hooks, c.Observer = log.hooks(), observed
			theirs := c
			theirs.Hooks, theirs.Observer = other.hooks(), nil
			mine, their := backend(t, &c), backend(t, &theirs)
			var caches []*strata.Cache[string, string]
			for _, b := range []*strata.Backend{mine, their} {
				x, err := strata.New(b, "c", (&counting{}).load, nil)
				if err != nil {
					t.Fatal(err)
				}
				caches = append(caches, x)
				reads(t, x, t.Context(), "k", "1", "1")
			}
			if err := errors.Join(caches[0].Set(t.Context(), "k", "new"), caches[0].Clear(t.Context())); err != nil {
				t.Fatal(err)
			}
			log.has(t, "source c load k")
			log.has(t, "changed c k")
			log.has(t, "changed c all")
			if observed.mu.Lock(); !observed.names["source c load"] {
				t.Errorf("the Observer saw %v", observed.names)
			}
			observed.mu.Unlock()
			if name == "Redis" {
				log.has(t, "redis c get k")
				other.has(t, "changed c k")
			}
		})
	}
}

// TestConfig_Hooks_panics: a hook that panics does not end the operation.
func TestConfig_Hooks_panics(t *testing.T) {
	c, err := strata.New(backend(t, &strata.Config{Hooks: strata.Hooks{
		Loaded:  func(context.Context, store.Op, store.Result) { panic("loaded") },
		Changed: func(string, []string) { panic("changed") },
	}}), "c", (&counting{}).load, nil)
	if err != nil {
		t.Fatal(err)
	}
	reads(t, c, t.Context(), "k", "1")
	if err := c.Set(t.Context(), "k", "v"); err != nil {
		t.Error(err)
	}
}

// A unencodable is a codec that encodes nothing.
type unencodable struct{ codec.Codec[string] }

func (unencodable) Append([]byte, string) ([]byte, error) { return nil, store.ErrUnstorable }

// TestConfig_Hooks_memory: RedisDone is not called for what stays in this process, of which the
// Observer is notified: a value that cannot be kept in memory, and waits for a load.
func TestConfig_Hooks_memory(t *testing.T) {
	log, observed := &hookLog{}, &opLog{names: make(map[string]bool)}
	b := backend(t, &strata.Config{Hooks: log.hooks(), Observer: observed})
	src := newHeld()
	src.v.Store(7)
	c, err := strata.New(b, "c", func(ctx context.Context, id int) (string, error) {
		v, err := src.load(ctx, id)
		return strconv.FormatInt(v, 10), err
	}, &strata.Options[int, string]{DecodeEach: true, Codec: unencodable{codec.JSON[string]()}})
	if err != nil {
		t.Fatal(err)
	}
	var readers sync.WaitGroup
	for range 2 {
		readers.Go(func() {
			if v, err := c.Get(t.Context(), 1); v != "7" || err != nil {
				t.Errorf("%q, %v", v, err)
			}
		})
	}
	<-src.here
	redistest.WaitFor(t, "the second reader", func() bool { return c.Stats().Shared == 1 })
	src.letGo <- struct{}{}
	readers.Wait()
	observed.mu.Lock()
	defer observed.mu.Unlock()
	for _, op := range []string{"layered c fill", "layered c wait", "source c load"} {
		if !observed.names[op] {
			t.Errorf("the Observer saw %v, want %s", observed.names, op)
		}
	}
	log.mu.Lock()
	defer log.mu.Unlock()
	for _, op := range log.seen {
		if strings.HasPrefix(op, "layered") {
			t.Errorf("a hook was called for %q", op)
		}
	}
}
