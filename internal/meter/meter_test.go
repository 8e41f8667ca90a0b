package meter_test

import (
	"fmt"
	"math/rand/v2"
	"testing"

	"github.com/lokroom/strata/internal/meter"
)

const second = 1_000_000

var names = [...]string{"gcra", "fixed", "counter", "strict", "slots"}

func rule(t testing.TB, kind meter.Kind, limit, window, burst, buckets int64) meter.Rule {
	t.Helper()
	r, err := meter.New(kind, limit, window, burst, buckets)
	if err != nil {
		t.Fatal(err)
	}
	return r
}

// state is one key under one rule.
type state struct {
	rule meter.Rule
	cell meter.Cell
	last int64
}

func (s *state) call(now, n int64, mode meter.Mode) meter.Decision {
	rules, cells := []meter.Rule{s.rule}, []meter.Cell{s.cell}
	var d meter.Decision
	d.Decide(rules, cells, s.last, now, n, mode, 0)
	s.cell, s.last = cells[0], now
	return d
}

// leftAt returns what would be left at a moment, if nothing happened until then.
func (s *state) leftAt(now int64) int64 {
	c := s.cell
	c.Log = c.Log.Clone()
	s.rule.Advance(&c, s.last, now)
	return s.rule.Left(&c, now)
}

// randomRule makes up policies from the sensible to the absurd.
func randomRule(rnd *rand.Rand, kind meter.Kind) (meter.Rule, error) {
	limits := []int64{1, 2, 3, 7, 10, 60, 97, 100, 1000, 4999, 100_000, 1 + rnd.Int64N(1_000_000)}
	windows := []int64{1000, second, second + 1, 7 * second, 60 * second, 3600 * second, 24 * 3600 * second, 1000 + rnd.Int64N(100*second)}
	limit := limits[rnd.IntN(len(limits))]
	burst := limit
	if rnd.IntN(2) == 0 {
		burst = limits[rnd.IntN(len(limits))]
	}
	buckets := []int64{1, 2, 10, 60, 240}[rnd.IntN(5)]
	return meter.New(kind, limit, windows[rnd.IntN(len(windows))], burst, buckets)
}

// randomGap returns a time until the next call: bursts, about the rate, idleness.
func randomGap(rnd *rand.Rand, r *meter.Rule) int64 {
	switch rnd.IntN(6) {
	case 0:
		return 0
	case 1:
		return rnd.Int64N(3)
	case 2:
		return r.Window * rnd.Int64N(3)
	case 3:
		return rnd.Int64N(3*r.Window) + 1
	default:
		return rnd.Int64N(2*r.Window/min(r.Capacity, r.Window/2)) + 1
	}
}

func randomCost(rnd *rand.Rand, r *meter.Rule) int64 {
	switch rnd.IntN(5) {
	case 0:
		return 1 + rnd.Int64N(r.Capacity+1) // one more than ever passes, too
	case 1:
		return 1 + rnd.Int64N(r.Capacity/3+1)
	default:
		return 1
	}
}

// What a decision says about the future comes true, to the microsecond: before it
// does, it is not so yet.
func TestDecide_saysWhen(t *testing.T) {
	for kind := range meter.Kind(meter.Kinds) {
		t.Run(names[kind], func(t *testing.T) {
			t.Parallel()
			rnd := rand.New(rand.NewPCG(1, uint64(kind)))
			for range 400 {
				r, err := randomRule(rnd, kind)
				if err != nil {
					continue
				}
				s, now := &state{rule: r}, int64(1_700_000_000_000_000)+rnd.Int64N(1e12)
				s.last = now
				for range 120 {
					now += randomGap(rnd, &r)
					n, mode := randomCost(rnd, &r), meter.Mode(rnd.IntN(3))
					d := s.call(now, n, mode)
					if msg := s.check(now, n, mode, d); msg != "" {
						t.Fatalf("%+v at %d, %d by mode %d: %+v: %s", r, now, n, mode, d, msg)
					}
				}
			}
		})
	}
}

// check returns what is wrong with d, or "".
func (s *state) check(now, n int64, mode meter.Mode, d meter.Decision) string {
	capacity := s.rule.Capacity
	if mode == meter.Some {
		n = max(1, d.Passed)
	}
	switch {
	case d.Left != s.leftAt(now):
		return fmt.Sprintf("%d are left", s.leftAt(now))
	case d.Allowed && d.Wait != 0:
		return "a wait for what was allowed"
	case (d.Passed == n) != (d.Allowed && mode != meter.Peek):
		return "charged wrongly"
	case n > capacity && d.Wait != meter.Never:
		return "more than ever passes is not denied for ever"
	case !d.Allowed && n <= capacity && (s.leftAt(now+d.Wait) < n || s.leftAt(now+d.Wait-1) >= n):
		return "the wait is wrong"
	case d.Left < capacity && (s.leftAt(now+d.Next) <= d.Left || s.leftAt(now+d.Next-1) > d.Left):
		return "the next one is wrong"
	case d.Left == capacity && d.Next != 0:
		return "more than all is to come"
	case s.leftAt(now+d.Reset) != capacity || d.Reset > 0 && s.leftAt(now+d.Reset-1) == capacity:
		return "the reset is wrong"
	}
	return ""
}

