package integration_test

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"sync"
	"testing"
	"time"

	"github.com/lokroom/strata/codec"
	"github.com/lokroom/strata/internal/mutant"
	"github.com/lokroom/strata/internal/redistest"
	"github.com/lokroom/strata/layered"
	"github.com/lokroom/strata/store"
	"github.com/lokroom/strata/store/redisstore"
)

// A gateCodec can hold a reply of Redis back on its way to L1.
type gateCodec struct {
	codec.Codec[int64]
	mu   sync.Mutex
	gate chan struct{} // not nil: the next Decode reports its arrival, and waits
	here chan struct{}
}

func (c *gateCodec) CodecID() byte { return codec.ID(c.Codec) }

func (c *gateCodec) Decode(src []byte) (int64, error) {
	c.mu.Lock()
	gate, here := c.gate, c.here
	c.gate = nil
	c.mu.Unlock()
	v, err := c.Codec.Decode(src)
	if gate != nil {
		close(here)
		<-gate
	}
	return v, err
}

// hold makes the next Decode wait until release is called; here is closed when Decode is
// called.
func (c *gateCodec) hold() (here <-chan struct{}, release func()) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.gate, c.here = make(chan struct{}), make(chan struct{})
	gate := c.gate
	return c.here, func() {
		c.mu.Lock()
		c.gate = nil // if Decode was not called
		c.mu.Unlock()
		close(gate)
	}
}

// soon waits for cond like redistest.WaitFor, but polls more often: an invalidation takes a
// fraction of a millisecond.
func soon(t *testing.T, what string, cond func() bool) {
	t.Helper()
	for began := time.Now(); time.Since(began) < 5*time.Millisecond; time.Sleep(20 * time.Microsecond) {
		if cond() {
			return
		}
	}
	redistest.WaitFor(t, what, cond)
}

// A duel is a process that reads through L1 and a failing network, and another one that
// writes.
type duel struct {
	t      *testing.T
	proxy  *redistest.Proxy
	gate   *gateCodec
	reader *layered.Store[int64]
	writer *redisstore.Store[int64]
	latest map[string]int64

	cuts, held, lost int
}

func newDuel(t *testing.T, l1 store.Store[int64], told redisstore.Dialer) *duel {
	server := redistest.Start(t, nil)
	d := &duel{t: t, proxy: redistest.StartProxy(t, server.Addr()), latest: make(map[string]int64)}
	d.gate = &gateCodec{Codec: codec.Msgpack[int64]()}
	l2 := redisstore.New(dialWith(t, told, d.proxy.Addr()), &redisstore.Options[int64]{Prefix: "duel:", Codec: d.gate})
	// A sample would drop a copy that the fences have missed.
	d.reader = tiers(t, l1, l2, &layered.Options[int64]{SampleEvery: -1})
	d.writer = redisstore.New(dial(t, server.Addr()), &redisstore.Options[int64]{Prefix: "duel:"})
	return d
}

// told returns when the reader has processed a change of key, or has lost its connection.
func (d *duel) told(before layered.Counts) {
	soon(d.t, "the push or the loss of the connection", func() bool {
		now := d.reader.Counts()
		return now.Invalidations > before.Invalidations || now.Lost > before.Lost
	})
}

// round changes one key in one of several ways while the reader reads it, and reports
// whether the reader finally serves the latest value.
func (d *duel) round(r *rand.Rand) (ok bool) {
	ctx := d.t.Context()
	key := fmt.Sprint("k", r.IntN(64))
	cut := r.IntN(50) == 0
	if r.IntN(10) > 0 { // L1 has a copy; otherwise it is random
		d.reader.Get(ctx, key)
	}
	if _, warm := d.reader.Local(ctx, key); !warm || r.IntN(2) == 0 {
		d.force(ctx, key, cut)
	} else {
		if cut {
			d.cut()
		}
		d.change(ctx, key)
	}
	return d.serves(ctx, key, d.latest[key], 2*time.Second)
}

