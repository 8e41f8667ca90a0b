package integration_test

import (
	"context"
	"errors"
	"fmt"
	"testing"
	"time"

	"github.com/lokroom/strata/internal/mutant"
	"github.com/lokroom/strata/internal/redistest"
	"github.com/lokroom/strata/layered"
	"github.com/lokroom/strata/store"
	"github.com/lokroom/strata/store/otterstore"
	"github.com/lokroom/strata/store/redisstore"
)

// A house is the client, behind a link that can fail, and the tiers of one process.
type house struct {
	*layered.Store[int]
	link  *redistest.Proxy
	tags  *redisstore.Tags // of L2
	local *layered.Tags
}

// A builder builds a house on a server.
type builder func(*testing.T, *redistest.Server, *layered.Options[int]) *house

// build builds a house with per-key tracking.
func build(t *testing.T, server *redistest.Server, o *layered.Options[int]) *house {
	t.Helper()
	return buildTold(t, server, o, nil)
}

// inBothModes runs a test with houses with per-key tracking, and with broadcast.
func inBothModes(t *testing.T, test func(*testing.T, builder)) {
	t.Run("per key", func(t *testing.T) { test(t, build) })
	t.Run("broadcast", func(t *testing.T) {
		test(t, func(t *testing.T, server *redistest.Server, o *layered.Options[int]) *house {
			t.Helper()
			return buildTold(t, server, o, []string{"h:"})
		})
	})
}

func buildTold(t *testing.T, server *redistest.Server, o *layered.Options[int], broadcast []string) *house {
	t.Helper()
	return buildLinked(t, server, redisstore.Dialer{Broadcast: broadcast}, o)
}

func buildLinked(t *testing.T, server *redistest.Server, d redisstore.Dialer, o *layered.Options[int]) *house {
	t.Helper()
	link := redistest.StartProxy(t, server.Addr())
	h := buildWith(t, d, o, link.Addr())
	h.link = link
	return h
}

// buildQuiet is build without heartbeats after the first: they read and write keys, and a
// late one makes all copies suspect.
func buildQuiet(t *testing.T, server *redistest.Server, o *layered.Options[int]) *house {
	t.Helper()
	with := *o
	with.MaxDisconnected = time.Hour
	return buildLinked(t, server, redisstore.Dialer{MaxDisconnected: time.Hour, Timeout: patience}, &with)
}

// claims matches the Redis keys of claims to load "k".
const claims = "!h:r:h:k:*"

// buildOn builds a house on a cluster.
func buildOn(t *testing.T, maxDisconnected time.Duration, addrs ...string) *house {
	t.Helper()
	return buildWith(t, redisstore.Dialer{MaxDisconnected: maxDisconnected}, &layered.Options[int]{MaxDisconnected: maxDisconnected}, addrs...)
}

func buildWith(t *testing.T, d redisstore.Dialer, o *layered.Options[int], addrs ...string) *house {
	t.Helper()
	return houseOn(t, dialWith(t, d, addrs...), o)
}

func houseOn(t *testing.T, c *redisstore.Client, o *layered.Options[int]) *house {
	t.Helper()
	h := &house{tags: redisstore.NewTags(c, "!h:"), local: &layered.Tags{}}
	if o == nil {
		o = &layered.Options[int]{}
	}
	with := *o
	with.Tags = h.local
	b, err := otterstore.NewBudget(1 << 20)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(b.Close)
	h.Store = tiers(t, otterstore.New[int](b, nil), redisstore.New(c, &redisstore.Options[int]{Prefix: "h:"}), &with)
	return h
}

// A source is a row of a database with reads that can be held back.
type source struct {
	v     int
	loads int
	read  chan struct{} // receives a value when the row has been read
	done  chan struct{} // releases the result
}

func (s *source) load(ctx context.Context, _ string) (store.Entry[int], error) {
	s.loads++
	e := store.Entry[int]{Value: s.v}
	if s.read != nil {
		s.read <- struct{}{}
		select {
		case <-s.done:
		case <-ctx.Done():
			return e, ctx.Err()
		}
	}
	return e, nil
}

