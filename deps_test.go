package strata_test

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/lokroom/strata"
	"github.com/lokroom/strata/internal/redistest"
	"github.com/lokroom/strata/layered"
	"github.com/lokroom/strata/store"
)

// A plan is a source of parts, by id, with values that count their changes. Negative ids
// are absent until they are set.
type plan struct {
	versions sync.Map // of *atomic.Int64, by id
	failing  atomic.Bool
	staleFor time.Duration // of wholes
	parts    atomic.Int64  // loads
	wholes   atomic.Int64

	slow chan struct{} // if not nil: part 1 is read, and then waits for this
	read chan struct{} // if not nil: a whole has read its parts, and waits
	goOn chan struct{} // for this
}

func (p *plan) version(id int) *atomic.Int64 {
	v, _ := p.versions.LoadOrStore(id, new(atomic.Int64))
	return v.(*atomic.Int64)
}

var errPlan = errors.New("the plan is lost")

func (p *plan) part(_ context.Context, id int) (int64, error) {
	p.parts.Add(1)
	v := p.version(id).Load()
	if p.slow != nil && id == 1 {
		<-p.slow
	}
	switch {
	case p.failing.Load():
		return 0, errPlan
	case id < 0 && v == 0:
		return 0, store.ErrNotFound
	}
	return v, nil
}

// A process has caches of parts, of wholes that are sums of parts, and of wholes of
// wholes.
type process struct {
	*strata.Backend
	parts  *strata.Cache[int, int64]
	wholes *strata.Cache[string, int64]
	houses *strata.Cache[string, int64]
}

// ids returns the ids in the name of a whole.
func ids(name string) (all []int) {
	for _, word := range strings.Fields(name) {
		var id int
		fmt.Sscan(word, &id)
		all = append(all, id)
	}
	return all
}

// open opens a process. The options are those of the parts.
func (p *plan) open(t *testing.T, c strata.Config, o *strata.Options[int, int64]) *process {
	t.Helper()
	c.CaptureDeps = true
	q := &process{Backend: backend(t, &c)}
	var err, err1, err2 error
	q.parts, err = strata.New(q.Backend, "part", p.part, o)
	q.wholes, err1 = strata.New(q.Backend, "whole", func(ctx context.Context, name string) (sum int64, err error) {
		p.wholes.Add(1)
		for _, id := range ids(name) {
			v, err := q.parts.Get(ctx, id)
			if err != nil {
				return 0, fmt.Errorf("part %d: %w", id, err)
			}
			sum += v
		}
		if p.read != nil {
			p.read <- struct{}{}
			<-p.goOn
		}
		return sum, nil
	}, &strata.Options[string, int64]{TTL: time.Hour, StaleFor: p.staleFor, Jitter: -1, Tags: func(string, int64) []string { return []string{"whole"} }})
	q.houses, err2 = strata.New(q.Backend, "house", func(ctx context.Context, name string) (int64, error) {
		return q.wholes.Get(ctx, name)
	}, nil)
	if err := errors.Join(err, err1, err2); err != nil {
		t.Fatal(err)
	}
	return q
}

func sum(t *testing.T, c *strata.Cache[string, int64], name string, want int64) {
	t.Helper()
	if got, err := c.GetFresh(t.Context(), name); err != nil || got != want {
		t.Errorf("%s of %q is %d, %v; want %d", c.Name(), name, got, err, want)
	}
	redistest.WaitFor(t, "L1 to have it", func() bool {
		got, err := c.Get(t.Context(), name)
		return err == nil && got == want
	})
}

