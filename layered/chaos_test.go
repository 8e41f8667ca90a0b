package layered_test

import (
	"cmp"
	"context"
	"fmt"
	"math/rand/v2"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/lokroom/strata/layered"
	"github.com/lokroom/strata/store"
	"github.com/lokroom/strata/store/memstore"
)

// A laggy is an L2 with calls that take time, before and after it executes them. The reply
// to a call is lost if the connection is lost before it arrives.
type laggy struct{ *memstore.Shared[int] }

func lag() { time.Sleep(rand.N(3 * time.Millisecond)) }

// lost waits for a reply, and returns an error if it is lost.
func (s laggy) lost(ctx context.Context) error {
	lag()
	_, err := s.Stamp(ctx)
	return err
}

func (s laggy) Get(ctx context.Context, key string) (store.Entry[int], error) {
	lag()
	e, err := s.Shared.Get(ctx, key)
	if lost := s.lost(ctx); lost != nil {
		return store.Entry[int]{}, lost
	}
	return e, err
}

func (s laggy) GetMany(ctx context.Context, ks []string) ([]*store.Entry[int], error) {
	lag()
	es, err := s.Shared.GetMany(ctx, ks)
	if lost := s.lost(ctx); lost != nil {
		return make([]*store.Entry[int], len(ks)), lost
	}
	return es, err
}

func (s laggy) Revalidate(ctx context.Context, key string, e store.Entry[int]) (store.Entry[int], error) {
	lag()
	e, err := s.Shared.Revalidate(ctx, key, e)
	return e, cmp.Or(s.lost(ctx), err)
}

func (s laggy) Lease(ctx context.Context, key string, d time.Duration, not uint64) (store.Grant, error) {
	lag()
	g, err := s.Shared.Lease(ctx, key, d, not)
	if lost := s.lost(ctx); lost != nil {
		return store.Grant{}, lost
	}
	return g, err
}

func (s laggy) LeaseMany(ctx context.Context, ks []string, d time.Duration, not []uint64) ([]store.Grant, error) {
	lag()
	gs, err := s.Shared.LeaseMany(ctx, ks, d, not)
	if lost := s.lost(ctx); lost != nil {
		return make([]store.Grant, len(ks)), lost
	}
	return gs, err
}

func (s laggy) FillLeased(ctx context.Context, key string, lease uint64, e store.Entry[int]) (store.Entry[int], bool, error) {
	lag()
	kept, watched, err := s.Shared.FillLeased(ctx, key, lease, e)
	if lost := s.lost(ctx); lost != nil {
		return store.Entry[int]{}, false, lost
	}
	return kept, watched, err
}

func (s laggy) FillManyLeased(ctx context.Context, fills []store.LeasedFill[int]) []store.Filled[int] {
	lag()
	filled := s.Shared.FillManyLeased(ctx, fills)
	if lost := s.lost(ctx); lost != nil {
		for i := range filled {
			filled[i] = store.Filled[int]{Err: lost}
		}
	}
	return filled
}

// L2 is disconnected half of the time, at any moment, and the source fails half of the time.
// A value that was loaded before is an answer of every read, single or in a batch.
func TestStale_chaos(t *testing.T) {
	for _, retryAfter := range []time.Duration{-1, 0} {
		t.Run(fmt.Sprint("RetryAfter ", retryAfter), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) { staleChaos(t, retryAfter) })
		})
	}
}

func staleChaos(t *testing.T, retryAfter time.Duration) {
	const rows, lasts = 20, 20 * time.Second
	l2 := memstore.NewShared[int](nil)
	defer l2.Close()
	o := &layered.Options[int]{TTL: 50 * time.Millisecond, StaleFor: time.Hour, RetryAfter: retryAfter}
	s := open(t, memstore.New[int](nil), laggy{l2}, o)
	all := make([]string, rows)
	for i := range all {
		all[i] = fmt.Sprint(i)
		mustGet(t, s, all[i], value(i))
	}
	src := layered.Source[int]{Load: func(_ context.Context, key string) (e store.Entry[int], err error) {
		lag()
		if rand.N(2) == 0 {
			return e, errSource
		}
		fmt.Sscan(key, &e.Value)
		return e, nil
	}}
	end := time.Now().Add(lasts)
	var wg sync.WaitGroup
	for range 4 {
		wg.Go(func() {
			for time.Now().Before(end) && !t.Failed() {
				check := func(key string, f *layered.Found[int], err error) {
					if err != nil || fmt.Sprint(f.Value) != key {
						t.Errorf("%s after %v: got %d, %v", key, lasts-time.Until(end), f.Value, err)
					}
				}
				key := all[rand.N(rows)]
				f, err := s.Find(t.Context(), key, src)
				check(key, &f, err)
				ks := make([]string, 5)
				for i := range ks {
					ks[i] = all[rand.N(rows)]
				}
				s.FindMany(t.Context(), ks, src, func(i int, f *layered.Found[int], err error) { check(ks[i], f, err) })
				lag()
			}
		})
	}
	for away := true; time.Now().Before(end); away = !away {
		time.Sleep(rand.N(200 * time.Millisecond))
		if away {
			l2.Disconnect()
		} else {
			l2.Reconnect()
		}
	}
	l2.Reconnect()
	wg.Wait()
	if c := s.Counts(); c.LoadErrors == 0 || c.Suspect == 0 {
		t.Errorf("there was no chaos: %+v", c)
	}
}