// now is a loader that returns v at once.
func now(v int) layered.Loader[int] {
	return func(context.Context, string) (store.Entry[int], error) { return store.Entry[int]{Value: v}, nil }
}

func want(t *testing.T, h *house, load layered.Loader[int], v int, tier layered.Tier) {
	t.Helper()
	f, err := h.Find(t.Context(), "k", layered.Source[int]{Load: load})
	if err != nil || f.Value != v || f.Tier != tier {
		t.Errorf("got %d from %v, %v; want %d from %v", f.Value, f.Tier, err, v, tier)
	}
}

// begin starts a read with a load that is held back, and returns its result.
func begin(t *testing.T, h *house, s *source) <-chan string {
	t.Helper()
	s.read, s.done = make(chan struct{}), make(chan struct{})
	answer := make(chan string, 1)
	go func() {
		f, err := h.Find(t.Context(), "k", layered.Source[int]{Load: s.load})
		answer <- fmt.Sprint(f.Value, f.Tier, err)
	}()
	<-s.read
	return answer
}

// R1: a value loaded before a change elsewhere is not kept after it.
func TestLease_loadOvertakenByAChangeElsewhere(t *testing.T) {
	inBothModes(t, leaseLoadOvertakenByAChangeElsewhere)
}

func leaseLoadOvertakenByAChangeElsewhere(t *testing.T, build builder) {
	server := redistest.Start(t, nil)
	changes := map[string]func(*house) error{
		"Delete": func(h *house) error { return h.Delete(t.Context(), "k") },
		"Set and Delete": func(h *house) error {
			if err := h.Set(t.Context(), "k", store.Entry[int]{Value: 5}); err != nil {
				return err
			}
			return h.Delete(t.Context(), "k")
		},
	}
	for name, change := range changes {
		for _, fenced := range []bool{true, false} {
			t.Run(fmt.Sprintf("%s, fenced %v", name, fenced), func(t *testing.T) {
				a, b := build(t, server, nil), build(t, server, nil)
				if err := b.Delete(t.Context(), "k"); err != nil {
					t.Fatal(err)
				}
				if !fenced {
					defer mutant.Without(&mutant.NoToken)()
				}
				row := &source{v: 0}
				answer := begin(t, a, row)
				if err := change(b); err != nil { // the row is now 1
					t.Fatal(err)
				}
				close(row.done)
				if got := <-answer; got != "0 source <nil>" {
					t.Errorf("who asked before the change got %s", got)
				}
				if !fenced {
					want(t, b, now(1), 0, layered.L2) // the control: the race was forced
					return
				}
				want(t, b, now(1), 1, layered.Origin)
				if n := a.Counts().Refused; n != 1 {
					t.Errorf("%d refused, want 1", n)
				}
				want(t, a, now(9), 1, layered.L2)
			})
		}
	}
}

// R7: a process that stalled with a lease detects that another one has loaded meanwhile.
func TestLease_holderStalls(t *testing.T) { inBothModes(t, leaseHolderStalls) }

func leaseHolderStalls(t *testing.T, build builder) {
	server := redistest.Start(t, nil)
	o := &layered.Options[int]{Lease: 300 * time.Millisecond}
	a, b := build(t, server, o), build(t, server, o)
	row := &source{v: 0}
	answer := begin(t, a, row)
	a.link.Hole(true) // nothing it sends arrives, including renewals
	want(t, b, now(1), 1, layered.Origin)
	a.link.Hole(false)
	close(row.done)
	if got := <-answer; got != "0 source <nil>" {
		t.Errorf("the one who stalled got %s", got)
	}
	want(t, b, now(2), 1, layered.L1)
	want(t, a, now(2), 1, layered.L2)
}

// A load that takes longer than its lease keeps the lease.
func TestLease_isRenewed(t *testing.T) { inBothModes(t, leaseIsRenewed) }

