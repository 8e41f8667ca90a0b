package layered_test

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"math/rand/v2"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/lokroom/strata/layered"
	"github.com/lokroom/strata/store"
	"github.com/lokroom/strata/store/memstore"
)

type batches struct {
	mu    sync.Mutex
	calls [][]string
}

// load loads n for keys like "n", and takes a second.
func (b *batches) load(_ context.Context, ks []string) (map[string]store.Entry[int], error) {
	ks = slices.Sorted(slices.Values(ks))
	b.mu.Lock()
	b.calls = append(b.calls, ks)
	b.mu.Unlock()
	time.Sleep(time.Second)
	found := map[string]store.Entry[int]{}
	for _, key := range ks {
		if len(key) == 1 { // others are absent
			found[key] = store.Entry[int]{Value: int(key[0] - '0')}
		}
	}
	return found, nil
}

func valuesOf(found map[string]store.Entry[int]) string {
	var sb strings.Builder
	for _, key := range slices.Sorted(maps.Keys(found)) {
		e := found[key]
		sb.WriteString(key + "=")
		if e.Absent {
			sb.WriteString("absent ")
		} else {
			sb.WriteString(string(rune('0'+e.Value)) + " ")
		}
	}
	return strings.TrimSpace(sb.String())
}

func TestGetManyOrLoad(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s, first, second := tiers(t, nil)
		var b batches
		ctx := t.Context()
		mustGet(t, s, "1", value(1)) // in L1
		second.Store.Set(ctx, "2", store.Entry[int]{Value: 2})
		found, err := s.GetManyOrLoad(ctx, []string{"3", "1", "2", "none", "3", "1"}, b.load)
		if got := valuesOf(found); err != nil || got != "1=1 2=2 3=3 none=absent" {
			t.Errorf("got %s, %v", got, err)
		}
		if len(b.calls) != 1 || strings.Join(b.calls[0], " ") != "3 none" {
			t.Errorf("loaded %v, want one batch of what no tier had", b.calls)
		}
		// Everything is in both tiers now.
		for range 2 {
			found, err = s.GetManyOrLoad(ctx, []string{"1", "2", "3", "none"}, b.load)
			if got := valuesOf(found); err != nil || got != "1=1 2=2 3=3 none=absent" || len(b.calls) != 1 {
				t.Errorf("second time: %s, %v, %d loads", got, err, len(b.calls))
			}
			first.Clear(ctx)
		}
		if found, err = store.GetMap(ctx, s, []string{"3", "none", "never"}); valuesOf(found) != "3=3 none=absent" || err != nil {
			t.Errorf("GetMany: %s, %v", valuesOf(found), err)
		}
		s.Close()
	})
}

func TestGetManyOrLoad_overlappingCallsShareLoads(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s, _, _ := tiers(t, nil)
		var b batches
		var wg sync.WaitGroup
		get := func(ks ...string) {
			wg.Go(func() {
				found, err := s.GetManyOrLoad(t.Context(), ks, b.load)
				if err != nil || len(found) != len(ks) {
					t.Errorf("GetMany(%v) = %v, %v", ks, found, err)
				}
			})
			synctest.Wait()
		}
		get("1", "2")
		get("2", "3")
		wg.Go(func() {
			if v := mustGet(t, s, "3", mustNotLoad(t)); v != 3 {
				t.Errorf("a single Get joined a batch and got %d", v)
			}
		})
		synctest.Wait()
		wg.Go(func() { mustGet(t, s, "4", slow(time.Second, 4)) })
		synctest.Wait()
		get("3", "4")
		wg.Wait()
		if len(b.calls) != 2 || b.calls[0][0] != "1" || strings.Join(b.calls[1], " ") != "3" {
			t.Errorf("loaded %v, want [1 2] and [3]: every key once", b.calls)
		}
		s.Close()
	})
}

func TestGetManyOrLoad_failures(t *testing.T) {
	partial := func(context.Context, []string) (map[string]store.Entry[int], error) {
		return map[string]store.Entry[int]{"1": {Value: 1}, "2": {Absent: true}}, errSource
	}
	s, _, _ := tiers(t, nil)
	found, err := s.GetManyOrLoad(t.Context(), []string{"1", "2", "3", "4"}, partial)
	if got := valuesOf(found); got != "1=1 2=absent" || !errors.Is(err, errSource) {
		t.Errorf("got %s, %v: want what was loaded, and the error", got, err)
	}
	if n := strings.Count(err.Error(), errSource.Error()); n != 1 {
		t.Errorf("the error says the same %d times: %v", n, err)
	}
	_, err = s.GetManyOrLoad(t.Context(), []string{"5", "6"}, func(context.Context, []string) (map[string]store.Entry[int], error) { panic(errSource) })
	if !errors.Is(err, errSource) {
		t.Errorf("panic: got %v", err)
	}
}

