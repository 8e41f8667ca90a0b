package layered_test

// The lease path on the reference store: several layered stores over one memory are what
// several processes over one Redis are, and all time is that of synctest.

import (
	"context"
	"errors"
	"fmt"
	"runtime"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/lokroom/strata/layered"
	"github.com/lokroom/strata/store"
	"github.com/lokroom/strata/store/memstore"
)

// A shared is a client of the memory of a fleet; a test may follow or fail its calls.
type shared struct {
	*memstore.Shared[int]
	get   func(key string) (e store.Entry[int], err error, instead bool)
	lease func(key string) error // before a lease is asked for
	fill  func(key string) error // before a fill
}

func (s *shared) Get(ctx context.Context, key string) (store.Entry[int], error) {
	if s.get != nil {
		if e, err, instead := s.get(key); instead {
			return e, err
		}
	}
	return s.Shared.Get(ctx, key)
}

func (s *shared) GetMany(ctx context.Context, keys []string) ([]*store.Entry[int], error) {
	found, err := s.Shared.GetMany(ctx, keys)
	for i, key := range keys {
		if s.get == nil {
			break
		}
		if _, _, instead := s.get(key); instead {
			found[i] = nil
		}
	}
	return found, err
}

func (s *shared) Lease(ctx context.Context, key string, d time.Duration, not uint64) (store.Grant, error) {
	if s.lease != nil {
		if err := s.lease(key); err != nil {
			return store.Grant{}, err
		}
	}
	return s.Shared.Lease(ctx, key, d, not)
}

func (s *shared) LeaseMany(ctx context.Context, keys []string, d time.Duration, not []uint64) ([]store.Grant, error) {
	grants, failed := make([]store.Grant, len(keys)), map[string]error{}
	for i, key := range keys {
		var err error
		if grants[i], err = s.Lease(ctx, key, d, not[i]); err != nil {
			failed[key] = err
		}
	}
	return grants, store.NewManyError(failed)
}

func (s *shared) FillLeased(ctx context.Context, key string, lease uint64, e store.Entry[int]) (store.Entry[int], bool, error) {
	if s.fill != nil {
		if err := s.fill(key); err != nil {
			return store.Entry[int]{}, false, err
		}
	}
	return s.Shared.FillLeased(ctx, key, lease, e)
}

func (s *shared) FillManyLeased(ctx context.Context, fills []store.LeasedFill[int]) []store.Filled[int] {
	filled := make([]store.Filled[int], len(fills))
	for i, x := range fills {
		filled[i].Entry, filled[i].Watched, filled[i].Err = s.FillLeased(ctx, x.Key, x.Lease, x.Entry)
	}
	return filled
}

// A fleet is several processes over one memory, and a source that they share.
type fleet struct {
	t       *testing.T
	process []*layered.Store[int]
	l2      []*shared
	loads   atomic.Int64
	takes   time.Duration // how long a load takes
	err     error         // what it fails with
	entry   store.Entry[int]
}

// onFleet runs test on a fleet of two processes, in a bubble.
func onFleet(t *testing.T, o layered.Options[int], test func(f *fleet)) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		if o.TTL == 0 {
			o.TTL, o.Jitter = time.Hour, -1
		}
		f := &fleet{t: t, takes: time.Second, entry: store.Entry[int]{Value: 1}}
		memory := memstore.NewShared[int](nil)
		for range 2 {
			l2, own := &shared{Shared: memory.Peer()}, o
			f.l2 = append(f.l2, l2)
			f.process = append(f.process, open(t, memstore.New[int](nil), l2, &own))
		}
		test(f)
	})
}

func (f *fleet) load(ctx context.Context, _ string) (store.Entry[int], error) {
	f.loads.Add(1)
	e, err := f.entry, f.err
	select {
	case <-time.After(f.takes):
		return e, err
	case <-ctx.Done():
		return store.Entry[int]{}, ctx.Err()
	}
}

func (f *fleet) loadMany(ctx context.Context, keys []string) (map[string]store.Entry[int], error) {
	e, err := f.load(ctx, "")
	if err != nil {
		return nil, err
	}
	found := map[string]store.Entry[int]{}
	for _, key := range keys {
		found[key] = e
	}
	return found, nil
}