// changes are the ways to change part 1 to v. Those of redis require it.
var changes = map[string]struct {
	redis bool
	do    func(ctx context.Context, q *process, v int64) error
}{
	"Delete": {false, func(ctx context.Context, q *process, v int64) error { return q.parts.Delete(ctx, 1, 2) }},
	"Set":    {false, func(ctx context.Context, q *process, v int64) error { return q.parts.Set(ctx, 1, v) }},
	"SetIfNewer": {false, func(ctx context.Context, q *process, v int64) error {
		_, err := q.parts.SetIfNewer(ctx, 1, v, uint64(v)+1)
		return err
	}},
	"Clear": {false, func(ctx context.Context, q *process, v int64) error { return q.parts.Clear(ctx) }},
	"DeletePattern": {false, func(ctx context.Context, q *process, v int64) error {
		_, err := q.parts.Tiers().DeletePattern(ctx, "[12]")
		return err
	}},
	"Refresh": {false, func(ctx context.Context, q *process, v int64) error { _, err := q.parts.Refresh(ctx, 1); return err }},
	"Commit": {false, func(ctx context.Context, q *process, v int64) error {
		w, err := q.parts.BeginWrite(ctx, time.Minute, 1)
		if err != nil {
			return err
		}
		return w.Commit(ctx)
	}},
	"CommitSet": {false, func(ctx context.Context, q *process, v int64) error {
		w, err := q.parts.BeginWrite(ctx, time.Minute, 1)
		if err != nil {
			return err
		}
		return w.CommitSet(ctx, map[int]int64{1: v})
	}},
	"a tag of the part": {false, func(ctx context.Context, q *process, v int64) error { return q.InvalidateTags(ctx, "odd") }},
	"MarkStale":         {true, func(ctx context.Context, q *process, v int64) error { return q.parts.MarkStale(ctx, 1) }},
	"DeleteOlder": {true, func(ctx context.Context, q *process, v int64) error {
		return q.parts.DeleteOlder(ctx, time.Millisecond, 1, 1)
	}},
}

func tagOdd(id int, _ int64) []string {
	if id%2 == 1 {
		return []string{"odd"}
	}
	return nil
}

// A change of a part, by any method and process, changes the wholes made of it, the wholes
// made of those, and nothing else.
func TestCaptureDeps(t *testing.T) {
	server := redistest.Start(t, nil)
	for place, c := range map[string]strata.Config{
		"L1":        {},
		"L2":        {RedisURL: server.URL(), Memory: -1, Prefix: "l2:"},
		"both":      {RedisURL: server.URL(), Prefix: "both:"},
		"broadcast": {RedisURL: server.URL(), Prefix: "broadcast:", Tracking: strata.Broadcast},
	} {
		var p plan
		o := &strata.Options[int, int64]{Tags: tagOdd}
		a := p.open(t, c, o)
		others := []*process{a}
		if c.RedisURL != "" {
			others = append(others, p.open(t, c, o))
		}
		for way, change := range changes {
			if change.redis && c.RedisURL == "" {
				continue
			}
			for n, who := range others {
				t.Run(fmt.Sprintf("%s/%s/process %d", place, way, n), func(t *testing.T) {
					for range 3 {
						v, w := p.version(1).Load(), p.version(4).Load()
						sum(t, a.wholes, "1 2", v)
						sum(t, a.houses, "1 2", v)
						sum(t, a.wholes, "4", w)
						p.version(1).Add(1)
						p.version(4).Add(1) // without notification
						if err := change.do(t.Context(), who, v+1); err != nil {
							t.Fatal(err)
						}
						sum(t, a.wholes, "1 2", v+1)
						sum(t, a.houses, "1 2", v+1)
						if way != "Clear" {
							sum(t, a.wholes, "4", w)
						}
						if err := who.parts.Delete(t.Context(), 4); err != nil {
							t.Fatal(err)
						}
					}
				})
			}
		}
	}
}

