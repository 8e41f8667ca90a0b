package integration_test

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"math/rand/v2"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/lokroom/strata/internal/redistest"
	"github.com/lokroom/strata/layered"
	"github.com/lokroom/strata/store"
	"github.com/lokroom/strata/store/memstore"
	"github.com/lokroom/strata/store/redisstore"
)

// An opLog counts operations by their names.
type opLog struct {
	mu  sync.Mutex
	ops map[string]int
}

func (l *opLog) Begin(ctx context.Context, op store.Op) context.Context {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.ops[fmt.Sprint(op.Store, " ", op.Name, " ", op.Keys)]++
	return ctx
}

func (l *opLog) End(context.Context, store.Op, store.Result) {}

// take returns the counts since the last call.
func (l *opLog) take() map[string]int {
	l.mu.Lock()
	defer l.mu.Unlock()
	ops := l.ops
	l.ops = map[string]int{}
	return ops
}

// evens loads n for the key "n" if that is even; the others are absent.
func evens(_ context.Context, ks []string) (map[string]store.Entry[int], error) {
	m := map[string]store.Entry[int]{}
	for _, key := range ks {
		var n int
		if fmt.Sscan(key, &n); n%2 == 0 {
			m[key] = store.Entry[int]{Value: n}
		}
	}
	return m, nil
}

func numbers(n int) []string {
	ks := make([]string, n)
	for i := range ks {
		ks[i] = fmt.Sprint(i)
	}
	return ks
}

// A batch of 100 missing keys takes one operation of each kind, with its commands in one
// pipeline: the number of exchanges does not depend on the number of keys.
func TestBatch_exchanges(t *testing.T) {
	check := func(t *testing.T, addrs []string, servers ...*redistest.Server) {
		log := &opLog{ops: map[string]int{}}
		open := func() *layered.Store[int] {
			remote := redisstore.New(dial(t, addrs...), &redisstore.Options[int]{Prefix: "h:", Observer: log})
			return tiers(t, store.Store[int](memstore.New[int](nil)), store.Store[int](remote), &layered.Options[int]{Observer: log, SampleEvery: -1, Lease: time.Minute})
		}
		a, b := open(), open()
		get := func(s *layered.Store[int], ks []string) (ops, commands map[string]int) {
			before := commandsOf(t, servers)
			log.take()
			m, err := s.GetManyOrLoad(t.Context(), ks, evens)
			if err != nil || len(m) != len(ks) || m[ks[2]].Value != 2 || !m[ks[1]].Absent {
				t.Errorf("got %d entries, %v", len(m), err)
			}
			commands = commandsOf(t, servers)
			for name, n := range before {
				commands[name] -= n
			}
			return log.take(), commands
		}
		get(a, []string{"0:x", "1:x", "2:x"}) // loads the scripts
		for _, c := range []struct {
			name     string
			s        *layered.Store[int]
			ops      map[string]int
			evalshas int
		}{
			{"cold", a, map[string]int{"redis get many 100": 1, "redis lease many 100": 1, "source load 100": 1, "redis fill many 100": 1}, 200},
			{"in L2", b, map[string]int{"redis get many 100": 1}, 0},
			{"in L1", b, map[string]int{}, 0},
		} {
			ops, commands := get(c.s, numbers(100))
			if !maps.Equal(ops, c.ops) {
				t.Errorf("%s took %v, want %v", c.name, ops, c.ops)
			}
			// Heartbeats use scripts, too.
			if n := commands["evalsha"]; n < c.evalshas || n > c.evalshas+50 {
				t.Errorf("%s took %d scripts, want %d", c.name, n, c.evalshas)
			}
		}
	}
	t.Run("one server", func(t *testing.T) {
		server := redistest.Start(t, nil)
		check(t, []string{server.Addr()}, server)
	})
	t.Run("cluster", func(t *testing.T) {
		cluster := redistest.StartCluster(t, 3)
		check(t, cluster.Addrs(), cluster.Nodes...)
	})
}

// commandsOf returns how often servers received each command.
func commandsOf(t *testing.T, servers []*redistest.Server) map[string]int {
	t.Helper()
	sum := map[string]int{}
	for _, server := range servers {
		info, err := server.Info("commandstats")
		if err != nil {
			t.Fatal(err)
		}
		for name, s := range info {
			var calls int
			fmt.Sscanf(s, "calls=%d", &calls)
			sum[strings.TrimPrefix(name, "cmdstat_")] += calls
		}
	}
	return sum
}

// Two batches of two processes, each waiting for a key that the other one loads, both end:
// none waits while it holds an unused lease.
func TestBatch_crossing(t *testing.T) { inBothModes(t, batchCrossing) }