func TestGetManyOrLoad_staleWhereTheSourceFails(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s, _, _ := tiers(t, &layered.Options[int]{TTL: time.Minute, StaleFor: time.Hour})
		mustGet(t, s, "1", value(1))
		time.Sleep(time.Minute)
		found, err := s.GetManyOrLoad(t.Context(), []string{"1", "2"}, func(context.Context, []string) (map[string]store.Entry[int], error) {
			return nil, errSource
		})
		if got := valuesOf(found); got != "1=1" || !errors.Is(err, errSource) {
			t.Errorf("got %s, %v: want the stale 1, and the error for 2", got, err)
		}
		s.Close()
	})
}

func TestGetManyOrLoad_cancelledWhenNobodyWaits(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s, _, _ := tiers(t, nil)
		ctx, cancel := context.WithCancel(t.Context())
		var cause error
		load := func(ctx context.Context, _ []string) (map[string]store.Entry[int], error) {
			<-ctx.Done()
			cause = ctx.Err()
			return nil, cause
		}
		done := make(chan error)
		go func() {
			_, err := s.GetManyOrLoad(ctx, []string{"1", "2"}, load)
			done <- err
		}()
		synctest.Wait()
		// One who wants only one of the keys keeps the batch going.
		other, leave := context.WithCancel(t.Context())
		go s.GetOrLoad(other, "2", mustNotLoad(t))
		synctest.Wait()
		cancel()
		if err := <-done; !errors.Is(err, context.Canceled) {
			t.Errorf("got %v, want the caller's cancellation", err)
		}
		synctest.Wait()
		if cause != nil {
			t.Error("the batch was cancelled though somebody waits for one of its keys")
		}
		leave()
		synctest.Wait()
		if cause == nil {
			t.Error("the batch was not cancelled though nobody waits")
		}
		s.Close()
	})
}

// A loader may say which keys failed, and why; the others it has not returned are absent.
func TestGetManyOrLoad_errorsByKey(t *testing.T) {
	odd := errors.New("odd")
	byKey := func(context.Context, []string) (map[string]store.Entry[int], error) {
		return map[string]store.Entry[int]{"1": {Value: 1}}, store.NewManyError(map[string]error{"3": odd, "4": store.ErrNotFound})
	}
	for name, second := range map[string]store.Store[int]{"L1 alone": nil, "two tiers": memstore.New[int](nil)} {
		s := open(t, memstore.New[int](nil), second, nil)
		found, err := s.GetManyOrLoad(t.Context(), []string{"1", "2", "3", "4"}, byKey)
		if got := valuesOf(found); got != "1=1 2=absent 4=absent" {
			t.Errorf("%s: got %s", name, got)
		}
		if of := store.ByKey[string](err); of("3") != odd || of("2") != nil || of("4") != nil {
			t.Errorf("%s: the error is %v", name, err)
		}
		if _, err := s.GetOrLoad(t.Context(), "2", mustNotLoad(t)); !errors.Is(err, store.ErrNotFound) {
			t.Errorf("%s: what is absent was not remembered: %v", name, err)
		}
	}
}

// What is stale in L1 is served where that is the only tier and the source fails.
func TestGetManyOrLoad_staleInL1Alone(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := open(t, memstore.New[int](nil), nil, &layered.Options[int]{TTL: time.Minute, StaleFor: time.Hour})
		defer s.Close()
		mustGet(t, s, "1", value(1))
		time.Sleep(time.Minute)
		var got []string
		s.FindMany(t.Context(), []string{"1", "2"}, layered.Source[int]{LoadMany: func(context.Context, []string) (map[string]store.Entry[int], error) {
			return nil, errSource
		}}, func(i int, f *layered.Found[int], err error) {
			got = append(got, fmt.Sprint(i, f.Value, f.Tier, f.Stale, f.Cause == errSource, err == errSource))
		})
		slices.Sort(got)
		if want := []string{"0 1 L1 true true false", "1 0 source false false true"}; !slices.Equal(got, want) {
			t.Errorf("got %q, want %q", got, want)
		}
	})
}

