package encodedstore_test

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"testing"
	"time"

	"github.com/lokroom/strata/codec"
	"github.com/lokroom/strata/store"
	"github.com/lokroom/strata/store/encodedstore"
	"github.com/lokroom/strata/store/memstore"
	"github.com/lokroom/strata/store/storetest"
)

func TestConformance(t *testing.T) {
	var inners sync.Map // of each store
	storetest.Run(t, storetest.Harness{
		Open: func(testing.TB) store.Store[storetest.Value] {
			m := memstore.New[[]byte](nil)
			s := encodedstore.New[storetest.Value](m, nil)
			inners.Store(s, m)
			return s
		},
		Close: func(s store.Store[storetest.Value]) {
			m, _ := inners.Load(s)
			m.(*memstore.Store[[]byte]).Close()
		},
		KeepsLoadedAt: true,
		Want: []storetest.Capability{
			storetest.Expirer, storetest.PatternDeleter, storetest.Clearer, storetest.Reporter, storetest.HitSampler,
		},
	})
}

var ctx = context.Background()

// Everything that is known about an entry comes back, and its value is the caller's own.
func TestStore_View(t *testing.T) {
	s := encodedstore.New[map[string]int](memstore.New[[]byte](nil), codec.JSON[map[string]int]())
	in := store.Entry[map[string]int]{
		Value: map[string]int{"a": 1}, ExpiresAt: store.In(time.Hour), StaleAt: store.In(time.Minute), LoadedAt: 1, LoadTime: 1,
		Tags: []string{"t"}, Version: 2, Revision: 3, Stamp: 4, Epoch: 5, RefreshAt: 6,
	}
	if err := s.Set(ctx, "k", in); err != nil {
		t.Fatal(err)
	}
	in.Value["a"] = 2 // by who set it
	for range 2 {
		e, err := s.View(ctx, "k")
		if err != nil || e.Value["a"] != 1 || e.Size != len(`{"a":1}`) {
			t.Fatalf("got %+v, %v", e, err)
		}
		e.Value["a"] = 3 // by who got it
		got := *e
		got.Value, got.Size = nil, 0
		want := in
		want.Value = nil
		if fmt.Sprint(got) != fmt.Sprint(want) {
			t.Errorf("got %+v, want %+v", got, want)
		}
	}
}

func TestStore_corrupt(t *testing.T) {
	m := memstore.New[[]byte](nil)
	s := encodedstore.New[map[string]int](m, nil)
	if err := m.Set(ctx, "k", store.Entry[[]byte]{Value: []byte("no msgpack")}); err != nil {
		t.Fatal(err)
	}
	for range 2 {
		if e, err := s.Get(ctx, "k"); err != store.ErrNotFound {
			t.Errorf("got %+v, %v", e, err)
		}
	}
	st, err := s.Stats(ctx)
	if err != nil || st.Corrupt != 1 || st.Hits != 0 || st.Misses != 2 || st.Entries != 0 || st.Deletes != 0 {
		t.Errorf("Stats returned %+v, %v", st, err)
	}
}

// panicky is a codec that panics for 2.
type panicky struct{ codec.Codec[any] }

func (c panicky) Append(dst []byte, v any) ([]byte, error) {
	if v == 2 {
		panic("not that one")
	}
	return c.Codec.Append(dst, v)
}

func TestStore_Set_cannotEncode(t *testing.T) {
	s := encodedstore.New[any](memstore.New[[]byte](nil), panicky{codec.JSON[any]()})
	if err := s.Set(ctx, "k", store.Entry[any]{Value: "old"}); err != nil {
		t.Fatal(err)
	}
	for _, bad := range []any{func() {}, 2} {
		if err := s.Set(ctx, "k", store.Entry[any]{Value: bad}); !errors.Is(err, encodedstore.ErrCannotEncode) || !errors.Is(err, store.ErrUnstorable) {
			t.Errorf("Set of a %T returned %v", bad, err)
		}
		if e, err := s.Get(ctx, "k"); err != nil || e.Value != "old" {
			t.Errorf("the key has %v, %v", e.Value, err)
		}
	}
}

func ExampleNew() {
	s := encodedstore.New[[]string](memstore.New[[]byte](nil), nil)
	s.Set(ctx, "k", store.Entry[[]string]{Value: []string{"as", "it", "was"}})
	e, _ := s.Get(ctx, "k")
	e.Value[2] = "is not any more"
	e, _ = s.Get(ctx, "k")
	fmt.Println(e.Value)
	// Output: [as it was]
}

func BenchmarkStore_Get(b *testing.B) {
	s := encodedstore.New[storetest.Value](memstore.New[[]byte](nil), nil)
	if err := s.Set(ctx, "k", store.Entry[storetest.Value]{Value: storetest.Value{Text: "some text", Number: 1}}); err != nil {
		b.Fatal(err)
	}
	b.ReportAllocs()
	for b.Loop() {
		if _, err := s.View(ctx, "k"); err != nil {
			b.Fatal(err)
		}
	}
}