// force forces race R2: the reply is held back until the invalidation, or the loss of the
// connection, has been processed.
func (d *duel) force(ctx context.Context, key string, cut bool) {
	d.change(ctx, key) // drops the copy: the next read goes to Redis
	soon(d.t, "the copy in L1 to be dropped", func() bool {
		e, ok := d.reader.Local(ctx, key)
		return !ok || e.Value == d.latest[key]
	})
	if _, ok := d.reader.Local(ctx, key); ok {
		return // read again already: nothing to force
	}
	here, release := d.gate.hold()
	done := make(chan error, 1)
	go func() {
		_, err := d.reader.Get(ctx, key)
		done <- err
	}()
	select {
	case <-here:
		d.held++
		before := d.reader.Counts()
		if cut {
			d.cut()
		}
		d.change(ctx, key)
		d.told(before)
		release()
		<-done
	case <-done: // the connection was lost before the reply
		release()
	}
}

func (d *duel) cut() {
	d.cuts++
	before := d.reader.Counts().Lost
	d.proxy.Cut()
	soon(d.t, "the loss to be noticed", func() bool { return d.reader.Counts().Lost > before })
	d.lost++
}

func (d *duel) change(ctx context.Context, key string) {
	v := d.latest[key] + 1
	if err := d.writer.Set(ctx, key, store.Entry[int64]{Value: v}); err != nil {
		d.t.Fatal(err)
	}
	d.latest[key] = v
}

// serves reports whether the reader returns want within the time of an invalidation.
func (d *duel) serves(ctx context.Context, key string, want int64, patience time.Duration) bool {
	for deadline := time.Now().Add(patience); ; {
		e, err := d.reader.Get(ctx, key)
		switch {
		case err == nil && e.Value == want:
			return true
		case err != nil && !errors.Is(err, store.ErrUnavailable) && !errors.Is(err, store.ErrNotFound):
			d.t.Fatal(err)
		case time.Now().After(deadline):
			return false
		}
		time.Sleep(50 * time.Microsecond)
	}
}

// Neither a lost connection nor a change that overtakes a reply leaves a stale entry in L1.
func TestCoherence_cutsAndForcedRaces(t *testing.T) {
	for name, l1 := range l1s[int64]() {
		t.Run(name, func(t *testing.T) {
			rounds := 1_000
			if name == "otterstore" && !testing.Short() { // the default engine
				rounds = 10_000
			}
			cutsAndForcedRaces(t, newDuel(t, l1(t), redisstore.Dialer{}), rounds)
		})
	}
	t.Run("broadcast", func(t *testing.T) {
		d := newDuel(t, l1s[int64]()["otterstore"](t), redisstore.Dialer{Broadcast: []string{"duel:"}})
		cutsAndForcedRaces(t, d, 1_000)
	})
}

func cutsAndForcedRaces(t *testing.T, d *duel, rounds int) {
	r := rand.New(rand.NewPCG(1, 2))
	stale := 0
	for i := range rounds {
		if !d.round(r) {
			stale++
			t.Errorf("round %d: a stale entry stays in L1", i)
			if stale > 5 {
				break
			}
		}
	}
	c := d.reader.Counts()
	t.Logf("%d rounds: %d replies held back, %d cuts, %d pushes, %d copies refused, %d hits in L1, %d stale",
		rounds, d.held, d.cuts, c.Invalidations, c.Refused, c.L1Hits, stale)
	// A run without the intended events proves nothing.
	if d.held < rounds/10 || d.cuts < rounds/100 || c.Refused < uint64(rounds/10) || c.L1Hits == 0 {
		t.Error("the races were not forced often enough")
	}
}

// The control: without the fence the same rounds do leave stale entries.
func TestCoherence_withoutTheFence(t *testing.T) {
	defer mutant.Without(&mutant.NoFence, &mutant.NoEpoch)()
	d := newDuel(t, l1s[int64]()["otterstore"](t), redisstore.Dialer{})
	r := rand.New(rand.NewPCG(1, 2))
	for range 1000 {
		if !d.round(r) {
			return
		}
	}
	t.Error("no stale entry in 1,000 rounds without the guard: the test above cannot fail")
}
