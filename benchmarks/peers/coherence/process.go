package main

import (
	"context"
	"math/rand/v2"
	"sync"
	"sync/atomic"
	"time"
)

// A process is one of several that read and write the same keys.
type process struct {
	index, of int // this one, and how many there are

	reads, writes float64 // a second; writes are those of all processes
	reg           *register
	access        access
	seen          [keys]atomic.Uint64 // the newest version that a read of this process has returned
	busy          [keys]atomic.Bool   // writes that are not done
	counts        counts
}

// counts are what a process saw.
type counts struct {
	Reads, Failed, Stale, Back, Writes, Retries atomic.Int64

	Longest atomic.Int64 // nanoseconds of staleness
}

// A tally is counts that were taken, as JSON.
type tally struct {
	Reads, Failed, Stale, Back, Writes, Retries, Longest int64
}

func (c *counts) tally() tally {
	return tally{c.Reads.Load(), c.Failed.Load(), c.Stale.Load(), c.Back.Load(), c.Writes.Load(), c.Retries.Load(), c.Longest.Load()}
}

func (c *counts) reset() {
	for _, n := range []*atomic.Int64{&c.Reads, &c.Failed, &c.Stale, &c.Back, &c.Writes, &c.Retries, &c.Longest} {
		n.Store(0)
	}
}

func (t *tally) add(o tally) {
	t.Reads, t.Failed, t.Stale, t.Back = t.Reads+o.Reads, t.Failed+o.Failed, t.Stale+o.Stale, t.Back+o.Back
	t.Writes, t.Retries, t.Longest = t.Writes+o.Writes, t.Retries+o.Retries, max(t.Longest, o.Longest)
}

const (
	readers   = 8    // goroutines that begin reads
	mostReads = 8192 // that wait at one time; others fail

	pause        = 10 * time.Millisecond // a reader does its share of this in one go
	readDeadline = time.Second           // of a read

	writeDeadline = 10 * time.Second // of an attempt
)

// run reads and writes until ctx ends.
func (p *process) run(ctx context.Context) {
	var wg sync.WaitGroup
	for g := range readers {
		wg.Go(func() { p.readAll(ctx, uint64(g)) })
	}
	wg.Go(func() { p.writeAll(ctx) })
	wg.Wait()
}

// readAll begins reads at a rate. One that waits does not hold up the others, as requests of a
// service do not wait for each other.
func (p *process) readAll(ctx context.Context, g uint64) {
	var wg sync.WaitGroup
	defer wg.Wait()
	z := zipf(uint64(p.index)*readers + g)
	share := p.reads * pause.Seconds() / readers
	places := make(chan struct{}, mostReads/readers)
	due := 0.0
	for next := time.Now(); ctx.Err() == nil; next = next.Add(pause) {
		for due += share; due >= 1; due-- {
			key := int(z.Uint64())
			select {
			case places <- struct{}{}:
				wg.Go(func() { p.readOne(ctx, key); <-places })
			default:
				p.counts.Failed.Add(1)
			}
		}
		if late := time.Since(next); late > readDeadline { // it does not make up for an outage
			next = time.Now()
		}
		wait(ctx, time.Until(next.Add(pause)))
	}
}

func (p *process) readOne(ctx context.Context, key int) {
	bounded, cancel := context.WithTimeout(ctx, readDeadline)
	defer cancel()
	seen, committed, begin := p.seen[key].Load(), p.reg.committed(key), time.Now()
	v, err := p.access.read(bounded, key)
	switch {
	case err != nil && ctx.Err() != nil: // the end
	case err != nil:
		p.counts.Failed.Add(1)
	default:
		p.judge(key, v, seen, committed, begin)
	}
}

// judge counts a read that returned a version. Before it began, this process had seen one, and
// one was committed.
func (p *process) judge(key int, v, seen, committed uint64, begin time.Time) {
	p.counts.Reads.Add(1)
	if v < committed {
		p.counts.Stale.Add(1)
		raise(&p.counts.Longest, int64(p.reg.staleness(key, v, begin)))
	}
	if v < seen {
		p.counts.Back.Add(1)
	}
	for old := p.seen[key].Load(); v > old && !p.seen[key].CompareAndSwap(old, v); old = p.seen[key].Load() {
	}
}

func raise(n *atomic.Int64, to int64) {
	for old := n.Load(); to > old && !n.CompareAndSwap(old, to); old = n.Load() {
	}
}

// writeAll writes the keys of this process, of which each key has one. A key whose write is not
// done is left out.
func (p *process) writeAll(ctx context.Context) {
	var wg sync.WaitGroup
	defer wg.Wait()
	z := zipf(1<<20 + uint64(p.index))
	every := time.Duration(float64(time.Second) * float64(p.of) / max(p.writes, 1e-6))
	wait(ctx, time.Duration(float64(every)*rand.Float64()))
	for next := time.Now(); ctx.Err() == nil; next = next.Add(every) {
		for range 50 {
			key := int(z.Uint64())
			if key = key - key%p.of + p.index; key < keys && p.busy[key].CompareAndSwap(false, true) {
				wg.Go(func() { defer p.busy[key].Store(false); p.writeOne(ctx, key) })
				break
			}
		}
		if time.Since(next) > readDeadline {
			next = time.Now()
		}
		wait(ctx, time.Until(next.Add(every)))
	}
}

// writeFirst writes all keys of this process once.
func (p *process) writeFirst(ctx context.Context) {
	var wg sync.WaitGroup
	defer wg.Wait()
	for key := p.index; key < keys; key += p.of {
		wg.Go(func() { p.writeOne(ctx, key) })
	}
}

// writeOne writes the next version of a key, and repeats it until a call succeeds: only then
// the write is done.
func (p *process) writeOne(ctx context.Context, key int) {
	v := max(p.reg.committed(key), p.reg.source(key).Load()) + 1
	for {
		bounded, cancel := context.WithTimeout(ctx, writeDeadline)
		err := p.access.write(bounded, key, v)
		cancel()
		if err == nil {
			break
		}
		if ctx.Err() != nil {
			return
		}
		p.counts.Retries.Add(1)
		wait(ctx, 20*time.Millisecond)
	}
	p.reg.commit(key, v, time.Now())
	p.counts.Writes.Add(1)
}

// zipf returns keys by Zipf's law.
func zipf(seed uint64) *rand.Zipf {
	return rand.NewZipf(rand.New(rand.NewPCG(seed, 7)), 1.01, 1, keys-1)
}

// wait returns after d or at the end of ctx.
func wait(ctx context.Context, d time.Duration) {
	if d <= 0 {
		return
	}
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-ctx.Done():
	case <-t.C:
	}
}
