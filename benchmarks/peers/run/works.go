package main

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"sync/atomic"
	"time"

	"github.com/lokroom/strata/benchmarks/peers/adapter"
	"github.com/lokroom/strata/benchmarks/peers/report"
)

var ctx = context.Background()

// life is longer than a run, so that no entry expires.
const life = 6 * time.Hour

// opened opens peers and closes what it has opened before with them.
type opened struct {
	caches map[string]*adapter.Cache
	order  []string
}

func (o *opened) close() {
	for _, c := range o.caches {
		c.Close()
	}
}

// open opens all peers that want accepts.
func open(e adapter.Env, want func(adapter.Peer) bool) (*opened, error) {
	o := &opened{caches: make(map[string]*adapter.Cache)}
	for _, p := range adapter.Peers() {
		if !want(p) {
			continue
		}
		own := e
		own.Prefix = p.Name + ":" + strconv.FormatInt(prefixes.Add(1), 10) + ":"
		c, err := p.Open(own)
		if err != nil {
			o.close()
			return nil, fmt.Errorf("%s: %w", p.Name, err)
		}
		o.caches[p.Name], o.order = c, append(o.order, p.Name)
	}
	return o, nil
}

var prefixes atomic.Int64

// fill sets keys 0 to n-1 of every cache.
func (o *opened) fill(n int) error {
	for name, c := range o.caches {
		for i := range n {
			if err := c.Set(ctx, names()[i], itemOf(i)); err != nil {
				return fmt.Errorf("%s: %w", name, err)
			}
			if c.Settle != nil && i%1000 == 999 {
				c.Settle()
			}
		}
		if c.Settle != nil {
			c.Settle()
		}
	}
	return nil
}

func (o *opened) contenders(do func(c *adapter.Cache) func(i int) error) (cs []contender) {
	for _, name := range o.order {
		if work := do(o.caches[name]); work != nil {
			cs = append(cs, contender{name, work})
		}
	}
	return cs
}

func inProcess(p adapter.Peer) bool { return p.Tier == adapter.Local }
func copies(p adapter.Peer) bool    { return p.Tier != adapter.Remote && p.Name != "strata-broadcast" }
func inRedis(p adapter.Peer) bool   { return p.Tier == adapter.Remote }
func withRedis(p adapter.Peer) bool { return p.Tier != adapter.Local && p.Name != "strata-broadcast" }

// hits returns an operation that reads one of keys in an order and expects a hit.
func hits(order []uint32) func(*adapter.Cache) func(int) error {
	all := names()
	return func(c *adapter.Cache) func(int) error {
		return func(i int) error {
			k := int(order[i%len(order)])
			v, err := c.Get(ctx, all[k])
			return check(v, err, k)
		}
	}
}

// work appends a work whose contenders take turns.
func (r *run) work(w report.Work, p plan, cs []contender) error {
	if r.skips(w.Name) {
		return nil
	}
	r.log("%s", w.Name)
	rows, err := inTurns(r.plan(p), cs)
	if err != nil {
		return fmt.Errorf("%s: %w", w.Name, err)
	}
	w.Unit, w.Rows = "ns", rows
	r.results.Works = append(r.results.Works, w)
	return nil
}

// l1 measures hits in the process.
func (r *run) l1() error {
	if r.skips("L1 hit, serial", "L1 hit, parallel") {
		return nil
	}
	o, err := open(adapter.Env{Addr: r.addr, Capacity: 10 * hot, TTL: life}, copies)
	if err != nil {
		return err
	}
	defer o.close()
	if err := o.fill(hot); err != nil {
		return err
	}
	// The first read of a key by a client with copies comes from Redis.
	cs := o.contenders(hits(zipf(hot)))
	for _, c := range cs {
		for i := range 1 << 14 {
			if err := c.do(i); err != nil {
				return fmt.Errorf("%s: %w", c.peer, err)
			}
		}
	}
	return errors.Join(
		r.work(report.Work{Name: "L1 hit, serial", Group: "l1", What: "One goroutine reads 1,000 keys by Zipf's law, all in the process."}, plan{callers: 1, batch: 512}, cs),
		r.work(report.Work{Name: "L1 hit, parallel", Group: "l1", What: "The same by a goroutine for each processor."}, plan{callers: processors(), batch: 512}, cs),
	)
}