// Unchanged values stay, and cause no load.
func TestCaptureDeps_keeps(t *testing.T) {
	places(t, func(t *testing.T, b *strata.Backend) {
		// places has backends without CaptureDeps: this is the control.
		var p plan
		c, err := strata.New(b, "part", p.part, nil)
		if err != nil {
			t.Fatal(err)
		}
		w, err := strata.New(b, "whole", func(ctx context.Context, id int) (int64, error) { return c.Get(ctx, id) }, nil)
		if err != nil {
			t.Fatal(err)
		}
		for range 2 {
			if v, err := w.Get(t.Context(), 1); err != nil || v != 0 {
				t.Errorf("without CaptureDeps: %d, %v", v, err)
			}
			p.version(1).Add(1)
			if err := c.Delete(t.Context(), 1); err != nil {
				t.Fatal(err)
			}
		}
		if e, _ := w.GetEntry(t.Context(), 1); len(e.Tags) != 0 {
			t.Errorf("without CaptureDeps there are tags %v", e.Tags)
		}
	})
	server := redistest.Start(t, nil)
	for _, url := range []string{"", server.URL()} {
		var p plan
		a := p.open(t, strata.Config{RedisURL: url}, nil)
		for range 5 {
			sum(t, a.wholes, "1 2 3", 0)
			sum(t, a.wholes, "4", 0)
		}
		if n := p.wholes.Load(); n != 2 {
			t.Errorf("%d loads of two wholes", n)
		}
		for i := range 3 {
			if err := a.parts.Delete(t.Context(), 4); err != nil {
				t.Fatal(err)
			}
			for range 5 {
				sum(t, a.wholes, "1 2 3", 0)
				sum(t, a.wholes, "4", 0)
			}
			if n := p.wholes.Load(); n > int64(4+i) { // the first time, the tags of the other may have been created too late
				t.Errorf("after %d changes of one there are %d loads", i+1, n)
			}
		}
	}
}

// A change of a part that a load of a whole has already read is not lost: later callers do
// not join that load, and its result is not kept.
func TestCaptureDeps_changeDuringTheLoad(t *testing.T) {
	server := redistest.Start(t, nil)
	for _, c := range []strata.Config{{}, {RedisURL: server.URL()}, {RedisURL: server.URL(), Tracking: strata.Broadcast, Prefix: "b:"}} {
		for way, change := range changes {
			if change.redis && c.RedisURL == "" || way == "a tag of the part" {
				continue
			}
			var p plan
			p.version(1).Store(10)
			a := p.open(t, c, &strata.Options[int, int64]{Tags: tagOdd})
			b := a
			if c.RedisURL != "" {
				b = p.open(t, c, &strata.Options[int, int64]{Tags: tagOdd})
				if err := errors.Join(a.parts.Clear(t.Context()), a.wholes.Clear(t.Context())); err != nil {
					t.Fatal(err)
				}
				p.wholes.Store(0)
			}
			p.read, p.goOn = make(chan struct{}), make(chan struct{})
			ask := func() <-chan int64 {
				answer := make(chan int64, 1)
				go func() {
					v, err := a.wholes.Get(t.Context(), "1")
					if err != nil {
						t.Error(err)
					}
					answer <- v
				}()
				return answer
			}
			first := ask()
			<-p.read
			p.version(1).Store(11)
			if err := change.do(t.Context(), b, 11); err != nil {
				t.Fatal(err)
			}
			before := a.wholes.Stats()
			second := ask()
			redistest.WaitFor(t, "the second to join, or wait, or load", func() bool {
				now := a.wholes.Stats()
				return now.Shared+now.Waits > before.Shared+before.Waits || p.wholes.Load() > 1
			})
			go func() { // the first load goes on, and so do the others
				for range p.read {
				}
			}()
			close(p.goOn)
			if got := <-first; got != 10 && got != 11 {
				t.Errorf("%s: who asked before got %d", way, got)
			}
			if got := <-second; got != 11 {
				t.Errorf("%s: who asked after it got %d", way, got)
			}
			sum(t, a.wholes, "1", 11)
			sum(t, b.wholes, "1", 11)
			close(p.read)
			p.read = nil
			a.Close()
			b.Close()
		}
	}
}