// read reads "k" in a process, with a batch if many is set.
func (f *fleet) read(process int, many bool) (int, error) {
	ctx := f.t.Context()
	if !many {
		e, err := f.process[process].GetOrLoad(ctx, "k", f.load)
		return e.Value, err
	}
	found, err := f.process[process].GetManyOrLoad(ctx, []string{"k"}, f.loadMany)
	if e, ok := found["k"]; ok {
		return e.Value, nil
	}
	return 0, store.ByKey[string](err)("k")
}

// reads fails unless a process reads want.
func (f *fleet) reads(process int, many bool, want int) {
	f.t.Helper()
	if v, err := f.read(process, many); v != want || err != nil {
		f.t.Errorf("process %d read %d, %v, want %d", process, v, err, want)
	}
}

// loaded fails unless there were so many loads.
func (f *fleet) loaded(want int64) {
	f.t.Helper()
	if n := f.loads.Load(); n != want {
		f.t.Errorf("there were %d loads, want %d", n, want)
	}
}

func (f *fleet) ok(err error) {
	f.t.Helper()
	if err != nil {
		f.t.Fatal(err)
	}
}

// begins has a process read in the background and returns once its load is in flight.
func (f *fleet) begins(process int, many bool) (wait func() (int, error)) {
	var v int
	var err error
	done := make(chan struct{})
	go func() {
		defer close(done)
		v, err = f.read(process, many)
	}()
	synctest.Wait()
	return func() (int, error) {
		<-done
		return v, err
	}
}

// eachWay runs test for reads of one key and for batches.
func eachWay(t *testing.T, o layered.Options[int], test func(f *fleet, many bool)) {
	for _, many := range []bool{false, true} {
		t.Run(fmt.Sprintf("many=%v", many), func(t *testing.T) {
			onFleet(t, o, func(f *fleet) { test(f, many) })
		})
	}
}

func TestLease_oneLoads(t *testing.T) {
	eachWay(t, layered.Options[int]{}, func(f *fleet, many bool) {
		began := time.Now()
		var all sync.WaitGroup
		for process := range f.process {
			all.Go(func() { f.reads(process, many, 1) })
		}
		all.Wait()
		f.loaded(1)
		if took := time.Since(began); took != f.takes {
			f.t.Errorf("the reads took %v, one load takes %v", took, f.takes)
		}
		if n := f.process[0].Counts().Waits + f.process[1].Counts().Waits; n != 1 {
			f.t.Errorf("%d waits are counted", n)
		}
		f.reads(0, many, 1)
		f.reads(1, many, 1)
		f.loaded(1)
	})
}

// A load that takes longer than the lease keeps it.
func TestLease_isRenewed(t *testing.T) {
	eachWay(t, layered.Options[int]{Lease: time.Second}, func(f *fleet, many bool) {
		f.takes = 10 * time.Second
		first := f.begins(0, many)
		f.reads(1, many, 1)
		if v, err := first(); v != 1 || err != nil {
			f.t.Errorf("read %d, %v", v, err)
		}
		f.loaded(1)
	})
}

func TestLease_changeRefusesTheFill(t *testing.T) {
	eachWay(t, layered.Options[int]{}, func(f *fleet, many bool) {
		first := f.begins(0, many)
		f.entry.Value = 2
		f.ok(f.process[1].Delete(f.t.Context(), "k"))
		if v, err := first(); v != 1 || err != nil {
			f.t.Errorf("the read that began before read %d, %v", v, err)
		}
		if n := f.process[0].Counts().Refused; n == 0 {
			f.t.Error("the fill is not counted as refused")
		}
		f.reads(0, many, 2)
		f.reads(1, many, 2)
		f.loaded(2)
	})
}

// A process that has stopped loses its lease, and what it loaded is refused.
func TestLease_ofAStoppedProcess(t *testing.T) {
	eachWay(t, layered.Options[int]{}, func(f *fleet, many bool) {
		f.takes = 20 * time.Second
		first := f.begins(0, many)
		f.l2[0].Disconnect()
		f.takes, f.entry.Value = time.Second, 2
		began := time.Now()
		f.reads(1, many, 2)
		if took := time.Since(began); took < 3*time.Second || took > 5*time.Second {
			f.t.Errorf("the other process had to wait for %v", took)
		}
		f.l2[0].Reconnect()
		_, _ = first()
		f.reads(0, many, 2)
		f.reads(1, many, 2)
		f.loaded(2)
	})
}

