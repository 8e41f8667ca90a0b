package main

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/lokroom/strata/benchmarks/peers/adapter"
	"github.com/lokroom/strata/benchmarks/peers/report"
	"github.com/lokroom/strata/internal/redistest"
)

// some opens peers by name.
func some(names ...string) func(adapter.Peer) bool {
	return func(p adapter.Peer) bool {
		for _, n := range names {
			if p.Name == n {
				return true
			}
		}
		return false
	}
}

// growCallers measures reads of Redis by 1 to 256 callers.
func (r *run) growCallers() error {
	o, err := open(adapter.Env{Addr: r.addr, Capacity: 10 * hot, TTL: life}, some("strata-l2", "rueidis", "go-redis", "go-redis-autopipeline"))
	if err != nil {
		return err
	}
	defer o.close()
	if err := o.fill(hot); err != nil {
		return err
	}
	cs := o.contenders(hits(zipf(hot)))
	for n := 1; n <= 256; n *= 4 {
		w := report.Work{Name: fmt.Sprintf("%d callers", n), Group: "callers", X: float64(n), What: "Reads of 1,000 keys in Redis."}
		if err := r.work(w, plan{callers: n, batch: 4}, cs); err != nil {
			return err
		}
	}
	return nil
}

// growKeys measures hits in the process with 1,000 to 10,000,000 entries.
func (r *run) growKeys() error {
	for n := 1000; n <= 10_000_000; n *= 10 {
		name := fmt.Sprintf("%d keys", n)
		if r.skips(name) {
			continue
		}
		if err := r.growKeysTo(n, name); err != nil {
			return fmt.Errorf("%s: %w", name, err)
		}
	}
	return nil
}

func (r *run) growKeysTo(n int, name string) error {
	keys := make([]string, n)
	for i := range keys {
		keys[i] = nameOf(i)
	}
	order := zipf(n)
	var cs []contender
	for _, peer := range []string{"strata-l1", "strata-l1-ristretto", "otter", "ristretto", "golang-lru"} {
		p, err := adapter.Find(peer)
		if err != nil {
			return err
		}
		c, err := p.Open(adapter.Env{Capacity: n + n/4, TTL: life})
		if err != nil {
			return err
		}
		defer c.Close()
		v := adapter.Item{Title: "Rooms with a view"}
		for i, key := range keys {
			v.ID = int64(i)
			if err := c.Set(ctx, key, v); err != nil {
				return err
			}
			if c.Settle != nil && i%1000 == 999 {
				c.Settle()
			}
		}
		cs = append(cs, contender{peer, func(i int) error {
			k := int(order[i%len(order)])
			if v, err := c.Get(ctx, keys[k]); !errors.Is(err, adapter.ErrMiss) { // an engine may refuse some
				return check(v, err, k)
			}
			return nil
		}})
	}
	return r.work(report.Work{Name: name, Group: "keys", X: float64(n), What: "Hits in the process, one goroutine, keys by Zipf's law."}, plan{callers: 1, batch: 512}, cs)
}

// growValues measures reads of Redis of values of 1 to 64 KiB.
func (r *run) growValues() error {
	for kib := 1; kib <= 64; kib *= 4 {
		name := fmt.Sprintf("%d KiB values", kib)
		if r.skips(name) {
			continue
		}
		o, err := open(adapter.Env{Addr: r.addr, Capacity: 100, TTL: life}, some("strata-l2", "rueidis", "go-redis"))
		if err != nil {
			return err
		}
		title := strings.Repeat("lorem ipsum dolor sit amet ", kib<<10/27+1)[:kib<<10]
		for _, c := range o.caches {
			for i := range 100 {
				if err := c.Set(ctx, names()[i], adapter.Item{ID: int64(i), Title: title}); err != nil {
					o.close()
					return err
				}
			}
		}
		err = r.work(report.Work{Name: name, Group: "values", X: float64(kib), What: "Reads of 100 keys in Redis, 16 callers; the default codec compresses nothing."},
			plan{callers: 16, batch: 2}, o.contenders(hits(zipf(100))))
		o.close()
		if err != nil {
			return err
		}
	}
	return nil
}

