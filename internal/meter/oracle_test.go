package meter_test

import (
	"math/big"
	"math/rand/v2"
	"testing"

	"github.com/lokroom/strata/internal/meter"
)

// An oracle is a GCRA as books define it, in rational numbers.
type oracle struct {
	rate, burst, debt *big.Rat // calls a tick, calls, calls
	tick, last        int64
}

func ratio(a, b int64) *big.Rat { return big.NewRat(a, b) }

func (o *oracle) call(now, n int64) (want meter.Decision) {
	now /= o.tick
	o.debt.Sub(o.debt, new(big.Rat).Mul(o.rate, ratio(now-o.last, 1)))
	if o.debt.Sign() < 0 {
		o.debt.SetInt64(0)
	}
	o.last = now
	after := new(big.Rat).Add(o.debt, ratio(n, 1))
	over := new(big.Rat).Sub(after, o.burst)
	switch {
	case over.Sign() <= 0:
		o.debt, want.Allowed, want.Passed = after, true, n
	case ratio(n, 1).Cmp(o.burst) > 0:
		want.Wait = meter.Never
	default:
		want.Wait = o.ticks(over)
	}
	room := new(big.Rat).Sub(o.burst, o.debt)
	want.Left = new(big.Int).Quo(room.Num(), room.Denom()).Int64()
	want.Reset = o.ticks(o.debt)
	if o.burst.Cmp(ratio(want.Left, 1)) > 0 {
		// debt - x = burst - (left + 1)
		want.Next = o.ticks(new(big.Rat).Sub(ratio(want.Left+1, 1), room))
	}
	if want.Allowed {
		want.Idle = want.Reset
	}
	return want
}

// ticks returns how many ticks it takes to get rid of a debt.
func (o *oracle) ticks(debt *big.Rat) int64 {
	q := new(big.Rat).Quo(debt, o.rate)
	n, rest := new(big.Int).QuoRem(q.Num(), q.Denom(), new(big.Int))
	if rest.Sign() != 0 {
		n.Add(n, big.NewInt(1))
	}
	return n.Int64()
}

// The arithmetic in whole numbers is that of the definition, in every number of every
// answer. Policies and schedules are random; a third of the costs are above one.
func TestGCRA_oracle(t *testing.T) {
	rnd := rand.New(rand.NewPCG(3, 3))
	steps, coarse := 0, 0
	for steps < 100_000 {
		limit, burst := 1+rnd.Int64N(1000), 1+rnd.Int64N(1000)
		window := 1000 + rnd.Int64N(100*second)
		switch rnd.IntN(4) {
		case 0:
			window, burst = second*(1+rnd.Int64N(3600)), limit
		case 1: // takes a coarser tick
			limit, burst = 900_000+rnd.Int64N(100_000), 900_000+rnd.Int64N(100_000)
			window = 3600 * second * (10 + rnd.Int64N(24))
		}
		r, err := meter.New(meter.GCRA, limit, window, burst, 0)
		if err != nil {
			continue
		}
		if r.Tick > 1 {
			coarse++
		}
		now := int64(1_700_000_000_000_000) / r.Tick * r.Tick
		s := &state{rule: r, last: now}
		o := &oracle{rate: ratio(limit, window/r.Tick), burst: ratio(burst, 1), debt: new(big.Rat), tick: r.Tick, last: now / r.Tick}
		for range 200 {
			steps++
			gap := randomGap(rnd, &meter.Rule{Window: window, Capacity: limit})
			now += gap / r.Tick * r.Tick
			n := randomCost(rnd, &r)
			want := o.call(now, n)
			for _, us := range []*int64{&want.Wait, &want.Next, &want.Reset, &want.Idle} {
				if *us > 0 {
					*us *= r.Tick
				}
			}
			if got := s.call(now, n, meter.All); got != want {
				t.Fatalf("%d in %d us, burst %d: %d at %d: got %+v, want %+v", limit, window, burst, n, now, got, want)
			}
		}
	}
	if coarse == 0 {
		t.Error("no rule had a tick above one")
	}
}