// Where there is nothing stale, the next process tries when a load has failed.
func TestLease_failure(t *testing.T) {
	eachWay(t, layered.Options[int]{}, func(f *fleet, many bool) {
		f.err = errSource
		first := f.begins(0, many)
		f.err = nil
		f.reads(1, many, 1)
		if _, err := first(); !errors.Is(err, errSource) {
			f.t.Errorf("the first read returned %v", err)
		}
		f.loaded(2)
	})
}

// Where there is a stale value, no process asks the source again for a while.
func TestLease_backOff(t *testing.T) {
	eachWay(t, layered.Options[int]{TTL: time.Minute, Jitter: -1, StaleFor: time.Hour, RetryAfter: 30 * time.Second}, func(f *fleet, many bool) {
		f.reads(0, many, 1)
		f.reads(1, many, 1)
		time.Sleep(2 * time.Minute)
		f.err = errSource
		first := f.begins(0, many)
		f.reads(1, many, 1) // it waits, and is then backed off
		if v, err := first(); v != 1 || err != nil {
			f.t.Errorf("the process that failed read %d, %v", v, err)
		}
		f.loaded(2)
		if n := f.process[1].Counts().StaleServed; n == 0 {
			f.t.Error("nothing stale is counted as served")
		}
		f.err = nil
		time.Sleep(time.Minute)
		f.entry.Value = 2
		f.reads(1, many, 2)
		f.loaded(3)
	})
}

// A value that L2 cannot store is loaded by each process for itself, and kept in L1.
func TestLease_notStorable(t *testing.T) {
	eachWay(t, layered.Options[int]{}, func(f *fleet, many bool) {
		f.l2[0].Limit(func(string, int) error { return store.ErrTooLarge })
		for range 3 {
			f.reads(0, many, 1)
			f.reads(1, many, 1)
		}
		f.loaded(2)
		if n := f.process[0].Counts().EncodeErrors; n != 1 {
			f.t.Errorf("%d encode errors", n)
		}
		f.entry.Value = 2
		f.ok(f.process[1].Delete(f.t.Context(), "k"))
		f.reads(0, many, 2)
		f.reads(1, many, 2)
		f.loaded(4)
	})
}

// What lives no time is answered, and is not kept.
func TestLease_notKept(t *testing.T) {
	eachWay(t, layered.Options[int]{}, func(f *fleet, many bool) {
		f.entry.ExpiresAt = store.Now()
		f.reads(0, many, 1)
		began := time.Now()
		f.reads(1, many, 1) // the lease was returned
		if took := time.Since(began); took != f.takes {
			f.t.Errorf("the second read took %v", took)
		}
		f.loaded(2)
	})
}

// A load that may have been overtaken by an invalidation of tags is waited for as long as
// an ordinary one, and its value is refused if it carries the tag.
func TestLease_overtaken(t *testing.T) {
	eachWay(t, layered.Options[int]{}, func(f *fleet, many bool) {
		f.entry.Tags, f.takes = []string{"t"}, 20*time.Second
		first := f.begins(0, many)
		f.ok(f.process[1].InvalidateTags(f.t.Context(), "t"))
		f.takes, f.entry.Value = time.Second, 2
		began := time.Now()
		f.reads(1, many, 2)
		if took := time.Since(began); took > 3*time.Second {
			f.t.Errorf("the other process had to wait for %v", took)
		}
		_, _ = first()
		f.reads(0, many, 2)
		f.loaded(2)
	})
}

