package strata_test

import (
	"context"
	"errors"
	"sync"
	"testing"

	"github.com/lokroom/strata"
	"github.com/lokroom/strata/codec"
	"github.com/lokroom/strata/internal/redistest"
	"github.com/lokroom/strata/store"
)

// A decodeObserver keeps the errors of operations that are codec.ErrCorrupt, by key.
type decodeObserver struct {
	mu   sync.Mutex
	seen map[string]int
}

func (o *decodeObserver) Begin(ctx context.Context, _ store.Op) context.Context { return ctx }

func (o *decodeObserver) End(_ context.Context, op store.Op, r store.Result) {
	if errors.Is(r.Err, codec.ErrCorrupt) {
		o.mu.Lock()
		defer o.mu.Unlock()
		o.seen[op.Name+" "+op.Key]++
	}
}

// take returns the number of errors for decoding key, and resets it.
func (o *decodeObserver) take(key string) int {
	o.mu.Lock()
	defer o.mu.Unlock()
	n := o.seen["decode "+key]
	o.seen = make(map[string]int)
	return n
}

// Bytes in Redis that cannot be decoded are an error for the Observer, in any call, and a
// miss for the caller.
func TestObserver_seesBytesThatCannotBeDecoded(t *testing.T) {
	ctx := t.Context()
	url := redistest.Start(t, nil).URL()
	writer, err := strata.New(backend(t, &strata.Config{RedisURL: url}), "stock", nil, &strata.Options[string, string]{Schema: "fixed"})
	if err != nil {
		t.Fatal(err)
	}
	o := &decodeObserver{seen: make(map[string]int)}
	load := func(context.Context, string) (int, error) { return 5, nil }
	reader, err := strata.New(backend(t, &strata.Config{RedisURL: url, Observer: o}), "stock", load, &strata.Options[string, int]{Schema: "fixed"})
	if err != nil {
		t.Fatal(err)
	}
	for name, read := range map[string]func(id string) (int, error){
		"Get":      func(id string) (int, error) { return reader.Get(ctx, id) },
		"GetEntry": func(id string) (int, error) { e, err := reader.GetEntry(ctx, id); return e.Value, err },
		"GetFresh": func(id string) (int, error) { return reader.GetFresh(ctx, id) },
		"Refresh":  func(id string) (int, error) { return reader.Refresh(ctx, id) },
		"GetMany":  func(id string) (int, error) { m, err := reader.GetMany(ctx, []string{id}); return m[id], err },
		"GetManyEntries": func(id string) (int, error) {
			m, err := reader.GetManyEntries(ctx, []string{id})
			return m[id].Value, err
		},
		"Tiers().Get": func(id string) (int, error) {
			if _, err := reader.Tiers().Get(ctx, id); !errors.Is(err, store.ErrNotFound) {
				t.Errorf("Tiers().Get: error %v, want a miss", err)
			}
			return 5, nil
		},
	} {
		if err := writer.Set(ctx, name, "no number"); err != nil {
			t.Fatal(err)
		}
		if v, err := read(name); v != 5 || err != nil {
			t.Errorf("%s: %d, %v", name, v, err)
		}
		if n := o.take(name); n == 0 {
			t.Errorf("%s: the Observer saw no error", name)
		}
		if v, err := read(name); v != 5 || err != nil {
			t.Errorf("%s, again: %d, %v", name, v, err)
		}
		if n := o.take(name); n != 0 && name != "Tiers().Get" {
			t.Errorf("%s: %d errors after the value was replaced", name, n)
		}
	}
}

// A brokenCodec cannot encode 1, and panics with 2.
type brokenCodec struct{ codec.Codec[map[string]any] }

func (c brokenCodec) Append(dst []byte, v map[string]any) ([]byte, error) {
	switch v["n"] {
	case int64(1):
		return dst, errors.New("is 1")
	case int64(2):
		panic("is 2")
	}
	return c.Codec.Append(dst, v)
}

// With DecodeEach, all callers of a load get the value, even if the codec does not
// round-trip it.
func TestDecodeEach_valuesThatTheCodecDoesNotCarry(t *testing.T) {
	const callers = 5
	for name, value := range map[string]any{"lossy": int(5), "an error": int64(1), "a panic": int64(2)} {
		t.Run(name, func(t *testing.T) {
			places(t, func(t *testing.T, b *strata.Backend) {
				release := make(chan struct{})
				load := func(context.Context, int) (map[string]any, error) {
					<-release
					return map[string]any{"n": value}, nil
				}
				many := func(ctx context.Context, ids []int) (map[int]map[string]any, error) {
					v, err := load(ctx, ids[0])
					return map[int]map[string]any{ids[0]: v}, err
				}
				c, err := strata.New(b, "loose", load, &strata.Options[int, map[string]any]{DecodeEach: true, LoadMany: many,
					Codec: brokenCodec{codec.Msgpack[map[string]any]()}})
				if err != nil {
					t.Fatal(err)
				}
				ctx := t.Context()
				var wg sync.WaitGroup
				for range callers {
					for way, get := range map[string]func() (map[string]any, error){
						"Get":     func() (map[string]any, error) { return c.Get(ctx, 1) },
						"Refresh": func() (map[string]any, error) { return c.Refresh(ctx, 2) },
						"GetMany": func() (map[string]any, error) { m, err := c.GetMany(ctx, []int{3}); return m[3], err },
					} {
						wg.Go(func() {
							if v, err := get(); err != nil || v["n"] != value {
								t.Errorf("%s: %v, %v", way, v, err)
							}
						})
					}
				}
				redistest.WaitFor(t, "callers who wait for loads", func() bool { return c.Stats().Shared >= 2*(callers-1) })
				close(release)
				wg.Wait()
			})
		})
	}
}
