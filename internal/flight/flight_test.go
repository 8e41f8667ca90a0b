package flight_test

import (
	"context"
	"errors"
	"fmt"
	"runtime"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"go.uber.org/goleak"

	"github.com/lokroom/strata/internal/flight"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

type call = flight.Call[int]

func TestDo_oneLoadForAll(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var g flight.Group[int]
		defer g.Close()
		var loads, shared atomic.Int64
		var wg sync.WaitGroup
		for range 1000 {
			wg.Go(func() {
				v, sh, err := g.Do(t.Context(), "k", func(context.Context, *call) (int, error) {
					loads.Add(1)
					time.Sleep(20 * time.Millisecond)
					return 7, nil
				})
				if v != 7 || err != nil {
					t.Errorf("Do = %d, %v", v, err)
				}
				if sh {
					shared.Add(1)
				}
			})
		}
		wg.Wait()
		if loads.Load() != 1 || shared.Load() != 999 {
			t.Errorf("%d loads, %d shared, want 1 and 999", loads.Load(), shared.Load())
		}
		// The call has ended: the next one loads anew.
		v, _, _ := g.Do(t.Context(), "k", func(context.Context, *call) (int, error) { return 8, nil })
		if v != 8 {
			t.Errorf("a call joined one that had ended: got %d", v)
		}
	})
}

type ctxKey struct{}

func TestDo_leaderLeavesOthersStay(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var g flight.Group[int]
		defer g.Close()
		leader, leave := context.WithCancel(context.WithValue(t.Context(), ctxKey{}, "kept"))
		work := func(ctx context.Context, _ *call) (int, error) {
			if ctx.Value(ctxKey{}) != "kept" {
				t.Error("the work's context lost the values of the caller's")
			}
			select {
			case <-ctx.Done():
				return 0, ctx.Err()
			case <-time.After(time.Second):
				return 1, nil
			}
		}
		errs := make(chan error, 1)
		go func() {
			_, _, err := g.Do(leader, "k", work)
			errs <- err
		}()
		synctest.Wait()
		got := make(chan int, 1)
		go func() {
			v, _, err := g.Do(t.Context(), "k", work)
			if err != nil {
				t.Errorf("a waiter failed because the leader left: %v", err)
			}
			got <- v
		}()
		synctest.Wait()
		leave()
		if err := <-errs; !errors.Is(err, context.Canceled) {
			t.Errorf("leader got %v, want its own cancellation", err)
		}
		if v := <-got; v != 1 {
			t.Errorf("waiter got %d, want 1", v)
		}
	})
}

func TestDo_waiterObeysItsOwnDeadline(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var g flight.Group[int]
		defer g.Close()
		go g.Do(t.Context(), "k", func(ctx context.Context, _ *call) (int, error) {
			<-ctx.Done()
			return 1, nil
		})
		synctest.Wait()
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		start := time.Now()
		_, _, err := g.Do(ctx, "k", nil)
		if !errors.Is(err, context.DeadlineExceeded) || time.Since(start) != time.Second {
			t.Errorf("got %v after %v, want the waiter's deadline after 1s", err, time.Since(start))
		}
	})
}

func TestDo_lastWaiterCancelsTheWork(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var g flight.Group[int]
		defer g.Close()
		cancelled := make(chan struct{})
		ctx, cancel := context.WithCancel(t.Context())
		var wg sync.WaitGroup
		for range 3 {
			wg.Go(func() {
				g.Do(ctx, "k", func(ctx context.Context, _ *call) (int, error) {
					<-ctx.Done()
					close(cancelled)
					<-time.After(time.Second) // the work is slow to notice
					return 0, ctx.Err()
				})
			})
		}
		synctest.Wait()
		cancel()
		wg.Wait()
		<-cancelled
		// Who comes while the cancelled work winds down does not join it.
		v, _, err := g.Do(t.Context(), "k", func(context.Context, *call) (int, error) { return 2, nil })
		if v != 2 || err != nil {
			t.Errorf("newcomer got %d, %v: it joined work that nobody wanted any more", v, err)
		}
	})
}