// l1Many measures many keys in the process.
func (r *run) l1Many() error {
	if r.skips("L1, Zipf, 1M keys", "L1, 75 % reads, 1M keys") {
		return nil
	}
	o, err := open(adapter.Env{Capacity: 2 * many, TTL: life}, inProcess)
	if err != nil {
		return err
	}
	defer o.close()
	if err := o.fill(many); err != nil {
		return err
	}
	order, all := zipf(many), names()
	read := func(c *adapter.Cache, k int) error { // what an engine did not keep is set again
		v, err := c.Get(ctx, all[k])
		if errors.Is(err, adapter.ErrMiss) {
			return c.Set(ctx, all[k], itemOf(k))
		}
		return check(v, err, k)
	}
	reads := o.contenders(func(c *adapter.Cache) func(int) error {
		return func(i int) error { return read(c, int(order[i%len(order)])) }
	})
	mixed := o.contenders(func(c *adapter.Cache) func(int) error {
		return func(i int) error {
			k := int(order[i%len(order)])
			if i%4 == 0 {
				return c.Set(ctx, all[k], adapter.Item{ID: int64(k)})
			}
			return read(c, k)
		}
	})
	return errors.Join(
		r.work(report.Work{Name: "L1, Zipf, 1M keys", Group: "l1", What: "1,048,576 entries, all in the process, read by Zipf's law by a goroutine for each processor."}, plan{callers: processors(), batch: 512}, reads),
		r.work(report.Work{Name: "L1, 75 % reads, 1M keys", Group: "l1", What: "The same entries; every fourth operation is a Set."}, plan{callers: processors(), batch: 256}, mixed),
	)
}

// l2 measures hits in Redis, without a copy in the process.
func (r *run) l2() error {
	o, err := open(adapter.Env{Addr: r.addr, Capacity: 10 * hot, TTL: life}, inRedis)
	if err != nil {
		return err
	}
	defer o.close()
	if err := o.fill(hot); err != nil {
		return err
	}
	cs := o.contenders(hits(zipf(hot)))
	for _, callers := range []int{1, 8, 64, 256} {
		name := fmt.Sprintf("L2 hit, %d callers", callers)
		if callers == 1 {
			name = "L2 hit, 1 caller"
		}
		w := report.Work{Name: name, Group: "l2", X: float64(callers), What: "Reads of 1,000 keys in Redis by Zipf's law, with decoding. Wall time for an operation: callers share it."}
		if err := r.work(w, plan{callers: callers, batch: 4}, cs); err != nil {
			return err
		}
	}
	batches := o.contenders(func(c *adapter.Cache) func(int) error {
		return func(i int) error {
			first := i * 100 % hot
			found, err := c.Many(ctx, names()[first:first+100])
			if err == nil && len(found) != 100 {
				err = errWrong
			}
			return err
		}
	})
	return r.work(report.Work{Name: "L2, batch of 100", Group: "l2", What: "One goroutine reads 100 keys in one call, with decoding."}, plan{callers: 1, batch: 1}, batches)
}

// misses measures loads of keys that no one has read before.
func (r *run) misses() error {
	var last atomic.Int64
	load := func(_ context.Context, key string) (adapter.Item, error) {
		for start := time.Now(); time.Since(start) < time.Microsecond; {
		}
		return adapter.Item{ID: 7, Title: "Rooms with a view"}, nil
	}
	loads := func(c *adapter.Cache) func(int) error {
		if c.Load == nil {
			return nil
		}
		return func(int) error {
			v, err := c.Load(ctx, nameOf(int(last.Add(1))))
			return check(v, err, 7)
		}
	}
	for _, w := range []struct {
		report.Work
		plan
		want func(adapter.Peer) bool
	}{
		{report.Work{Name: "miss, L1", Group: "miss", What: "One goroutine reads keys that nobody has read, in a full cache; a load takes 1 µs."}, plan{callers: 1, batch: 32}, inProcess},
		{report.Work{Name: "miss, Redis, 1 caller", Group: "miss", What: "The same with Redis: a read, a load and a write there."}, plan{callers: 1, batch: 2}, withRedis},
		{report.Work{Name: "miss, Redis, 64 callers", Group: "miss", What: "The same with 64 callers."}, plan{callers: 64, batch: 2}, withRedis},
	} {
		if r.skips(w.Name) {
			continue
		}
		o, err := open(adapter.Env{Addr: r.addr, Capacity: 10 * hot, TTL: life, Load: load}, w.want)
		if err != nil {
			return err
		}
		err = r.work(w.Work, w.plan, slices.DeleteFunc(o.contenders(loads), func(c contender) bool { return c.do == nil }))
		o.close()
		if err != nil {
			return err
		}
	}
	return nil
}