func TestFindMany(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s, _, second := tiers(t, nil)
		defer s.Close()
		ctx := t.Context()
		mustGet(t, s, "1", value(1))
		second.Store.Set(ctx, "2", store.Entry[int]{Value: 2})
		var b batches
		find := func(find func(context.Context, []string, layered.Source[int], func(int, *layered.Found[int], error)), load layered.ManyLoader[int], ks ...string) string {
			got := make([]string, len(ks))
			find(ctx, ks, layered.Source[int]{LoadMany: load}, func(i int, f *layered.Found[int], err error) {
				got[i] += fmt.Sprint(f.Value, " ", f.Tier)
				if err != nil {
					got[i] += fmt.Sprint(" ", f.Absent, " ", err)
				}
			})
			return strings.Join(got, "; ")
		}
		for _, c := range []struct{ got, want string }{
			{find(s.FindMany, nil, "1", "2", "3"), "1 L1; 2 L2; 0 source false not found"},
			{find(s.FindMany, b.load, "3", "1", "none", "3"), "3 source; 1 L1; 0 source true not found; 3 source"},
			{find(s.FindMany, b.load, "3", "2"), "3 L1; 2 L1"},
			{find(s.FindManyFresh, b.load, "3", "1", "3", "4"), "3 L2; 1 L2; 3 L2; 4 source"},
		} {
			if c.got != c.want {
				t.Errorf("got %s; want %s", c.got, c.want)
			}
		}
		if len(b.calls) != 2 {
			t.Errorf("loaded %v", b.calls)
		}
	})
}

// Batches that want each other's keys, in any order, end, and load each key once.
func TestGetManyOrLoad_crossing(t *testing.T) {
	for range 20 {
		synctest.Test(t, func(t *testing.T) {
			s, _, _ := tiers(t, nil)
			defer s.Close()
			var b batches
			var wg sync.WaitGroup
			for range 50 {
				ks := []string{"1", "2", "3", "4", "5", "6", "7", "8", "9"}
				rand.Shuffle(len(ks), func(i, j int) { ks[i], ks[j] = ks[j], ks[i] })
				ks = ks[:1+rand.IntN(len(ks))]
				wg.Go(func() {
					time.Sleep(time.Duration(rand.IntN(2000)) * time.Millisecond) // a load takes a second
					found, err := s.GetManyOrLoad(t.Context(), ks, b.load)
					if err != nil || len(found) != len(ks) {
						t.Errorf("%v: got %s, %v", ks, valuesOf(found), err)
					}
				})
			}
			wg.Wait()
			loads := map[string]int{}
			for _, ks := range b.calls {
				for _, key := range ks {
					loads[key]++
				}
			}
			for key, n := range loads {
				if n != 1 {
					t.Errorf("%s was loaded %d times", key, n)
				}
			}
		})
	}
}

// A batch whose caller leaves while L2 is read goes on for those who have joined it.
func TestGetManyOrLoad_callerLeavesWhileL2IsRead(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s, _, second := tiers(t, nil)
		defer s.Close()
		second.Store.Set(t.Context(), "1", store.Entry[int]{Value: 1})
		ctx, cancel := context.WithCancel(t.Context())
		reads := 0
		second.get = func(_ string, e store.Entry[int], err error) (store.Entry[int], error) {
			if reads++; reads == 1 {
				<-ctx.Done()
				return store.Entry[int]{}, ctx.Err()
			}
			return e, err
		}
		left := make(chan error)
		go func() {
			_, err := s.GetManyOrLoad(ctx, []string{"1"}, nil)
			left <- err
		}()
		synctest.Wait()
		got := make(chan error)
		go func() {
			e, err := s.GetOrLoad(t.Context(), "1", mustNotLoad(t))
			if e.Value != 1 {
				t.Errorf("who stayed got %d", e.Value)
			}
			got <- err
		}()
		synctest.Wait()
		cancel()
		if err := <-left; !errors.Is(err, context.Canceled) {
			t.Errorf("who left got %v", err)
		}
		if err := <-got; err != nil {
			t.Errorf("who stayed got %v", err)
		}
	})
}

// A panic of L2 reaches those who wait, and no further.
func TestGetManyOrLoad_L2Panics(t *testing.T) {
	s, _, second := tiers(t, nil)
	second.get = func(string, store.Entry[int], error) (store.Entry[int], error) { panic(errSource) }
	if _, err := s.GetManyOrLoad(t.Context(), []string{"1", "2"}, nil); !errors.Is(err, errSource) {
		t.Errorf("got %v", err)
	}
}