func batchCrossing(t *testing.T, build builder) {
	server := redistest.Start(t, nil)
	o := &layered.Options[int]{Lease: time.Minute} // no progress depends on its end
	houses := [2]*house{build(t, server, o), build(t, server, o)}
	var loads sync.Map
	release := make(chan struct{})
	loader := func(who int, held string, begun chan<- struct{}) layered.ManyLoader[int] {
		return func(ctx context.Context, ks []string) (map[string]store.Entry[int], error) {
			m := map[string]store.Entry[int]{}
			for _, key := range ks {
				if _, twice := loads.LoadOrStore(key, who); twice {
					t.Errorf("%s was loaded twice", key)
				}
				m[key] = store.Entry[int]{Value: len(key)}
				if key == held {
					close(begun)
					<-release
				}
			}
			return m, nil
		}
	}
	var wg sync.WaitGroup
	get := func(who int, held string, begun chan<- struct{}, ks ...string) {
		wg.Go(func() {
			m, err := houses[who].GetManyOrLoad(t.Context(), ks, loader(who, held, begun))
			if err != nil || len(m) != len(ks) {
				t.Errorf("%v: %v, %v", ks, m, err)
			}
		})
	}
	first, second := make(chan struct{}), make(chan struct{})
	get(0, "a", first, "a")
	get(1, "b", second, "b")
	<-first
	<-second
	// Each holds a lease that the other wants, and has more to load.
	get(0, "", nil, "b", "a", "c")
	get(1, "", nil, "a", "b", "d")
	for _, h := range houses {
		if err := until(t.Context(), func() bool { return h.Counts().Waits > 0 }); err != nil {
			t.Fatal(err)
		}
	}
	for _, key := range []string{"c", "d"} {
		if _, ok := loads.Load(key); !ok {
			t.Errorf("%s was not loaded while others were waited for", key)
		}
	}
	close(release)
	wg.Wait()
}

// Batches and single reads of the same keys, in two processes and in any order, load each
// key once.
func TestBatch_oneLoadPerKey(t *testing.T) { inBothModes(t, batchOneLoadPerKey) }

func batchOneLoadPerKey(t *testing.T, build builder) {
	server := redistest.Start(t, nil)
	o := &layered.Options[int]{Lease: time.Minute, LoadTimeout: time.Minute}
	houses := [2]*house{build(t, server, o), build(t, server, o)}
	const keys, callers = 40, 30
	var mu sync.Mutex
	loads := map[string]int{}
	many := func(_ context.Context, ks []string) (map[string]store.Entry[int], error) {
		mu.Lock()
		defer mu.Unlock()
		m := map[string]store.Entry[int]{}
		for _, key := range ks {
			loads[key]++
			m[key] = store.Entry[int]{Value: len(key)}
		}
		return m, nil
	}
	one := func(ctx context.Context, key string) (store.Entry[int], error) {
		m, err := many(ctx, []string{key})
		return m[key], err
	}
	var wg sync.WaitGroup
	for i := range callers {
		h := houses[i%2]
		ks := numbers(keys)
		rand.Shuffle(keys, func(i, j int) { ks[i], ks[j] = ks[j], ks[i] })
		wg.Go(func() {
			if i%5 == 0 {
				for _, key := range ks {
					if e, err := h.GetOrLoad(t.Context(), key, one); err != nil || e.Value != len(key) {
						t.Errorf("%s is %v, %v", key, e, err)
					}
				}
				return
			}
			ks := ks[:10+rand.IntN(keys-10)]
			m, err := h.GetManyOrLoad(t.Context(), ks, many)
			if err != nil || len(m) != len(ks) {
				t.Errorf("got %d of %d, %v", len(m), len(ks), err)
			}
		})
	}
	wg.Wait()
	for _, key := range numbers(keys) {
		if loads[key] != 1 {
			t.Errorf("%s was loaded %d times", key, loads[key])
		}
	}
}

// If single keys of a batch cannot be read or kept, the others still are.
func TestBatch_oneKeyFails(t *testing.T) {
	server := redistest.Start(t, nil)
	remote := redisstore.New(dial(t, server.Addr()), &redisstore.Options[int]{Prefix: "h:", MaxKeySize: 10})
	open := func() *layered.Store[int] {
		return tiers(t, store.Store[int](memstore.New[int](nil)), store.Store[int](remote), nil)
	}
	a, long := open(), "a key that is too long"
	m, err := a.GetManyOrLoad(t.Context(), []string{"2", long, "4"}, evens)
	if err != nil || len(m) != 3 {
		t.Errorf("got %v, %v: what L2 refuses comes from the source", m, err)
	}
	found, err := store.GetMap(t.Context(), open(), []string{"2", long, "4"})
	if len(found) != 2 || found["2"].Value != 2 {
		t.Errorf("L2 has %v", found)
	}
	if of := store.ByKey[string](err); !errors.Is(of(long), store.ErrTooLarge) || of("2") != nil {
		t.Errorf("the error is %v", err)
	}
	err = a.SetMany(t.Context(), map[string]store.Entry[int]{"6": {Value: 6}, long: {}})
	if of := store.ByKey[string](err); !errors.Is(of(long), store.ErrTooLarge) || of("6") != nil {
		t.Errorf("SetMany: %v", err)
	}
	if e, err := a.Get(t.Context(), "6"); err != nil || e.Value != 6 {
		t.Errorf("beside a key that is too long: %v, %v", e, err)
	}
}