// An L1 copy from a time without Redis, which receives no invalidation, does not get into
// loaded values, where it would stay.
func TestCaptureDeps_oldCopy(t *testing.T) {
	server := redistest.Start(t, nil)
	link := redistest.StartProxy(t, server.Addr())
	var p plan
	a := p.open(t, strata.Config{RedisURL: "redis://" + link.Addr(), MaxDisconnected: time.Minute}, nil)
	b := p.open(t, strata.Config{RedisURL: server.URL(), MaxDisconnected: time.Minute}, nil)
	link.Refuse(true)
	link.Cut()
	if v, err := a.parts.Get(t.Context(), 1); v != 0 || err != nil {
		t.Fatal(v, err)
	}
	link.Refuse(false)
	redistest.WaitFor(t, "Redis to be there", func() bool { return a.Ping(t.Context()) == nil })
	p.version(1).Add(1)
	if err := b.parts.Delete(t.Context(), 1); err != nil {
		t.Fatal(err)
	}
	if e, err := a.parts.GetEntry(t.Context(), 1); err != nil || e.Tier != layered.L1 || e.Value != 0 {
		t.Fatalf("the old copy is %d from %v, %v: this is what the test is about", e.Value, e.Tier, err)
	}
	for _, name := range []string{"1", "1 2"} {
		if got, err := a.wholes.Get(t.Context(), name); err != nil || got != 1 {
			t.Errorf("a whole that is loaded after the change is %d, %v", got, err)
		}
		sum(t, b.wholes, name, 1)
	}
}

// The same for several ids at once, and for a batch source.
func TestCaptureDeps_many(t *testing.T) {
	server := redistest.Start(t, nil)
	for _, url := range []string{"", server.URL()} {
		var p plan
		a := p.open(t, strata.Config{RedisURL: url}, &strata.Options[int, int64]{
			LoadMany: func(ctx context.Context, ids []int) (map[int]int64, error) {
				found := make(map[int]int64)
				for _, id := range ids {
					if v, err := p.part(ctx, id); err == nil {
						found[id] = v
					}
				}
				return found, nil
			},
		})
		load := func(ctx context.Context, names []string) (map[string]int64, error) {
			sums := make(map[string]int64)
			for _, name := range names {
				vs, err := a.parts.GetMany(ctx, append(ids(name), -7))
				if err != nil {
					return nil, err
				}
				if len(vs) < len(ids(name)) {
					continue // there is none
				}
				for _, v := range vs {
					sums[name] += v
				}
			}
			return sums, nil
		}
		c, err := strata.New(a.Backend, "many", nil, &strata.Options[string, int64]{LoadMany: load})
		if err != nil {
			t.Fatal(err)
		}
		names := []string{"1 2", "3", "-1 1"}
		want := func(sums map[string]int64) {
			t.Helper()
			for range 2 {
				got, err := c.GetMany(t.Context(), names)
				if err != nil || fmt.Sprint(got) != fmt.Sprint(sums) {
					t.Errorf("got %v, %v; want %v", got, err, sums)
				}
			}
		}
		want(map[string]int64{"1 2": 0, "3": 0})
		p.version(2).Store(5)
		if err := a.parts.Delete(t.Context(), 2); err != nil {
			t.Fatal(err)
		}
		want(map[string]int64{"1 2": 5, "3": 0})
		p.version(-1).Store(7)
		if err := a.parts.Delete(t.Context(), -1); err != nil { // it was absent
			t.Fatal(err)
		}
		want(map[string]int64{"1 2": 5, "3": 0, "-1 1": 7})
		p.version(-7).Store(1)
		if err := a.parts.Set(t.Context(), -7, 1); err != nil {
			t.Fatal(err)
		}
		want(map[string]int64{"1 2": 6, "3": 1, "-1 1": 8})
	}
}

// A whole that is absent because of an absent part appears with the part.
func TestCaptureDeps_absent(t *testing.T) {
	server := redistest.Start(t, nil)
	for _, url := range []string{"", server.URL()} {
		var p plan
		a := p.open(t, strata.Config{RedisURL: url}, nil)
		for range 2 {
			if _, err := a.houses.Get(t.Context(), "1 -1"); !errors.Is(err, store.ErrNotFound) {
				t.Errorf("got %v", err)
			}
		}
		if n := p.wholes.Load(); n != 1 {
			t.Errorf("that it is absent was forgotten: %d loads", n)
		}
		p.version(-1).Store(1)
		if err := a.parts.Set(t.Context(), -1, 1); err != nil {
			t.Fatal(err)
		}
		sum(t, a.houses, "1 -1", 1)
	}
}