// What has an invalidated tag in L2 does not keep from loading, nor does an older lease.
func TestLease_invalidatedEntry(t *testing.T) {
	eachWay(t, layered.Options[int]{}, func(f *fleet, many bool) {
		f.entry.Tags = []string{"t"}
		f.reads(0, many, 1)
		f.ok(f.process[1].InvalidateTags(f.t.Context(), "t"))
		f.entry.Value, f.takes = 2, 5*time.Second
		first := f.begins(0, many)
		f.reads(1, many, 2)
		if v, err := first(); v != 2 || err != nil {
			f.t.Errorf("read %d, %v", v, err)
		}
		f.reads(0, many, 2)
		if n := f.loads.Load(); n > 3 {
			f.t.Errorf("there were %d loads", n)
		}
	})
}

// A process waits for another no longer than for a load.
func TestLease_waitEnds(t *testing.T) {
	eachWay(t, layered.Options[int]{LoadTimeout: 10 * time.Second}, func(f *fleet, many bool) {
		g, err := f.l2[0].Shared.Lease(f.t.Context(), "k", time.Hour, 0)
		f.ok(err)
		f.reads(1, many, 1)
		f.loaded(1)
		f.ok(f.l2[0].Shared.Release(f.t.Context(), "k", g.Lease, 0, "")) // it is still valid
		if _, err := f.l2[0].Shared.Get(f.t.Context(), "k"); err == nil {
			f.t.Error("L2 keeps what was loaded without a lease")
		}
	})
}

// Where the lease cannot be asked for, each process loads for itself.
func TestLease_cannotBeAskedFor(t *testing.T) {
	eachWay(t, layered.Options[int]{}, func(f *fleet, many bool) {
		f.l2[0].lease = func(string) error { return store.ErrUnavailable }
		f.reads(0, many, 1)
		f.loaded(1)
		if n := f.process[0].Counts().L2Errors; n == 0 {
			f.t.Error("no error of L2 is counted")
		}
	})
}

// What another process has filled between the read and the request for a lease is read.
func TestLease_freshMeanwhile(t *testing.T) {
	eachWay(t, layered.Options[int]{}, func(f *fleet, many bool) {
		f.reads(1, many, 1)
		misses := 1
		f.l2[0].get = func(string) (store.Entry[int], error, bool) {
			misses--
			return store.Entry[int]{}, store.ErrNotFound, misses >= 0
		}
		f.reads(0, many, 1)
		f.loaded(1)

		// What stays unreadable is loaded, although it is fresh by its life.
		f.ok(f.process[1].Delete(f.t.Context(), "k"))
		f.reads(1, many, 1)
		misses, f.entry.Value = 1000, 2
		f.reads(0, many, 2)
		f.loaded(3)
	})
}

// A fill that fails gives the lease back, unless L2 cannot be reached.
func TestLease_fillFails(t *testing.T) {
	eachWay(t, layered.Options[int]{}, func(f *fleet, many bool) {
		for _, c := range []struct {
			err  error
			wait bool // the lease has to end by itself
		}{{errors.New("no room"), false}, {store.ErrUnavailable, true}, {store.ErrTooLarge, false}} {
			f.ok(f.process[0].Delete(f.t.Context(), "k"))
			f.l2[0].fill = func(string) error { return c.err }
			f.reads(0, many, 1)
			began := time.Now()
			f.reads(1, many, 1)
			if waited := time.Since(began) > f.takes; waited != c.wait {
				f.t.Errorf("after %v the next load took %v", c.err, time.Since(began))
			}
		}
	})
}

// A loader that panics or ends its goroutine gives the lease back.
func TestLease_loaderThatDoesNotReturn(t *testing.T) {
	onFleet(t, layered.Options[int]{}, func(f *fleet) {
		ctx := f.t.Context()
		for what, end := range map[string]func(){"panic": func() { panic("boom") }, "Goexit": runtime.Goexit} {
			one := func(context.Context, string) (store.Entry[int], error) { end(); return store.Entry[int]{}, nil }
			many := func(context.Context, []string) (map[string]store.Entry[int], error) { end(); return nil, nil }
			if _, err := f.process[0].GetOrLoad(ctx, "k", one); err == nil {
				f.t.Errorf("GetOrLoad after %s returned no error", what)
			}
			if _, err := f.process[0].GetManyOrLoad(ctx, []string{"k", "l"}, many); err == nil {
				f.t.Errorf("GetManyOrLoad after %s returned no error", what)
			}
			began := time.Now()
			f.reads(1, false, 1)
			if took := time.Since(began); took != f.takes {
				f.t.Errorf("after %s the next load took %v", what, took)
			}
			f.ok(f.process[0].Delete(ctx, "k", "l"))
		}
	})
}