// Of several rules none is charged unless all are, and the one that decides is the
// one to wait for.
func TestDecide_severalRules(t *testing.T) {
	rnd := rand.New(rand.NewPCG(2, 2))
	for range 500 {
		var rules []meter.Rule
		for len(rules) < 3 {
			if r, err := randomRule(rnd, meter.Kind(rnd.IntN(meter.Kinds))); err == nil {
				rules = append(rules, r)
			}
		}
		cells, now := make([]meter.Cell, len(rules)), int64(1_700_000_000_000_000)
		last := now
		for range 60 {
			now += randomGap(rnd, &rules[0])
			n := randomCost(rnd, &rules[rnd.IntN(3)])
			before, least, wait := make([]int64, 3), int64(-1), int64(0)
			for i := range rules {
				s := state{rules[i], cells[i], last}
				before[i] = s.leftAt(now)
				if least < 0 || before[i] < least {
					least = before[i]
				}
				w := rules[i].Wait(clone(rules[i], cells[i], last, now), now, n)
				if w < 0 || wait >= 0 && w > wait {
					wait = w
				}
			}
			var d meter.Decision
			d.Decide(rules, cells, last, now, n, meter.All, 0)
			last = now
			if d.Allowed != (n <= least) || d.Wait != wait {
				t.Fatalf("%+v: %d of %v: %+v, want a wait of %d", rules, n, before, d, wait)
			}
			for i := range rules {
				if got := rules[i].Left(&cells[i], now); got != before[i]-d.Passed {
					t.Fatalf("%+v: %d of %v: rule %d has %d left: %+v", rules, n, before, i, got, d)
				}
				if idle := rules[i].Reset(&cells[i], now); d.Passed > 0 && idle > d.Idle {
					t.Fatalf("rule %d is idle after %d, not %d", i, idle, d.Idle)
				}
			}
		}
	}
}

// A rule alone decides as it does beside its like: a GCRA has a shorter way then.
func TestDecide_alone(t *testing.T) {
	rnd := rand.New(rand.NewPCG(3, 3))
	for range 2000 {
		r, err := randomRule(rnd, meter.GCRA)
		if err != nil {
			continue
		}
		one, two := []meter.Cell{{}}, []meter.Cell{{}, {}}
		last := int64(1_700_000_000_000_000)
		for range 60 {
			now, n := last+randomGap(rnd, &r), randomCost(rnd, &r)
			var got, want meter.Decision
			got.Decide([]meter.Rule{r}, one, last, now, n, meter.All, 0)
			want.Decide([]meter.Rule{r, r}, two, last, now, n, meter.All, 0)
			if got != want || one[0] != two[0] {
				t.Fatalf("%+v, %d: %+v %+v, want %+v %+v", r, n, got, one[0], want, two[0])
			}
			last = now
		}
	}
}

func clone(r meter.Rule, c meter.Cell, last, now int64) *meter.Cell {
	c.Log = c.Log.Clone()
	r.Advance(&c, last, now)
	return &c
}

// A log remembers as few marks as promised.
func TestStrict_size(t *testing.T) {
	for _, buckets := range []int64{1, 2, 10, 60, 240} {
		r := rule(t, meter.Strict, 100_000, second, 0, buckets)
		s, now := &state{rule: r}, int64(1_700_000_000_000_000)
		for range 20_000 {
			now += 137
			s.call(now, 1, meter.All)
			if n := s.cell.Log.Len(); n > int(buckets)+1 {
				t.Fatalf("%d buckets: %d marks", buckets, n)
			}
		}
	}
}

// What has no exact measure is refused, and what has is not.
func TestNew_exact(t *testing.T) {
	const day = 24 * 3600 * second
	for _, c := range []struct {
		kind                 meter.Kind
		limit, window, burst int64
		tick                 int64 // 0: refused
	}{
		{meter.GCRA, 100, second, 100, 1},
		{meter.GCRA, 1_000_000, day, 1_000_000, 1},
		{meter.GCRA, 1_234_567, day, 1_234_567, 1000},
		{meter.GCRA, 1_000_003, day + 1, 1_000_003, 0},
		{meter.Counter, 10_000, day, 0, 1},
		{meter.Counter, 100_000, day, 0, 1000},
		{meter.Counter, 100_000, day + 1, 0, 0},
		{meter.Fixed, 1 << 40, 3650 * day, 0, 1},
	} {
		r, err := meter.New(c.kind, c.limit, c.window, c.burst, 60)
		if (err != nil) != (c.tick == 0) || err == nil && r.Tick != c.tick {
			t.Errorf("%+v: %+v, %v", c, r, err)
		}
	}
}
