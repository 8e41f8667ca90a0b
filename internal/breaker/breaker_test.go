package breaker_test

import (
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/lokroom/strata/internal/breaker"
)

var settings = breaker.Settings{Threshold: 3, First: 100 * time.Millisecond, Last: time.Second, Trials: 2}

func is(t *testing.T, b *breaker.Breaker, want breaker.State) {
	t.Helper()
	if got := b.Status().State; got != want {
		t.Fatalf("it is %v, want %v", got, want)
	}
}

// allowed returns how many of n may be sent.
func allowed(b *breaker.Breaker, probed bool, n int) (yes int) {
	for range n {
		if b.Allow(probed) {
			yes++
		}
	}
	return yes
}

func fail(b *breaker.Breaker, n int) {
	for range n {
		b.Failed()
	}
}

func TestBreaker_opensAfterFailuresInARow(t *testing.T) {
	b := breaker.New(settings)
	for range 10 {
		fail(b, 2)
		b.Succeeded()
	}
	is(t, b, breaker.Closed)
	if !b.Easy() {
		t.Error("a success does not forgive")
	}
	fail(b, 3)
	is(t, b, breaker.Open)
	if b.Allow(false) || b.Allow(true) {
		t.Error("open, and work is sent")
	}
	b.Succeeded() // sent before it opened
	is(t, b, breaker.Open)
	if s := b.Status(); s.Opened != 1 || s.Since.IsZero() {
		t.Errorf("%+v", s)
	}
}

// Without a prober some of the work is tried when the wait is over, and no more.
func TestBreaker_trials(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := breaker.New(settings)
		fail(b, 3)
		time.Sleep(settings.First)
		if n := allowed(b, false, 5); n != 2 {
			t.Fatalf("%d trials, want two", n)
		}
		b.Succeeded()
		is(t, b, breaker.HalfOpen)
		if b.Allow(false) {
			t.Error("a third trial")
		}
		b.Succeeded()
		is(t, b, breaker.Closed)
		for range 10 {
			if !b.Allow(false) {
				t.Fatal("closed, and work is not sent")
			}
		}
	})
}

// A trial that fails opens it again, for longer each time, up to a bound; and it is
// never longer than that, nor less than half.
func TestBreaker_backOff(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := breaker.New(settings)
		fail(b, 3)
		for _, most := range []time.Duration{100, 200, 400, 800, 1000, 1000} {
			most *= time.Millisecond
			began := time.Now()
			for !b.Allow(false) {
				time.Sleep(time.Millisecond)
			}
			if d := time.Since(began); d > most+time.Millisecond || d < most/2 {
				t.Errorf("open for %v, want %v less up to half", d, most)
			}
			b.Failed()
			is(t, b, breaker.Open)
		}
		time.Sleep(settings.Last)
		for range settings.Trials {
			b.Allow(false)
			b.Succeeded()
		}
		is(t, b, breaker.Closed)
		fail(b, 3)
		if d, open := b.Wait(); d > settings.First || !open {
			t.Errorf("after it was closed it opens for %v, %v", d, open)
		}
	})
}

// Where somebody probes, no work is tried before he has been answered.
func TestBreaker_probed(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := breaker.New(settings)
		b.Trip()
		is(t, b, breaker.Open)
		for most := settings.First; most < 8*settings.Last; most *= 2 {
			d, open := b.Wait()
			if limit := min(most, settings.Last); !open || d > limit || d < limit/2 {
				t.Errorf("the next probe is in %v, want %v less up to half", d, limit)
			}
			time.Sleep(d)
			if b.Allow(true) {
				t.Fatal("work was tried")
			}
			b.Failing()
		}
		b.Mended()
		is(t, b, breaker.HalfOpen)
		if n := allowed(b, true, 5); n != 2 {
			t.Errorf("%d trials, want two", n)
		}
		b.Mended() // probes go on, and count
		b.Mended()
		is(t, b, breaker.Closed)
		b.Failing() // a probe may fail while it is closed
		is(t, b, breaker.Closed)
	})
}

// Trials that never tell what came of them are not waited for for ever.
func TestBreaker_lostTrials(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := breaker.New(settings)
		b.Trip()
		b.Mended()
		b.Allow(true)
		b.Allow(true)
		if b.Allow(true) {
			t.Fatal("a third trial")
		}
		time.Sleep(settings.Last)
		if !b.Allow(true) {
			t.Error("no trial ever again")
		}
	})
}

func TestBreaker_reportsChanges(t *testing.T) {
	var told []breaker.State
	s := settings
	s.Changed = func(now breaker.State) { told = append(told, now) }
	b := breaker.New(s)
	fail(b, 7)
	b.Mended()
	b.Failed()
	b.Trip()
	b.Mended()
	b.Succeeded()
	b.Succeeded()
	want := []breaker.State{breaker.Open, breaker.HalfOpen, breaker.Open, breaker.HalfOpen, breaker.Closed}
	if len(told) != len(want) {
		t.Fatalf("told %v, want %v", told, want)
	}
	for i := range want {
		if told[i] != want[i] {
			t.Fatalf("told %v, want %v", told, want)
		}
	}
}

// Many at a time: no more are tried than may be, and it ends closed.
func TestBreaker_concurrent(t *testing.T) {
	b := breaker.New(settings)
	b.Trip()
	b.Mended()
	var tried atomic.Int64
	var wg sync.WaitGroup
	for range 50 {
		wg.Go(func() {
			if b.Allow(true) {
				tried.Add(1)
			}
		})
	}
	wg.Wait()
	if n := tried.Load(); n != int64(settings.Trials) {
		t.Errorf("%d were tried, want %d", n, settings.Trials)
	}
	for range 50 {
		wg.Go(func() {
			b.Failed()
			b.Mended()
			b.Allow(false)
			b.Succeeded()
			b.Status()
		})
	}
	wg.Wait()
	for range 10 {
		b.Mended()
	}
	is(t, b, breaker.Closed)
}

func TestBreaker_allocs(t *testing.T) {
	b := breaker.New(settings)
	if n := testing.AllocsPerRun(100, func() {
		b.Allow(true)
		b.Succeeded()
	}); n != 0 {
		t.Errorf("%v allocations", n)
	}
}