func TestDo_panicAndGoexitAreErrorsForAll(t *testing.T) {
	cause := errors.New("cause")
	for name, tc := range map[string]struct {
		fn   func(context.Context, *call) (int, error)
		want error
	}{
		"panic":  {func(context.Context, *call) (int, error) { panic(cause) }, cause},
		"goexit": {func(context.Context, *call) (int, error) { runtime.Goexit(); return 0, nil }, flight.ErrGoexit},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				var g flight.Group[int]
				defer g.Close()
				var wg sync.WaitGroup
				for range 10 {
					wg.Go(func() {
						_, _, err := g.Do(t.Context(), "k", func(ctx context.Context, c *call) (int, error) {
							time.Sleep(time.Second)
							return tc.fn(ctx, c)
						})
						if !errors.Is(err, tc.want) {
							t.Errorf("got %v, want %v", err, tc.want)
						}
						var p *flight.PanicError
						if name == "panic" && (!errors.As(err, &p) || len(p.Stack) == 0) {
							t.Errorf("got %#v, want a PanicError with the stack", err)
						}
					})
				}
				wg.Wait()
			})
		})
	}
}

func TestCall_Here(t *testing.T) {
	cause := errors.New("cause")
	for name, tc := range map[string]struct {
		fn       func() (int, bool, error)
		finished bool
		value    int
		err      error
	}{
		"all":     {func() (int, bool, error) { return 1, true, nil }, true, 1, nil},
		"an end":  {func() (int, bool, error) { return 0, true, cause }, true, 0, cause},
		"not all": {func() (int, bool, error) { return 1, false, cause }, false, 2, nil},
		"panic":   {func() (int, bool, error) { panic(cause) }, true, 0, cause},
	} {
		t.Run(name, func(t *testing.T) {
			var g flight.Group[int]
			defer g.Close()
			c, _ := g.Begin(t.Context(), "k")
			joined, lead := g.Begin(t.Context(), "k")
			finished := c.Here(tc.fn)
			if finished != tc.finished || lead {
				t.Errorf("Here = %v, want %v", finished, tc.finished)
			}
			if !finished {
				go c.Run(func(ctx context.Context, _ *call) (int, error) { return 2, ctx.Err() })
			}
			for _, c := range []*call{c, joined} {
				if v, err := c.Wait(t.Context()); v != tc.value || !errors.Is(err, tc.err) {
					t.Errorf("Wait = %d, %v, want %d, %v", v, err, tc.value, tc.err)
				}
			}
		})
	}
}

// The context is made when it is asked for. Who asks late gets one that has ended.
func TestCall_Context_late(t *testing.T) {
	for name, end := range map[string]func(*testing.T, *flight.Group[int], *call){
		"finished": func(_ *testing.T, _ *flight.Group[int], c *call) { c.Finish(0, nil) },
		"abandoned": func(t *testing.T, _ *flight.Group[int], c *call) {
			ctx, cancel := context.WithCancel(t.Context())
			cancel()
			c.Wait(ctx)
		},
		"closed": func(_ *testing.T, g *flight.Group[int], c *call) {
			go func() { // as soon as Close is under way, which waits for it
				<-c.Context().Done()
				c.Finish(0, nil)
			}()
			g.Close()
		},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				var g flight.Group[int]
				c, _ := g.Begin(t.Context(), "k")
				end(t, &g, c)
				if c.Context().Err() == nil {
					t.Error("the context goes on")
				}
				c.Finish(0, nil)
			})
		})
	}
}

func TestForget_answersWaitersButKeepsNothing(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var g flight.Group[int]
		defer g.Close()
		var kept atomic.Int64
		load := func(v int) func(context.Context, *call) (int, error) {
			return func(_ context.Context, c *call) (int, error) {
				time.Sleep(time.Second)
				c.Keep(func() { kept.Store(int64(v)) })
				return v, nil
			}
		}
		old := make(chan int, 1)
		go func() { v, _, _ := g.Do(t.Context(), "k", load(1)); old <- v }()
		synctest.Wait()
		if k := g.Forget("k"); k != nil {
			t.Errorf("Forget told to wait for a Keep that does not run")
		}
		v, shared, _ := g.Do(t.Context(), "k", load(2))
		if v != 2 || shared {
			t.Errorf("who came after Forget got %d (shared: %v), want its own 2", v, shared)
		}
		if v := <-old; v != 1 {
			t.Errorf("who came before Forget got %d, want 1", v)
		}
		if kept.Load() != 2 {
			t.Errorf("kept %d, want only 2", kept.Load())
		}
	})
}