// growProcesses measures reads of Redis by 1 to 16 processes with 16 callers each, and what a
// read costs the server.
func (r *run) growProcesses() error {
	if r.skips("processes") {
		return nil
	}
	cluster, err := redistest.NewCluster(3)
	if err != nil {
		return err
	}
	defer cluster.Close()
	nodes := make([]string, len(cluster.Nodes))
	for i, n := range cluster.Nodes {
		nodes[i] = n.Addr()
	}
	for n := 1; n <= 16; n *= 2 {
		r.log("%d processes", n)
		reads := report.Work{Name: fmt.Sprintf("%d processes", n), Group: "processes", X: float64(n), Unit: "reads/s", More: true, What: "Reads of 1,000 keys in Redis by all processes together, 16 callers each."}
		cost := report.Work{Name: fmt.Sprintf("%d processes: server", n), Group: "server", X: float64(n), Unit: "µs", What: "CPU time of the servers for a read."}
		for _, c := range []struct {
			label, peer string
			servers     []string
		}{{"strata-l2", "strata-l2", []string{r.addr}}, {"rueidis", "rueidis", []string{r.addr}}, {"strata-l2, 3 nodes", "strata-l2", nodes}, {"rueidis, 3 nodes", "rueidis", nodes}} {
			rates, costs, err := r.readers(n, c.peer, c.servers)
			if err != nil {
				return fmt.Errorf("%d processes, %s: %w", n, c.label, err)
			}
			reads.Rows = append(reads.Rows, report.Row{Peer: c.label, Values: rates})
			cost.Rows = append(cost.Rows, report.Row{Peer: c.label, Values: costs})
		}
		r.add(reads)
		r.add(cost)
	}
	return nil
}

func (r *run) readers(n int, peer string, servers []string) (rates, costs []float64, err error) {
	all, err := startAll(n, "reads", append([]string{peer}, servers...)...)
	if err != nil {
		return nil, nil, err
	}
	defer func() { err = errors.Join(err, stopAll(all)) }()
	for range r.rounds {
		before, err := serverSeconds(servers)
		if err != nil {
			return nil, nil, err
		}
		for _, c := range all {
			if err := c.Send("%d", 3*r.slice); err != nil {
				return nil, nil, err
			}
		}
		rate := 0.0
		for _, c := range all {
			line, err := c.Line()
			if err != nil {
				return nil, nil, err
			}
			one, err := strconv.ParseFloat(strings.TrimSpace(line), 64)
			if err != nil {
				return nil, nil, err
			}
			rate += one
		}
		after, err := serverSeconds(servers)
		if err != nil {
			return nil, nil, err
		}
		rates, costs = append(rates, rate), append(costs, 1e6*(after-before)/(rate*(3*r.slice).Seconds()))
	}
	return rates, costs, nil
}

// serverSeconds returns the CPU time that servers have taken.
func serverSeconds(addrs []string) (sum float64, err error) {
	for _, addr := range addrs {
		used, err := cpuOf(addr)
		if err != nil {
			return 0, err
		}
		sum += used
	}
	return sum, nil
}

func childReads(args []string) error {
	p, err := adapter.Find(args[0])
	if err != nil {
		return err
	}
	c, err := p.Open(adapter.Env{Addr: args[1], Addrs: args[1:], Prefix: args[0] + ":grow:", Capacity: 10_000, TTL: life})
	if err != nil {
		return err
	}
	defer c.Close()
	for i := range hot {
		if err := c.Set(context.Background(), names()[i], itemOf(i)); err != nil {
			return err
		}
	}
	read := hits(zipf(hot))(c)
	return asked(func(line string) (string, error) {
		slice, err := strconv.ParseInt(line, 10, 64)
		if err != nil {
			return "", err
		}
		took, err := one(plan{callers: 16, batch: 4}, time.Duration(slice), read)
		return strconv.FormatFloat(1e9/took, 'f', 0, 64), err
	})
}