func leaseIsRenewed(t *testing.T, build builder) {
	server := redistest.Start(t, nil)
	o := &layered.Options[int]{Lease: 300 * time.Millisecond}
	a, b := build(t, server, o), build(t, server, o)
	row := &source{v: 7}
	answer := begin(t, a, row)
	waited := make(chan string, 1)
	go func() {
		f, err := b.Find(t.Context(), "k", layered.Source[int]{Load: now(8)})
		waited <- fmt.Sprint(f.Value, f.Tier, err)
	}()
	// Renewals cause invalidations for waiters, which then ask again.
	redistest.WaitFor(t, "four renewals", func() bool { return b.Counts().Waits > 4 })
	close(row.done)
	if got := <-answer; got != "7 source <nil>" {
		t.Errorf("the holder got %s", got)
	}
	if got := <-waited; got != "7 L2 <nil>" {
		t.Errorf("the other got %s", got)
	}
}

// R14: a caller that joins a load from before a change that it may know of does not get the
// result.
func TestLease_joinAfterAChangeElsewhere(t *testing.T) {
	inBothModes(t, leaseJoinAfterAChangeElsewhere)
}

func leaseJoinAfterAChangeElsewhere(t *testing.T, build builder) {
	server := redistest.Start(t, nil)
	for _, fenced := range []bool{true, false} {
		t.Run(fmt.Sprintf("fenced %v", fenced), func(t *testing.T) {
			a, b := build(t, server, nil), build(t, server, nil)
			if err := b.Delete(t.Context(), "k"); err != nil {
				t.Fatal(err)
			}
			if !fenced {
				defer mutant.Without(&mutant.OldJoin)()
			}
			row := &source{v: 0}
			answer := begin(t, a, row)
			a.link.HoleReplies(true) // a does not receive the invalidation
			if err := b.Delete(t.Context(), "k"); err != nil {
				t.Fatal(err)
			}
			joined := make(chan int, 1)
			shared := a.Counts().Shared
			go func() {
				f, _ := a.Find(t.Context(), "k", layered.Source[int]{Load: now(1)})
				joined <- f.Value
			}()
			redistest.WaitFor(t, "the second reader to join", func() bool { return a.Counts().Shared > shared })
			close(row.done)
			a.link.HoleReplies(false)
			<-answer
			v := <-joined
			if fenced && v != 1 || !fenced && v != 0 {
				t.Errorf("who came after the change got %d", v)
			}
		})
	}
}

// A failed load releases the lease: the next one need not wait.
func TestLease_failedLoad(t *testing.T) { inBothModes(t, leaseFailedLoad) }

func leaseFailedLoad(t *testing.T, build builder) {
	server := redistest.Start(t, nil)
	o := &layered.Options[int]{Lease: time.Hour} // a waiter for it fails
	a, b := build(t, server, o), build(t, server, o)
	broken := func(context.Context, string) (store.Entry[int], error) {
		return store.Entry[int]{}, fmt.Errorf("broken")
	}
	if _, err := a.Find(t.Context(), "k", layered.Source[int]{Load: broken}); err == nil || err.Error() != "broken" {
		t.Errorf("got %v", err)
	}
	want(t, b, now(1), 1, layered.Origin)
	for name, load := range map[string]layered.Loader[int]{
		"panic":       func(context.Context, string) (store.Entry[int], error) { panic("broken") },
		"do not keep": func(context.Context, string) (store.Entry[int], error) { return store.Entry[int]{ExpiresAt: 1}, nil },
	} {
		if err := b.Delete(t.Context(), "k"); err != nil {
			t.Fatal(err)
		}
		_, err := a.Find(t.Context(), "k", layered.Source[int]{Load: load})
		if (err != nil) != (name == "panic") {
			t.Errorf("%s: got %v", name, err)
		}
		want(t, b, now(1), 1, layered.Origin)
	}
}

// If there is a stale value, all processes skip a source that failed.
func TestLease_failedLoadOfAStaleValue(t *testing.T) { inBothModes(t, leaseFailedLoadOfAStaleValue) }