// A load that nobody waits for any more gives its lease back, though its loader goes on.
func TestLease_abandoned(t *testing.T) {
	eachWay(t, layered.Options[int]{}, func(f *fleet, many bool) {
		ctx, leave := context.WithCancel(f.t.Context())
		goOn := make(chan struct{})
		defer close(goOn)
		one := func(context.Context, string) (store.Entry[int], error) {
			<-goOn
			return store.Entry[int]{Value: 2}, nil
		}
		batch := func(context.Context, []string) (map[string]store.Entry[int], error) { <-goOn; return nil, nil }
		time.AfterFunc(time.Second, leave)
		var err error
		if many {
			_, err = f.process[0].GetManyOrLoad(ctx, []string{"k", "l"}, batch)
		} else {
			_, err = f.process[0].GetOrLoad(ctx, "k", one)
		}
		if !errors.Is(err, context.Canceled) {
			f.t.Errorf("the reader that left got %v", err)
		}
		began := time.Now()
		f.reads(1, many, 1)
		if took := time.Since(began); took > f.takes+time.Second {
			f.t.Errorf("the next load took %v", took)
		}
	})
}

// A batch loads the keys whose leases it gets, and waits for the others.
func TestLease_batchesOverlap(t *testing.T) {
	onFleet(t, layered.Options[int]{}, func(f *fleet) {
		var mu sync.Mutex
		loads := map[string]int{}
		load := func(_ context.Context, keys []string) (map[string]store.Entry[int], error) {
			time.Sleep(time.Second)
			mu.Lock()
			defer mu.Unlock()
			found := map[string]store.Entry[int]{}
			for _, key := range keys {
				loads[key]++
				if key != "absent" {
					found[key] = store.Entry[int]{Value: len(key)}
				}
			}
			return found, nil
		}
		keys := [][]string{{"a", "bb", "ccc", "absent"}, {"dddd", "ccc", "bb", "absent"}}
		var all sync.WaitGroup
		for process, s := range f.process {
			all.Go(func() {
				found, err := s.GetManyOrLoad(f.t.Context(), keys[process], load)
				if err != nil {
					f.t.Error(err)
				}
				for _, key := range keys[process] {
					if e, ok := found[key]; !ok || e.Absent != (key == "absent") || !e.Absent && e.Value != len(key) {
						f.t.Errorf("process %d: %q is %+v", process, key, e)
					}
				}
			})
		}
		all.Wait()
		for key, n := range loads {
			if n != 1 {
				f.t.Errorf("%q was loaded %d times", key, n)
			}
		}
		if len(loads) != 5 {
			f.t.Errorf("loaded: %v", loads)
		}
	})
}

// A Clear ends the leases that were given before.
func TestLease_clear(t *testing.T) {
	eachWay(t, layered.Options[int]{}, func(f *fleet, many bool) {
		first := f.begins(0, many)
		f.entry.Value = 2
		f.ok(f.process[1].Clear(f.t.Context()))
		began := time.Now()
		f.reads(1, many, 2)
		if took := time.Since(began); took != f.takes {
			f.t.Errorf("the load after Clear took %v", took)
		}
		_, _ = first()
		f.reads(0, many, 2)
		f.loaded(2)
	})
}

// What is loaded during a write intent is kept, and removed by Commit.
func TestLease_writeIntent(t *testing.T) {
	eachWay(t, layered.Options[int]{}, func(f *fleet, many bool) {
		ctx := f.t.Context()
		f.reads(0, many, 1)
		first := f.begins(1, many)
		_, _ = first()
		w, err := f.process[1].BeginWrite(ctx, time.Minute, "k")
		f.ok(err)
		f.reads(0, many, 1) // the old value, for a minute at most
		f.loaded(2)
		f.entry.Value = 2
		f.ok(w.Commit(ctx))
		f.reads(0, many, 2)
		f.loaded(3)
	})
}
