package store_test

import (
	"math"
	"testing"
	"testing/synctest"
	"time"

	"github.com/lokroom/strata/store"
)

func TestAt(t *testing.T) {
	at := time.Date(2024, 2, 29, 12, 0, 0, 999_999, time.FixedZone("east", 3600))
	got := store.At(at)
	if want := at.Truncate(time.Millisecond); !got.Time().Equal(want) {
		t.Errorf("At(%v).Time() = %v, want %v", at, got.Time(), want)
	}
	if store.At(time.Time{}) != 0 || !store.Time(0).Time().IsZero() {
		t.Error("the zero time.Time is not the zero Time")
	}
	before := time.UnixMilli(-1).Add(-time.Microsecond)
	if got := store.At(before); got != -2 {
		t.Errorf("At(%v) = %d, not rounded down", before, got)
	}
}

// Inside a bubble, whose clocks have nothing to do with those outside, times convert as
// they do outside.
func TestAt_inABubble(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		for range 3 {
			now := time.Now()
			if got := store.At(now); got != store.Now() {
				t.Errorf("At(now) is %v before Now", store.Now().Sub(got))
			}
			if got := store.At(now.Round(0)); got.Sub(store.Now()).Abs() > time.Millisecond {
				t.Errorf("At(now by the wall clock) is %v before Now", store.Now().Sub(got))
			}
			if d := store.In(time.Hour).Time().Sub(now.Round(0)) - time.Hour; d.Abs() > time.Millisecond {
				t.Errorf("In(an hour).Time() is off by %v", d)
			}
			time.Sleep(time.Hour + time.Microsecond)
		}
	})
	if at := time.UnixMilli(1_700_000_000_123); store.At(at) != 1_700_000_000_123 || !store.At(at).Time().Equal(at) {
		t.Errorf("outside, %v is %d", at, store.At(at))
	}
}

func TestTime_Add(t *testing.T) {
	for _, c := range []struct {
		t    store.Time
		d    time.Duration
		want store.Time
	}{
		{1000, 0, 1000},
		{1000, time.Second, 2000},
		{1000, -time.Second / 2, 500},
		{1000, 1, 1001},
		{1000, time.Millisecond - 1, 1001},
		{1000, 2*time.Millisecond - 1, 1001},
		{1000, -1, 1000},
		{1000, store.Forever, 0},
		{0, time.Second, 0},
		{0, store.Forever, 0},
		{1000, math.MaxInt64 - 1, 1000 + (math.MaxInt64-1)/1_000_000},
	} {
		if got := c.t.Add(c.d); got != c.want {
			t.Errorf("%d.Add(%v) = %d, want %d", c.t, c.d, got, c.want)
		}
	}
}

func TestIn(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		now := store.Now()
		for d, want := range map[time.Duration]store.Time{
			0: now, time.Second: now + 1000, -time.Second: now - 1000, 1: now + 1, store.Forever: 0,
		} {
			if got := store.In(d); got != want {
				t.Errorf("In(%v) = %d, want %d", d, got, want)
			}
		}
	})
}

func TestTime_Until(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		for _, d := range []time.Duration{0, time.Second, -time.Second, store.Forever} {
			if got := store.In(d).Until(); got != d {
				t.Errorf("In(%v).Until() = %v", d, got)
			}
		}
		if got := store.Time(0).Until(); got != store.Forever {
			t.Errorf("zero lies %v away", got)
		}
		at := store.In(time.Second)
		time.Sleep(3 * time.Second)
		if got := at.Until(); got != -2*time.Second {
			t.Errorf("two seconds later Until is %v", got)
		}
	})
}

func TestTime_Sub(t *testing.T) {
	if got := store.Time(3000).Sub(1000); got != 2*time.Second {
		t.Error(got)
	}
	if got := store.Time(1000).Sub(3000); got != -2*time.Second {
		t.Error(got)
	}
}

func TestTime_String(t *testing.T) {
	if got := store.Time(0).String(); got != "never" {
		t.Error(got)
	}
	at := store.At(time.Date(2024, 2, 29, 12, 0, 0, 5e6, time.UTC))
	got, err := time.Parse(time.RFC3339, at.String())
	if err != nil || store.At(got) != at {
		t.Errorf("%s reads as %v, %v", at, got, err)
	}
}
