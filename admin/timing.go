package admin

import (
	"context"
	"maps"
	"math/bits"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/lokroom/strata/store"
)

// A histogram counts durations in four buckets for each power of two, from 1 us to 17 s, so that
// a quantile is off by at most an eighth.
const (
	lowestBit = 10 // 1,024 ns
	buckets   = 4 * 24
)

type durations [buckets]uint32

type histogram [buckets]atomic.Uint32

func bucketOf(d time.Duration) int {
	n := uint64(max(d, 1<<lowestBit))
	top := bits.Len64(n) - 1
	return min(4*(top-lowestBit)+int(n>>(top-2)&3), buckets-1)
}

// middle returns the middle of a bucket in seconds.
func middle(bucket int) float32 {
	low := float64(uint64(4+bucket%4) << (lowestBit - 2 + bucket/4))
	return float32(low * (1 + .5/float64(4+bucket%4)) / 1e9)
}

// take returns the counts and sets them to zero.
func (h *histogram) take() (d durations) {
	for i := range h {
		if h[i].Load() > 0 {
			d[i] = h[i].Swap(0)
		}
	}
	return d
}

func (d *durations) add(more *durations) {
	for i, n := range more {
		d[i] = clamp(uint64(d[i]) + uint64(n))
	}
}

// quantile returns the duration in seconds that a share q of all does not exceed; 0: there are
// none.
func (d *durations) quantile(q float64) float32 {
	var total, seen uint64
	for _, n := range d {
		total += uint64(n)
	}
	for i, n := range d {
		if seen += uint64(n); seen > 0 && float64(seen) >= q*float64(total) {
			return middle(i)
		}
	}
	return 0
}

// A byName has a value for each name: of a cache, or a policy. There are few, and they are looked up
// often.
type byName[V any] struct {
	mu     sync.Mutex                    // held to add one
	values atomic.Pointer[map[string]*V] // a map is not changed any more
}

func (b *byName[V]) all() map[string]*V {
	if m := b.values.Load(); m != nil {
		return *m
	}
	return nil
}

// of returns the value of a name, and adds it first if it is new.
func (b *byName[V]) of(name string) *V {
	if v := b.all()[name]; v != nil {
		return v
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	if v := b.all()[name]; v != nil {
		return v
	}
	more := make(map[string]*V)
	maps.Copy(more, b.all())
	more[name] = new(V)
	b.values.Store(&more)
	return more[name]
}

// A timer is a store.Observer that counts how long reads in Redis and loads take. An answer from
// memory is no operation, so that it costs nothing there.
type timer struct{ byName[[2]histogram] }

func (t *timer) Begin(ctx context.Context, _ store.Op) context.Context { return ctx }

func (t *timer) End(_ context.Context, op store.Op, r store.Result) {
	which := 1
	switch {
	case op.Store == "redis" && strings.HasPrefix(op.Name, "get"):
		which = 0
	case op.Store != "source":
		return
	}
	t.of(op.Cache)[which][bucketOf(r.Elapsed)].Add(1)
}
