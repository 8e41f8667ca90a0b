package clock_test

import (
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"go.uber.org/goleak"

	"github.com/lokroom/strata/internal/clock"
	"github.com/lokroom/strata/store"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

const lag = store.Time(4) // two ticks, in milliseconds

func TestCoarse_Now_neverAheadAndNeverTwoTicksBehind(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := clock.New()
		defer c.Stop()
		for range 5000 {
			if now, got := store.Now(), c.Now(); got > now || now-got > lag {
				t.Fatalf("Now is %d ms off", got-now)
			}
			time.Sleep(300 * time.Microsecond)
		}
	})
}

func TestCoarse_Now_exactAfterIdleness(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := clock.New()
		defer c.Stop()
		for range 20 {
			if now, got := store.Now(), c.Now(); got != now {
				t.Fatalf("Now is %d ms off after idleness", got-now)
			}
			time.Sleep(time.Second)
		}
	})
}

// Without a Stop: synctest.Test fails if a goroutine outlives the root of the
// bubble, whose clock then stands still.
func TestCoarse_endsByItselfWhenUnused(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		clock.New().Now()
		time.Sleep(250 * time.Millisecond)
	})
}

// A clock that is read now and then keeps running: it is started once.
func TestCoarse_staysWhileUsed(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := clock.New()
		defer c.Stop()
		c.Now()
		exact := 0
		for range 100 {
			time.Sleep(51 * time.Millisecond) // not a multiple of the tick
			if c.Now() == store.Now() {
				exact++
			}
		}
		if exact > 60 {
			t.Errorf("%d of 100 readings were exact: the clock stopped between them", exact)
		}
	})
}

func TestCoarse_Stop(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := new(clock.Coarse)
		c.Stop() // before its first use
		c = new(clock.Coarse)
		c.Now()
		c.Stop()
		c.Stop()
		for range 10 {
			time.Sleep(time.Millisecond)
			if now, got := store.Now(), c.Now(); got != now {
				t.Fatalf("a stopped clock is %d ms off", got-now)
			}
		}
	})
}

func TestCoarse_Passed_atTheVeryMillisecond(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := clock.New()
		defer c.Stop()
		if c.Passed(0) {
			t.Error("the zero Time has passed")
		}
		end := store.In(1333 * time.Millisecond)
		for store.Now() < end+100 {
			if got, want := c.Passed(end), store.Now() >= end; got != want {
				t.Fatalf("%d ms before the moment: Passed is %v", end-store.Now(), got)
			}
			time.Sleep(time.Millisecond)
		}
	})
}

// A clock that is held up by most of a second makes Passed late by nothing.
func TestCoarse_Passed_whenTheClockIsLate(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := clock.New()
		defer c.Stop()
		c.Now()
		c.Delay(900)
		if late := store.Now() - c.Now(); late < 900 {
			t.Fatalf("the clock is late by %d ms only", late)
		}
		if !c.Passed(store.Now()) {
			t.Error("Passed does not notice")
		}
	})
}

func TestCoarse_concurrent(t *testing.T) {
	c := clock.New()
	var wg sync.WaitGroup
	for i := range 8 {
		wg.Go(func() {
			for n := range 20_000 {
				if i == 0 && n == 15_000 {
					c.Stop() // beside the readers
				}
				if got := c.Now(); got > store.Now() {
					t.Error("Now is ahead of the time")
					return
				}
			}
		})
	}
	wg.Wait()
	c.Stop()
}

func TestCoarse_Now_allocatesNothing(t *testing.T) {
	c := clock.New()
	defer c.Stop()
	c.Now()
	if n := testing.AllocsPerRun(1000, func() { c.Passed(c.Now() + 5000) }); n != 0 {
		t.Errorf("%v allocations", n)
	}
}

func BenchmarkNow(b *testing.B) {
	b.Run("coarse", func(b *testing.B) {
		c := clock.New()
		defer c.Stop()
		b.ReportAllocs()
		for b.Loop() {
			c.Now()
		}
	})
	b.Run("Passed", func(b *testing.B) {
		c := clock.New()
		defer c.Stop()
		end := store.In(time.Hour)
		b.ReportAllocs()
		for b.Loop() {
			c.Passed(end)
		}
	})
	b.Run("time.Now", func(b *testing.B) {
		b.ReportAllocs()
		for b.Loop() {
			_ = time.Now()
		}
	})
	b.Run("coarse/parallel", func(b *testing.B) {
		c := clock.New()
		defer c.Stop()
		b.ReportAllocs()
		b.RunParallel(func(pb *testing.PB) {
			for pb.Next() {
				c.Now()
			}
		})
	})
}
