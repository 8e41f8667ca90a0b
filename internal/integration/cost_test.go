package integration_test

import (
	"cmp"
	"context"
	"fmt"
	"maps"
	"slices"
	"strings"
	"sync"
	"testing"
	"text/tabwriter"
	"time"

	"github.com/redis/rueidis"

	"github.com/lokroom/strata/internal/redistest"
	"github.com/lokroom/strata/layered"
	"github.com/lokroom/strata/store"
	"github.com/lokroom/strata/store/memstore"
	"github.com/lokroom/strata/store/redisstore"
)

// costHouse is a process that sends only the commands of its operations: it has four
// heartbeats and keep-alives per hour, and no samples.
func costHouse(t *testing.T, server *redistest.Server) (*layered.Store[int], *redisstore.Store[int]) {
	t.Helper()
	opt := rueidis.ClientOption{InitAddress: []string{server.Addr()}}
	opt.Dialer.KeepAlive = time.Hour
	c, err := (&redisstore.Dialer{MaxDisconnected: time.Hour, Timeout: time.Minute}).Dial(opt)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(c.Close)
	remote := redisstore.New(c, &redisstore.Options[int]{Prefix: "h:"})
	return tiers(t, store.Store[int](memstore.New[int](nil)), store.Store[int](remote), &layered.Options[int]{Lease: time.Minute, SampleEvery: -1}), remote
}

// A usage is what the server has done so far.
type usage struct {
	calls map[string]int
	usec  map[string]int // per command, without network time
	reads int            // packets, as long as each fits into one
}

// usageOf asks the server, which takes two packets.
func usageOf(t *testing.T, server *redistest.Server) usage {
	t.Helper()
	u := usage{calls: map[string]int{}, usec: map[string]int{}}
	stats, err := server.Info("stats")
	if err != nil {
		t.Fatal(err)
	}
	fmt.Sscan(stats["total_reads_processed"], &u.reads)
	commands, err := server.Info("commandstats")
	if err != nil {
		t.Fatal(err)
	}
	for name, s := range commands {
		var calls, usec int
		fmt.Sscanf(s, "calls=%d,usec=%d", &calls, &usec)
		name = strings.TrimPrefix(name, "cmdstat_")
		u.calls[name], u.usec[name] = calls, usec
	}
	delete(u.calls, "info")
	return u
}

// since returns the difference between before and u.
func (u usage) since(before usage) usage {
	d := usage{calls: map[string]int{}, usec: map[string]int{}, reads: u.reads - before.reads - 2}
	for name, n := range u.calls {
		if n > before.calls[name] {
			d.calls[name], d.usec[name] = n-before.calls[name], u.usec[name]-before.usec[name]
		}
	}
	return d
}

// micros is the time of the commands received from clients: those in a script are part of
// the time of the script.
func (u usage) micros() (usec int) {
	for name, n := range u.usec {
		if u.calls["evalsha"] == 0 || name == "evalsha" || name == "get" || name == "mget" {
			usec += n
		}
	}
	return usec
}

// sum adds up the costs of operations.
func sum(of ...map[string]int) map[string]int {
	total := map[string]int{}
	for _, m := range of {
		for name, n := range m {
			total[name] += n
		}
	}
	return total
}

// The costs of the parts, as counted by the server, including commands in scripts.
var (
	costGet     = map[string]int{"get": 1}
	costLease   = map[string]int{"evalsha": 1, "getrange": 2, "time": 1, "set": 1}
	costTaken   = map[string]int{"evalsha": 1, "getrange": 1, "time": 1}
	costNotDue  = map[string]int{"evalsha": 1, "getrange": 1, "time": 1, "pttl": 1}
	costFill    = map[string]int{"evalsha": 1, "getrange": 2, "time": 1, "set": 1}
	costRelease = map[string]int{"evalsha": 1, "getrange": 2, "time": 1, "del": 1}
	costDelete  = map[string]int{"evalsha": 1, "getrange": 1, "del": 1}
	costSet     = map[string]int{"evalsha": 1, "getrange": 1, "set": 1, "time": 1}
	costRecheck = map[string]int{"pttl": 1, "getrange": 1}
)