func TestForget_givesRunningKeepsToWaitFor(t *testing.T) {
	for name, forget := range map[string]func(*flight.Group[int]) []<-chan struct{}{
		"Forget":    func(g *flight.Group[int]) []<-chan struct{} { return g.Forget("k") },
		"ForgetAll": (*flight.Group[int]).ForgetAll,
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				var g flight.Group[int]
				defer g.Close()
				var ended atomic.Bool
				go g.Do(t.Context(), "k", func(_ context.Context, c *call) (int, error) {
					if !c.Keep(func() { time.Sleep(time.Second); ended.Store(true) }) {
						t.Error("Keep did not run")
					}
					return 1, nil
				})
				synctest.Wait()
				// The second Forget finds the Keep too, though nobody can join the call any more.
				for range 2 {
					keeping := forget(&g)
					if len(keeping) != 1 {
						t.Fatalf("got %d keeps to wait for, want 1", len(keeping))
					}
					defer func() {
						<-keeping[0]
						if !ended.Load() {
							t.Error("channel closed before the Keep had ended")
						}
					}()
				}
			})
		})
	}
}

func TestRenew(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var g flight.Group[int]
		defer g.Close()
		var kept []string
		begin := func(name string) {
			go g.Do(t.Context(), "k", func(_ context.Context, c *call) (int, error) {
				time.Sleep(time.Second)
				c.Renew()
				time.Sleep(time.Second)
				c.Keep(func() { kept = append(kept, name) })
				return 1, nil
			})
			synctest.Wait()
		}
		begin("forgotten before Renew")
		g.Forget("k")
		begin("begun beside it")
		time.Sleep(3 * time.Second)
		begin("forgotten after Renew")
		time.Sleep(time.Second + 1)
		g.Forget("k")
		time.Sleep(3 * time.Second)
		begin("blocked before Renew")
		g.Block("k")
		time.Sleep(3 * time.Second)
		g.Unblock("k")
		if len(kept) != 2 {
			t.Errorf("kept %q, want the two that were not forgotten after Renew", kept)
		}
	})
}

func TestStand(t *testing.T) {
	ctx := t.Context()
	for name, tc := range map[string]struct {
		do    func(g *flight.Group[int], c *call)
		joins bool
	}{
		"nothing":                 {func(*flight.Group[int], *call) {}, true},
		"Forget":                  {func(g *flight.Group[int], c *call) { g.Forget("k") }, false},
		"Forget, Stand":           {func(g *flight.Group[int], c *call) { g.Forget("k"); c.Stand() }, true},
		"Stand, Forget":           {func(g *flight.Group[int], c *call) { c.Stand(); g.Forget("k") }, true},
		"Stand, Renew, Forget":    {func(g *flight.Group[int], c *call) { c.Stand(); c.Renew(); g.Forget("k") }, false},
		"Stand, Block":            {func(g *flight.Group[int], c *call) { c.Stand(); g.Block("k"); g.Unblock("k") }, false},
		"Block, Stand":            {func(g *flight.Group[int], c *call) { g.Block("k"); c.Stand(); g.Unblock("k") }, false},
		"Stand, ForgetAll":        {func(g *flight.Group[int], c *call) { c.Stand(); g.ForgetAll() }, false},
		"Forget, another, Stand":  {func(g *flight.Group[int], c *call) { g.Forget("k"); another(g); c.Stand() }, false},
		"all have left and Stand": {func(g *flight.Group[int], c *call) { g.Forget("k"); leave(c); c.Stand() }, false},
	} {
		t.Run(name, func(t *testing.T) {
			var g flight.Group[int]
			defer g.Close()
			c, _ := g.Begin(ctx, "k")
			defer c.Finish(1, nil)
			tc.do(&g, c)
			d, lead := g.Begin(ctx, "k")
			if lead {
				defer d.Finish(2, nil)
			}
			if joins := c == d; joins != tc.joins {
				t.Errorf("a newcomer joins: %v, want %v", joins, tc.joins)
			}
		})
	}
}

// another begins a call that ends with the group.
func another(g *flight.Group[int]) {
	c, _ := g.Begin(context.Background(), "k")
	go func() { <-c.Context().Done(); c.Finish(3, nil) }()
}

// leave makes the only caller of c leave.
func leave(c *call) {
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	c.Wait(ctx)
}