// A whole expires with its parts; one made of a stale part, soon.
func TestCaptureDeps_expiry(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var p plan
		a := p.open(t, strata.Config{}, &strata.Options[int, int64]{TTL: time.Minute, StaleFor: time.Hour, Jitter: -1, AbsentFor: time.Second})
		defer a.Close()
		is := func(name string, want int64, loads int64) {
			t.Helper()
			before := p.wholes.Load()
			if got, err := a.wholes.Get(t.Context(), name); err != nil || got != want || p.wholes.Load()-before != loads {
				t.Errorf("%q is %d, %v, after %d loads; want %d after %d", name, got, err, p.wholes.Load()-before, want, loads)
			}
		}
		if _, err := a.parts.Get(t.Context(), 1); err != nil {
			t.Fatal(err)
		}
		time.Sleep(30 * time.Second)
		is("1 2", 0, 1)
		p.version(1).Add(1)
		time.Sleep(29 * time.Second)
		is("1 2", 0, 0)
		time.Sleep(2 * time.Second)
		is("1 2", 1, 1)
		p.failing.Store(true)
		p.version(1).Add(1)
		time.Sleep(61 * time.Second)
		is("1 2", 1, 1) // of stale parts
		is("1 2", 1, 0)
		p.failing.Store(false)
		time.Sleep(4 * time.Second)
		is("1 2", 1, 0)
		time.Sleep(2 * time.Second)
		is("1 2", 2, 1)
		if _, err := a.wholes.Get(t.Context(), "-1"); !errors.Is(err, store.ErrNotFound) {
			t.Error(err)
		}
		p.version(-1).Add(1)
		time.Sleep(2 * time.Second)
		is("-1", 1, 1)
	})
}

// A whole is not renewed by Reload: it would outlive its parts.
func TestCaptureDeps_reload(t *testing.T) {
	server := redistest.Start(t, nil)
	for _, url := range []string{"", server.URL()} {
		b := backend(t, &strata.Config{RedisURL: url, CaptureDeps: true})
		var p plan
		parts, err := strata.New(b, "part", p.part, nil)
		if err != nil {
			t.Fatal(err)
		}
		var reloads atomic.Int64
		load := func(ctx context.Context, name string) (int64, error) {
			if name == "alone" {
				return 0, nil
			}
			return parts.Get(ctx, 1)
		}
		c, err := strata.New(b, "c", load, &strata.Options[string, int64]{
			Reload: func(ctx context.Context, name string, _ store.Entry[int64]) (int64, error) {
				reloads.Add(1)
				if name == "alone" {
					if _, err := parts.Get(ctx, 2); err != nil {
						return 0, err
					}
				}
				return 0, store.ErrNotModified
			},
		})
		if err != nil {
			t.Fatal(err)
		}
		for _, name := range []string{"1", "alone"} {
			for range 2 {
				if _, err := c.Refresh(t.Context(), name); err != nil {
					t.Errorf("Refresh of %q: %v", name, err)
				}
			}
		}
		if n := reloads.Load(); n != 1 { // of the one that is made of nothing else, once there is one
			t.Errorf("%d calls of Reload", n)
		}
		p.version(1).Add(1)
		if err := parts.Delete(t.Context(), 1); err != nil {
			t.Fatal(err)
		}
		if v, err := c.Refresh(t.Context(), "1"); v != 1 || err != nil {
			t.Errorf("got %d, %v", v, err)
		}
	}
}

// For very many ids, a whole depends on their cache instead. A change of any id then counts
// as a change of all.
func TestCaptureDeps_tooMany(t *testing.T) {
	server := redistest.Start(t, nil)
	for _, url := range []string{"", server.URL()} {
		var p plan
		a := p.open(t, strata.Config{RedisURL: url}, nil)
		var name strings.Builder
		for id := range 1000 {
			fmt.Fprint(&name, id, " ")
		}
		sum(t, a.wholes, name.String(), 0)
		sum(t, a.wholes, name.String(), 0)
		e, err := a.wholes.GetEntry(t.Context(), name.String())
		if err != nil || len(e.Tags) > 4 || !slices.Contains(e.Tags, "whole") {
			t.Errorf("it has the tags %v, %v", e.Tags, err)
		}
		for _, change := range []func() error{
			func() error { return a.parts.Delete(t.Context(), 999) },
			func() error { return a.parts.Clear(t.Context()) },
		} {
			p.version(999).Add(1)
			if err := change(); err != nil {
				t.Fatal(err)
			}
			sum(t, a.wholes, name.String(), p.version(999).Load())
		}
	}
}