func leaseFailedLoadOfAStaleValue(t *testing.T, build builder) {
	server := redistest.Start(t, nil)
	a, b := build(t, server, nil), build(t, server, nil)
	stale := store.Entry[int]{Value: 4, StaleAt: store.Now(), ExpiresAt: store.In(time.Hour)}
	if err := a.Set(t.Context(), "k", stale); err != nil {
		t.Fatal(err)
	}
	broken := func(context.Context, string) (store.Entry[int], error) {
		return store.Entry[int]{}, fmt.Errorf("broken")
	}
	f, err := a.Find(t.Context(), "k", layered.Source[int]{Load: broken})
	if err != nil || f.Value != 4 || !f.Stale || f.Cause == nil || f.Cause.Error() != "broken" {
		t.Errorf("got %+v, %v", f, err)
	}
	f, err = b.Find(t.Context(), "k", layered.Source[int]{Load: func(context.Context, string) (store.Entry[int], error) {
		t.Error("the source was asked again at once")
		return store.Entry[int]{}, nil
	}})
	if err != nil || f.Value != 4 || !f.Stale || !errors.Is(f.Cause, store.ErrLoadFailed) {
		t.Errorf("got %+v, %v", f, err)
	}
	if err := b.Delete(t.Context(), "k"); err != nil { // ends the back-off
		t.Fatal(err)
	}
	want(t, b, now(5), 5, layered.Origin)
}

// Batches of two processes that overlap load each key once.
func TestLease_batches(t *testing.T) { inBothModes(t, leaseBatches) }

func leaseBatches(t *testing.T, build builder) {
	server := redistest.Start(t, nil)
	a, b := build(t, server, nil), build(t, server, nil)
	loads := make(chan string, 100)
	reading, release := make(chan struct{}, 2), make(chan struct{})
	loader := func(who int) layered.ManyLoader[int] {
		return func(_ context.Context, ks []string) (map[string]store.Entry[int], error) {
			reading <- struct{}{}
			<-release
			m := make(map[string]store.Entry[int])
			for _, k := range ks {
				loads <- k
				m[k] = store.Entry[int]{Value: who}
			}
			return m, nil
		}
	}
	type result struct {
		m   map[string]store.Entry[int]
		err error
	}
	results := make(chan result, 2)
	run := func(h *house, who int, ks ...string) {
		m, err := h.GetManyOrLoad(t.Context(), ks, loader(who))
		results <- result{m, err}
	}
	go run(a, 1, "x", "y")
	<-reading
	go run(b, 2, "y", "z")
	<-reading // z alone
	close(release)
	for range 2 {
		r := <-results
		if r.err != nil || len(r.m) != 2 {
			t.Errorf("got %v, %v", r.m, r.err)
		}
		if e, ok := r.m["y"]; !ok || e.Value != 1 {
			t.Errorf("y is %v", e)
		}
	}
	close(loads)
	n := map[string]int{}
	for k := range loads {
		n[k]++
	}
	if n["x"] != 1 || n["y"] != 1 || n["z"] != 1 {
		t.Errorf("loads: %v", n)
	}
}

// A lost connection only makes the copies in L1 suspect: they are revalidated without
// transferring values, and without loads.
func TestRevalidate_afterALostConnection(t *testing.T) {
	for name, broadcast := range map[string][]string{"per key": nil, "broadcast": {"h:"}} {
		t.Run(name, func(t *testing.T) { recheckAfterALostConnection(t, broadcast) })
	}
}

func recheckAfterALostConnection(t *testing.T, broadcast []string) {
	server := redistest.Start(t, nil)
	// The lost connection must be the only cause, on a busy machine too.
	d := redisstore.Dialer{Broadcast: broadcast, MaxDisconnected: time.Hour, Timeout: patience}
	o := &layered.Options[int]{MaxDisconnected: time.Hour}
	a, b := buildLinked(t, server, d, o), buildLinked(t, server, d, o)
	const hot = 1000
	read := func(load layered.Loader[int]) (tiers [3]int) {
		for i := range hot {
			f, err := a.Find(t.Context(), fmt.Sprint(i), layered.Source[int]{Load: load})
			if err != nil {
				t.Fatal(err)
			}
			tiers[f.Tier]++
		}
		return tiers
	}
	read(now(1))
	if got := read(now(2)); got[layered.L1] != hot {
		t.Fatalf("before: %v", got)
	}
	a.link.Cut()
	redistest.WaitFor(t, "the loss to be noticed", func() bool { return a.Counts().Lost > 0 })
	if err := b.Set(t.Context(), "7", store.Entry[int]{Value: 70}); err != nil {
		t.Fatal(err)
	}
	gets := calls(t, server, "get")
	if got := read(now(2)); got[layered.L2] != hot {
		t.Errorf("after: %v", got)
	}
	if c := a.Counts(); c.Loads != hot || c.Revalidated != hot-1 {
		t.Errorf("%d loads, %d rechecked; want %d, %d", c.Loads, c.Revalidated, hot, hot-1)
	}
	// The time of the last Clear is read, too, by each process and the oftener the longer this takes.
	if n := calls(t, server, "get") - gets; n < 1 || n > hot/10 {
		t.Errorf("%d values were moved, want the one that had changed", n)
	}
	// The push of the change may arrive after the new value was read, and drop it once more.
	redistest.WaitFor(t, "all copies to be in L1", func() bool { return read(now(2))[layered.L1] == hot })
	if c := a.Counts(); c.Loads != hot {
		t.Errorf("%d loads, want %d", c.Loads, hot)
	}
	if f, _ := a.Find(t.Context(), "7", layered.Source[int]{}); f.Value != 70 {
		t.Errorf("got %d, want what was changed meanwhile", f.Value)
	}
}