// TestCost counts the commands and the exchanges of each operation, which are exact. It
// prints the time of the server (with -v).
func TestCost(t *testing.T) {
	server := redistest.Start(t, nil)
	a, remote := costHouse(t, server)
	b, _ := costHouse(t, server)
	var table strings.Builder
	w := tabwriter.NewWriter(&table, 0, 0, 2, ' ', 0)
	fmt.Fprintln(w, "operation\texchanges\tserver\ttook\tcommands, those of scripts included")
	for _, c := range costs(t, a, b, remote) {
		server, took := c.measure(t, server)
		fmt.Fprintf(w, "%s\t%d\t%.1fµs\t%v\t%s\n", c.name, c.exchanges, server, took.Round(time.Microsecond), list(c.want))
	}
	w.Flush()
	t.Logf("medians; one client, one server\n%s", table.String())
}

// measure runs c repeatedly and returns the microseconds of the server without network
// time, and the total time.
func (c *cost) measure(t *testing.T, server *redistest.Server) (usec float64, took time.Duration) {
	t.Helper()
	const rounds, times = 5, 20
	run := func(i int) time.Duration {
		began := time.Now()
		if err := c.do(fmt.Sprint(c.name, i)); err != nil {
			t.Errorf("%s: %v", c.name, err)
		}
		return time.Since(began)
	}
	for i := range rounds*times + 1 {
		if c.before != nil {
			c.before(fmt.Sprint(c.name, i))
		}
	}
	run(rounds * times) // loads the scripts
	want := sum(slices.Repeat([]map[string]int{c.want}, times)...)
	var usecs []float64
	var tooks []time.Duration
	for round := range rounds {
		before := usageOf(t, server)
		for i := range times {
			tooks = append(tooks, run(round*times+i))
		}
		used := usageOf(t, server).since(before)
		if !maps.Equal(used.calls, want) || used.reads != times*c.exchanges {
			t.Errorf("%s, %d times, sent %v with %d packets, want %v with %d", c.name, times, used.calls, used.reads, want, times*c.exchanges)
		}
		usecs = append(usecs, float64(used.micros())/times)
	}
	return median(usecs), median(tooks)
}

func median[T cmp.Ordered](v []T) T {
	slices.Sort(v)
	return v[len(v)/2]
}

func list(commands map[string]int) string {
	var s []string
	for _, name := range slices.Sorted(maps.Keys(commands)) {
		if n := commands[name]; n > 1 {
			name = fmt.Sprint(n, " ", name)
		}
		s = append(s, name)
	}
	return strings.Join(s, ", ")
}

// A cost is an operation and its expected cost.
type cost struct {
	name      string
	before    func(key string)
	do        func(key string) error
	exchanges int
	want      map[string]int
}