// G6 for wholes: if the writer crashes, no value from before the outcome of its change
// outlives the hold.
func TestCaptureDeps_crashUnderAHold(t *testing.T) {
	server := redistest.Start(t, nil)
	p := plan{staleFor: time.Hour}
	a, b := p.open(t, strata.Config{RedisURL: server.URL()}, nil), p.open(t, strata.Config{RedisURL: server.URL()}, nil)
	sum(t, a.wholes, "1", 0)
	const hold = 500 * time.Millisecond
	began := time.Now()
	if _, err := b.parts.BeginWrite(t.Context(), hold, 1); err != nil {
		t.Fatal(err)
	}
	sum(t, a.wholes, "1", 0) // the value of the source, while the writer runs
	e, err := a.wholes.GetEntry(t.Context(), "1")
	if most := store.At(began.Add(hold + 100*time.Millisecond)); err != nil || e.ExpiresAt == 0 || e.ExpiresAt > most {
		t.Errorf("it lives until %v, %v; the hold until %v", e.ExpiresAt, err, most)
	}
	p.version(1).Store(1) // and the writer crashes
	redistest.WaitFor(t, "the hold to end", func() bool {
		v, err := a.wholes.Get(t.Context(), "1")
		return err == nil && v == 1
	})
	sum(t, b.wholes, "1", 1)
}

// R16 for wholes: no whole made of a part with a load that outlives a hold is kept.
func TestCaptureDeps_loadThatOutlivesTheHold(t *testing.T) {
	server := redistest.Start(t, nil)
	p := plan{slow: make(chan struct{})}
	a, b := p.open(t, strata.Config{RedisURL: server.URL()}, nil), p.open(t, strata.Config{RedisURL: server.URL()}, nil)
	const hold = 300 * time.Millisecond
	began := time.Now()
	if _, err := b.parts.BeginWrite(t.Context(), hold, 1); err != nil {
		t.Fatal(err)
	}
	answer := make(chan int64)
	go func() {
		v, err := a.wholes.Get(t.Context(), "1")
		if err != nil {
			t.Error(err)
		}
		answer <- v
	}()
	redistest.WaitFor(t, "the load of the part to begin, and the hold to end", func() bool {
		return p.parts.Load() == 1 && time.Since(began) > 2*hold
	})
	p.version(1).Store(1) // the commit is late, and its writer has crashed
	close(p.slow)
	if v := <-answer; v != 0 {
		t.Errorf("who asked before it got %d", v)
	}
	sum(t, a.wholes, "1", 1)
	sum(t, b.wholes, "1", 1)
}

// A change that Redis has not acknowledged affects the wholes, too: here at once, elsewhere
// after Redis has acknowledged it.
func TestCaptureDeps_redisAway(t *testing.T) {
	server := redistest.Start(t, nil)
	link := redistest.StartProxy(t, server.Addr())
	var p plan
	a := p.open(t, strata.Config{RedisURL: "redis://" + link.Addr()}, nil)
	b := p.open(t, strata.Config{RedisURL: server.URL()}, nil)
	for i, change := range []func(context.Context) error{
		func(ctx context.Context) error { return a.parts.Delete(ctx, 1) },
		func(ctx context.Context) error { return a.parts.Clear(ctx) },
		func(ctx context.Context) error {
			ctx, cancel := context.WithTimeout(ctx, 20*time.Millisecond)
			defer cancel()
			return a.parts.Delete(ctx, 1)
		},
	} {
		v := int64(i)
		sum(t, a.wholes, "1", v)
		sum(t, b.wholes, "1", v)
		link.Hole(true)
		p.version(1).Add(1)
		if err := change(t.Context()); err == nil {
			t.Error("Redis was told")
		}
		if got, err := a.wholes.Get(t.Context(), "1"); err != nil || got != v+1 {
			t.Errorf("who changed it has %d, %v", got, err)
		}
		link.Hole(false)
		link.Cut()
		redistest.WaitFor(t, "others to hear of it", func() bool {
			got, err := b.wholes.Get(t.Context(), "1")
			return err == nil && got == v+1
		})
		redistest.WaitFor(t, "Redis to be told", func() bool { return a.parts.Stats().RetryQueue == 0 })
		sum(t, a.wholes, "1", v+1)
	}
}