// calls returns how often the server has executed a command.
func calls(t *testing.T, server *redistest.Server, command string) (n int) {
	t.Helper()
	info, err := server.Info("commandstats")
	if err != nil {
		t.Fatal(err)
	}
	fmt.Sscanf(info["cmdstat_"+command], "calls=%d,", &n)
	return n
}

// A caller that arrives when the result of a load is on its way to Redis does not join that
// load: it may be kept, and changed elsewhere, before the reply arrives.
func TestLease_joinWhileTheResultIsKept(t *testing.T) { inBothModes(t, joinWhileTheResultIsKept) }

func joinWhileTheResultIsKept(t *testing.T, build builder) {
	server := redistest.Start(t, nil)
	a, b := build(t, server, nil), build(t, server, nil)
	want(t, b, now(0), 0, layered.Origin) // both are connected
	want(t, a, now(0), 0, layered.L2)
	if err := b.Delete(t.Context(), "k"); err != nil {
		t.Fatal(err)
	}
	redistest.WaitFor(t, "the other process to be notified", func() bool {
		_, ok := a.Local(t.Context(), "k")
		return !ok
	})
	loading, goOn := make(chan struct{}), make(chan struct{})
	done := make(chan error, 2)
	go func() {
		_, err := a.Find(t.Context(), "k", layered.Source[int]{Load: func(ctx context.Context, key string) (store.Entry[int], error) {
			close(loading)
			<-goOn
			return now(1)(ctx, key)
		}})
		done <- err
	}()
	<-loading
	a.link.HoleReplies(true)
	close(goOn)
	redistest.WaitFor(t, "Redis to keep what was loaded", func() bool {
		f, err := b.FindFresh(t.Context(), "k", layered.Source[int]{})
		return err == nil && f.Value == 1
	})
	if err := b.Delete(t.Context(), "k"); err != nil {
		t.Fatal(err)
	}
	go func() {
		f, err := a.FindFresh(t.Context(), "k", layered.Source[int]{Load: now(2)})
		if err == nil && f.Value != 2 {
			err = fmt.Errorf("got %d, which was deleted before", f.Value)
		}
		done <- err
	}()
	time.Sleep(50 * time.Millisecond) // time for the late caller; with less, nothing is tested
	a.link.HoleReplies(false)
	for range 2 {
		if err := <-done; err != nil {
			t.Error(err)
		}
	}
}

// A process with an interrupted link serves from L1 for MaxDisconnected at most.
func TestMaxDisconnected_L1StopsServing(t *testing.T) { inBothModes(t, maxDisconnectedL1StopsServing) }

func maxDisconnectedL1StopsServing(t *testing.T, build builder) {
	server := redistest.Start(t, nil)
	a, b := build(t, server, nil), build(t, server, nil)
	want(t, a, now(1), 1, layered.Origin)
	want(t, a, now(2), 1, layered.L1)
	a.link.HoleReplies(true)
	if err := b.Delete(t.Context(), "k"); err != nil {
		t.Fatal(err)
	}
	cut := time.Now()
	redistest.WaitFor(t, "L1 to stop serving", func() bool {
		_, ok := a.Local(t.Context(), "k")
		return !ok
	})
	if d := time.Since(cut); d < redisstore.DefaultMaxDisconnected/2 {
		t.Errorf("it stopped after %v: something else than silence did it", d)
	}
	a.link.HoleReplies(false)
	redistest.WaitFor(t, "a to read again", func() bool {
		f, err := a.Find(t.Context(), "k", layered.Source[int]{Load: now(3)})
		return err == nil && f.Value == 3
	})
}