// costs returns the operations to measure. remote is the L2 of a.
func costs(t *testing.T, a, b *layered.Store[int], remote *redisstore.Store[int]) []cost {
	ctx := t.Context()
	find := func(s *layered.Store[int], load layered.Loader[int]) func(string) error {
		return func(key string) error { _, err := s.Find(ctx, key, layered.Source[int]{Load: load}); return err }
	}
	have := func(s *layered.Store[int]) func(string) {
		return func(key string) {
			if err := find(s, now(1))(key); err != nil {
				t.Error(err)
			}
		}
	}
	none := func(context.Context, string) (store.Entry[int], error) { return store.Entry[int]{Absent: true}, nil }
	fails := func(context.Context, string) (store.Entry[int], error) {
		return store.Entry[int]{}, store.ErrUnavailable
	}
	notDue := func(key string) error {
		g, err := remote.Lease(ctx, key, time.Minute, 0)
		if err == nil && g.State != store.Fresh {
			err = fmt.Errorf("the lease was %v", g.State)
		}
		return err
	}
	miss := sum(costGet, costLease, costFill)
	return []cost{
		{"a hit in L1", have(a), find(a, nil), 0, map[string]int{}},
		{"a hit in L2", have(b), find(a, nil), 1, costGet},
		{"3 hits in L2", func(key string) { have(b)(key); have(b)(key + ".2"); have(b)(key + ".3") }, func(key string) error {
			_, err := a.GetMany(ctx, []string{key, key + ".2", key + ".3"})
			return err
		}, 1, map[string]int{"mget": 1}},
		{"a lease asked for a fresh value", have(b), notDue, 1, costNotDue},
		{"a miss", nil, find(a, now(1)), 3, miss},
		{"a miss, absent at the source", nil, ignore(store.ErrNotFound, find(a, none)), 3, miss},
		{"a miss, and the load fails", nil, ignore(store.ErrUnavailable, find(a, fails)), 3, sum(costGet, costLease, costRelease)},
		{"a miss of 3 in a batch", nil, func(key string) error {
			_, err := a.GetManyOrLoad(ctx, []string{key, key + ".2", key + ".3"}, func(context.Context, []string) (map[string]store.Entry[int], error) {
				return map[string]store.Entry[int]{key: {Value: 1}}, nil // the others are absent
			})
			return err
		}, 3, sum(map[string]int{"mget": 1}, costLease, costLease, costLease, costFill, costFill, costFill)},
		{"a miss of 100 callers", nil, func(key string) error { return crowd(ctx, a, key) }, 3, miss},
		{"a miss of 2 processes", nil, func(key string) error { return bothMiss(ctx, a, b, key) }, 6, sum(miss, costGet, costTaken, costGet)},
		{"suspect copy: revalidated", have(a), func(key string) error { _, err := a.FindFresh(ctx, key, layered.Source[int]{}); return err }, 1, costRecheck},
		{"Delete", have(b), func(key string) error { return a.Delete(ctx, key) }, 1, costDelete},
		{"Delete of 3", nil, func(key string) error { return a.Delete(ctx, key, key+".2", key+".3") }, 1, sum(costDelete, costDelete, costDelete)},
		{"Set", have(b), func(key string) error {
			return a.Set(ctx, key, store.Entry[int]{Value: 2, ExpiresAt: store.In(time.Hour)})
		}, 1, costSet},
		{"SetMany of 3", nil, func(key string) error {
			e := store.Entry[int]{Value: 2, ExpiresAt: store.In(time.Hour)}
			return a.SetMany(ctx, map[string]store.Entry[int]{key: e, key + ".2": e, key + ".3": e})
		}, 1, sum(costSet, costSet, costSet)},
	}
}

func ignore(cause error, do func(string) error) func(string) error {
	return func(key string) error {
		if err := do(key); err != cause {
			return fmt.Errorf("got %v, want %v", err, cause)
		}
		return nil
	}
}

// crowd makes many callers miss key at the same time: the load runs until all of them wait.
func crowd(ctx context.Context, s *layered.Store[int], key string) error {
	const callers = 100
	shared := s.Counts().Shared
	var wg sync.WaitGroup
	errs := make([]error, callers)
	for i := range errs {
		wg.Go(func() {
			_, errs[i] = s.Find(ctx, key, layered.Source[int]{Load: func(context.Context, string) (store.Entry[int], error) {
				return store.Entry[int]{Value: 1}, until(ctx, func() bool { return s.Counts().Shared-shared == callers-1 })
			}})
		})
	}
	wg.Wait()
	for _, err := range errs {
		if err != nil {
			return err
		}
	}
	return nil
}

// bothMiss makes b miss key while a loads it.
func bothMiss(ctx context.Context, a, b *layered.Store[int], key string) error {
	waits := b.Counts().Waits
	loading, found := make(chan struct{}), make(chan error, 1)
	go func() {
		_, err := a.Find(ctx, key, layered.Source[int]{Load: func(context.Context, string) (store.Entry[int], error) {
			close(loading)
			return store.Entry[int]{Value: 1}, until(ctx, func() bool { return b.Counts().Waits > waits })
		}})
		found <- err
	}()
	<-loading
	f, err := b.Find(ctx, key, layered.Source[int]{Load: func(context.Context, string) (store.Entry[int], error) {
		return store.Entry[int]{}, fmt.Errorf("%s was loaded twice", key)
	}})
	if err == nil && f.Value != 1 {
		err = fmt.Errorf("b got %d", f.Value)
	}
	if err != nil {
		return err
	}
	return <-found
}

// until waits for cond.
func until(ctx context.Context, cond func() bool) error {
	ctx, cancel := context.WithTimeout(ctx, time.Minute)
	defer cancel()
	for !cond() {
		if ctx.Err() != nil {
			return ctx.Err()
		}
		time.Sleep(100 * time.Microsecond)
	}
	return nil
}