// A whole made of a suspect copy is returned and not kept: another process may have changed
// the part long before the load began.
func TestCaptureDeps_suspectCopy(t *testing.T) {
	server := redistest.Start(t, nil)
	link := redistest.StartProxy(t, server.Addr())
	var p plan
	a := p.open(t, strata.Config{RedisURL: "redis://" + link.Addr()}, &strata.Options[int, int64]{StaleFor: time.Hour})
	redistest.WaitFor(t, "the part to be in L1", func() bool {
		e, err := a.parts.GetEntry(t.Context(), 1)
		return err == nil && e.Tier == layered.L1
	})
	p.failing.Store(true)
	link.Refuse(true)
	link.Cut()
	for range 50 { // until Redis is not called any more
		before := p.wholes.Load()
		if v, err := a.wholes.Get(t.Context(), "1"); v != 0 || err != nil || p.wholes.Load() != before+1 {
			t.Errorf("got %d, %v, after %d loads", v, err, p.wholes.Load()-before)
		}
	}
}

// Under any concurrency, a strict read after a change sees it, through two caches, and in
// the end all processes have the last value.
func TestCaptureDeps_history(t *testing.T) {
	server := redistest.Start(t, nil)
	for name, c := range map[string]strata.Config{
		"L1": {}, "both": {RedisURL: server.URL()}, "broadcast": {RedisURL: server.URL(), Tracking: strata.Broadcast, Prefix: "b:"},
	} {
		t.Run(name, func(t *testing.T) { captureHistory(t, c) })
	}
}

func captureHistory(t *testing.T, c strata.Config) {
	var p plan
	all := []*process{p.open(t, c, nil)}
	if c.RedisURL != "" {
		all = append(all, p.open(t, c, nil))
	}
	const parts, rounds = 3, 60
	var told [parts]atomic.Int64
	var wg sync.WaitGroup
	done := make(chan struct{})
	var reads atomic.Int64
	for _, q := range all {
		for id := range parts {
			wg.Go(func() {
				for {
					select {
					case <-done:
						return
					default:
					}
					name := fmt.Sprint(id, " ", 100+reads.Load()%2)
					least := told[id].Load()
					v, err := q.houses.GetFresh(t.Context(), name)
					if most := p.version(id).Load(); err != nil || v < least || v > most {
						t.Errorf("read %d, %v; when it began there was %d, when it ended %d", v, err, least, most)
						return
					}
					if _, err := q.houses.Get(t.Context(), name); err != nil {
						t.Error(err)
					}
					reads.Add(1)
				}
			})
		}
	}
	var writers sync.WaitGroup
	for id := range parts {
		writers.Go(func() {
			for i := range rounds {
				before := reads.Load()
				redistest.WaitFor(t, "others to read", func() bool { return reads.Load() > before+2 || t.Failed() })
				v := p.version(id).Add(1)
				q := all[i%len(all)]
				var err error
				switch i % 7 {
				case 5:
					_, err = q.parts.SetIfNewer(t.Context(), id, v, uint64(v))
				case 6:
					_, err = q.parts.Refresh(t.Context(), id)
				default:
					err = q.parts.Delete(t.Context(), id)
				}
				if err != nil {
					t.Error(err)
				}
				told[id].Store(v)
			}
		})
	}
	writers.Wait()
	close(done)
	wg.Wait()
	for _, q := range all {
		for id := range parts {
			for other := 100; other < 102; other++ {
				sum(t, q.houses, fmt.Sprint(id, " ", other), rounds)
			}
		}
	}
	t.Logf("%d reads, %d loads of wholes", reads.Load(), p.wholes.Load())
}