// A copy that a sample proves stale is dropped. If Redis does not push the change at all,
// all copies become suspect: so SWAPDB is noticed even if the heartbeat cannot detect it.
func TestSample_staleCopyIsDropped(t *testing.T) {
	defer mutant.Without(&mutant.NoExchange)()
	server := redistest.Start(t, nil)
	o := &layered.Options[int]{SampleEvery: time.Millisecond, MaxDisconnected: 100 * time.Millisecond}
	h := build(t, server, o)
	want(t, h, now(1), 1, layered.Origin)
	if _, err := h.Find(t.Context(), "other", layered.Source[int]{Load: now(1)}); err != nil {
		t.Fatal(err)
	}
	if _, err := server.Do("SWAPDB", 0, 1); err != nil {
		t.Fatal(err)
	}
	redistest.WaitFor(t, "the value to be loaded again", func() bool {
		f, err := h.Find(t.Context(), "k", layered.Source[int]{Load: now(2)})
		return err == nil && f.Value == 2
	})
	redistest.WaitFor(t, "all copies to be in doubt", func() bool { return h.Counts().Lost > 0 })
	if f, err := h.Find(t.Context(), "other", layered.Source[int]{Load: now(2)}); err != nil || f.Value != 2 {
		t.Errorf("a copy that was not sampled is served: %d, %v", f.Value, err)
	}
}

// The sampled copy is dropped at once, before all others become suspect.
func TestSample_staleCopyIsDroppedAtOnce(t *testing.T) {
	server := redistest.Start(t, nil)
	o := &layered.Options[int]{SampleEvery: time.Millisecond, MaxDisconnected: time.Hour}
	h := buildLinked(t, server, redisstore.Dialer{MaxDisconnected: time.Hour, Timeout: patience}, o)
	want(t, h, now(1), 1, layered.Origin)
	if _, err := server.Do("SWAPDB", 0, 1); err != nil {
		t.Fatal(err)
	}
	redistest.WaitFor(t, "the value to be loaded again", func() bool {
		f, err := h.Find(t.Context(), "k", layered.Source[int]{Load: now(2)})
		return err == nil && f.Value == 2
	})
}

// Answers of L1 are sometimes compared with L2: an old answer is counted, with the time
// that it was served.
func TestSample_staleAnswersAreCounted(t *testing.T) { inBothModes(t, sampleStaleAnswersAreCounted) }

func sampleStaleAnswersAreCounted(t *testing.T, build builder) {
	server := redistest.Start(t, nil)
	a, b := build(t, server, &layered.Options[int]{SampleEvery: time.Millisecond}), build(t, server, nil)
	want(t, a, now(1), 1, layered.Origin)
	redistest.WaitFor(t, "current answers to be compared", func() bool {
		a.Local(t.Context(), "k")
		return a.Counts().Sampled > 3
	})
	if n := a.Counts().SampledStale; n != 0 {
		t.Errorf("%d answers were stale, though nothing changed", n)
	}
	a.link.HoleReplies(true)
	if err := b.Set(t.Context(), "k", store.Entry[int]{Value: 2}); err != nil {
		t.Fatal(err)
	}
	asked := calls(t, server, "getrange")
	redistest.WaitFor(t, "an old answer to be compared", func() bool {
		a.Local(t.Context(), "k")
		return calls(t, server, "getrange") > asked+1
	})
	a.link.HoleReplies(false)
	redistest.WaitFor(t, "it to be counted", func() bool { return a.Counts().SampledStale > 0 })
	c := a.Counts()
	var sum uint64
	for _, n := range c.StaleFor {
		sum += n
	}
	if sum != c.SampledStale {
		t.Errorf("%d stale answers, by time: %v", c.SampledStale, c.StaleFor)
	}
}
