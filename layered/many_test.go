package layered_test

import (
	"context"
	"errors"
	"maps"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/lokroom/strata/layered"
	"github.com/lokroom/strata/store"
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
		if found, err = s.GetMany(ctx, []string{"3", "none", "never"}); valuesOf(found) != "3=3 none=absent" || err != nil {
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