func TestBlock_nothingIsKeptOverAWrite(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var g flight.Group[int]
		defer g.Close()
		var kept []string
		begin := func(when string, d time.Duration) {
			go g.Do(t.Context(), "k", func(_ context.Context, c *call) (int, error) {
				time.Sleep(d)
				c.Keep(func() { kept = append(kept, when) })
				return 1, nil
			})
			synctest.Wait()
		}
		begin("begun before the write, ends during it", time.Second)
		g.Block("k")
		begin("begun during the write, ends during it", time.Second)
		time.Sleep(2 * time.Second)
		begin("begun during the write, ends after it", 3*time.Second)
		g.Block("k")
		g.Unblock("k")
		time.Sleep(time.Second)
		begin("begun during one of two writes", 0)
		g.Unblock("k")
		begin("begun after it", 0)
		time.Sleep(4 * time.Second)
		if len(kept) != 1 || kept[0] != "begun after it" {
			t.Errorf("kept %q, want only the load begun after the write", kept)
		}
	})
}

func TestClose_cancelsAndWaits(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var g flight.Group[int]
		defer g.Close()
		var ended atomic.Int64
		work := func(ctx context.Context, _ *call) (int, error) {
			<-ctx.Done()
			time.Sleep(time.Second)
			ended.Add(1)
			return 0, ctx.Err()
		}
		go g.Do(t.Context(), "a", work)
		synctest.Wait()
		g.Forget("a") // forgotten work is waited for as well
		go g.Do(t.Context(), "a", work)
		go g.Do(t.Context(), "b", work)
		synctest.Wait()
		g.Close()
		if ended.Load() != 3 {
			t.Errorf("Close returned while %d of 3 calls were running", 3-ended.Load())
		}
		if _, _, err := g.Do(t.Context(), "a", work); !errors.Is(err, flight.ErrClosed) {
			t.Errorf("Do after Close: %v, want ErrClosed", err)
		}
	})
}

// Many goroutines load, forget and leave at random; at the end nothing is left
// behind, and nothing was kept by a call after it was forgotten.
func TestGroup_race(t *testing.T) {
	var g flight.Group[int]
	defer g.Close()
	var wg sync.WaitGroup
	var version, violations atomic.Int64
	for w := range 8 {
		wg.Go(func() {
			for i := range 2000 {
				key := fmt.Sprint("k", i%3)
				ctx, cancel := context.WithCancel(t.Context())
				switch (i + w) % 4 {
				case 0:
					version.Add(1)
					for _, k := range g.Forget(key) {
						<-k
					}
				case 1:
					cancel()
					fallthrough
				default:
					g.Do(ctx, key, func(ctx context.Context, c *call) (int, error) {
						runtime.Gosched()
						c.Keep(func() {
							if c.Forgotten() { // forgotten while it keeps: the forgetter waits
								return
							}
							runtime.Gosched()
						})
						if c.Forgotten() && c.Keep(func() {}) {
							violations.Add(1)
						}
						return 1, ctx.Err()
					})
				}
				cancel()
			}
		})
	}
	wg.Wait()
	g.Close()
	if violations.Load() != 0 {
		t.Errorf("%d forgotten calls kept something", violations.Load())
	}
}

func BenchmarkDo(b *testing.B) {
	var g flight.Group[int]
	defer g.Close()
	fn := func(context.Context, *call) (int, error) { return 1, nil }
	b.ReportAllocs()
	for b.Loop() {
		if _, _, err := g.Do(b.Context(), "k", fn); err != nil {
			b.Fatal(err)
		}
	}
}

// Who leads is alone unless somebody has joined, whether or not he has left again.
func TestCall_Alone(t *testing.T) {
	var g flight.Group[int]
	defer g.Close()
	c, _ := g.Begin(t.Context(), "k")
	if !c.Alone() {
		t.Error("who leads is not alone")
	}
	ctx, cancel := context.WithCancel(t.Context())
	joined, lead := g.Begin(ctx, "k")
	cancel()
	if _, err := joined.Wait(ctx); lead || err == nil || c.Alone() {
		t.Errorf("somebody has joined, and left with %v: alone is %v", err, c.Alone())
	}
	c.Finish(1, nil)
	if c, _ := g.Begin(t.Context(), "k"); !c.Alone() {
		t.Error("the next one is not alone")
	} else {
		c.Finish(0, nil)
	}
}
