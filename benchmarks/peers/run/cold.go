package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"sync"
	"sync/atomic"
	"time"

	"github.com/lokroom/strata/benchmarks/peers/adapter"
	"github.com/lokroom/strata/benchmarks/peers/report"
)

const (
	crowd    = 1000 // callers of a process
	coldLoad = 20 * time.Millisecond
)

// A crowded is how a process did with one cold key.
type crowded struct {
	Loads int64
	Waits []float64 // milliseconds, of each caller
}

// cold has crowds of 1,000 callers in one and in four processes ask for a key that is nowhere.
func (r *run) cold() error {
	for _, n := range []int{1, 4} {
		name := fmt.Sprintf("cold key, %d processes", n)
		if n == 1 {
			name = "cold key, 1 process"
		}
		if r.skips(name) {
			continue
		}
		r.log("%s", name)
		what := fmt.Sprintf("%d callers of %d processes ask for one key that is nowhere; a load takes 20 ms.", crowd, n)
		loads := report.Work{Name: name + ": loads", Group: "cold", What: what, Unit: "loads"}
		p99 := report.Work{Name: name + ": p99", Group: "cold", What: what, Unit: "ms"}
		for _, p := range adapter.Peers() {
			if n > 1 && p.Tier == adapter.Local || p.Name == "strata-broadcast" || p.Name == "strata-l1-ristretto" {
				continue
			}
			l, w, err := r.crowds(p, n)
			if err != nil {
				return fmt.Errorf("%s, %s: %w", name, p.Name, err)
			}
			loads.Rows = append(loads.Rows, report.Row{Peer: p.Name, Values: l})
			p99.Rows = append(p99.Rows, report.Row{Peer: p.Name, Values: w})
		}
		r.add(loads)
		r.add(p99)
	}
	return nil
}

// crowds returns loads and 99th percentiles, a value for each round.
func (r *run) crowds(p adapter.Peer, n int) (loads, p99 []float64, err error) {
	all, err := startAll(n, "cold", p.Name, r.addr)
	if err != nil {
		return nil, nil, err
	}
	defer func() { err = errors.Join(err, stopAll(all)) }()
	for round := range r.rounds + 1 {
		key := prefixes.Add(1)
		begin := time.Now().Add(60 * time.Millisecond).UnixNano()
		for _, c := range all {
			if err := c.Send("%d %d", key, begin); err != nil {
				return nil, nil, err
			}
		}
		var sum crowded
		for _, c := range all {
			line, err := c.Line()
			if err != nil {
				return nil, nil, err
			}
			var one crowded
			if err := json.Unmarshal([]byte(line), &one); err != nil {
				return nil, nil, err
			}
			sum.Loads, sum.Waits = sum.Loads+one.Loads, append(sum.Waits, one.Waits...)
		}
		if round > 0 { // the first opens connections
			loads, p99 = append(loads, float64(sum.Loads)), append(p99, report.Quantile(sum.Waits, 0.99))
		}
	}
	return loads, p99, nil
}

// childCold is one of the processes.
func childCold(args []string) error {
	p, err := adapter.Find(args[0])
	if err != nil {
		return err
	}
	var loads atomic.Int64
	c, err := p.Open(adapter.Env{
		Addr: args[1], Prefix: p.Name + ":cold:", Capacity: 10_000, TTL: time.Minute,
		Load: func(context.Context, string) (adapter.Item, error) {
			loads.Add(1)
			time.Sleep(coldLoad)
			return itemOf(7), nil
		},
	})
	if err != nil {
		return err
	}
	defer c.Close()
	return asked(func(line string) (string, error) {
		var key, begin int64
		if _, err := fmt.Sscan(line, &key, &begin); err != nil {
			return "", err
		}
		loads.Store(0)
		waits, err := ask(c, fmt.Sprint("cold:", key), time.Unix(0, begin))
		if err != nil {
			return "", err
		}
		b, err := json.Marshal(crowded{loads.Load(), waits})
		return string(b), err
	})
}

// ask has a crowd ask for a key at one moment, and returns how long each waited.
func ask(c *adapter.Cache, key string, begin time.Time) ([]float64, error) {
	waits, errs := make([]float64, crowd), make([]error, crowd)
	gate := make(chan struct{})
	var wg sync.WaitGroup
	for i := range crowd {
		wg.Go(func() {
			<-gate
			v, err := c.Load(ctx, key)
			errs[i] = check(v, err, 7)
			waits[i] = float64(time.Since(begin)) / float64(time.Millisecond)
		})
	}
	time.Sleep(time.Until(begin))
	close(gate)
	wg.Wait()
	return waits, errors.Join(errs...)
}
