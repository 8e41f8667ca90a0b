package meter

// A Mode selects what a call charges.
type Mode uint8

// Modes.
const (
	All  Mode = iota // n or nothing
	Some             // up to n, at least one
	Peek             // nothing; it returns what n would get
)

// A Decision is the result of a call. It describes the rule that decided: if denied, the
// rule that denies for the longest time; otherwise the one with least left. Of equal rules
// it is the first.
type Decision struct {
	Allowed bool
	Passed  int64 // amount charged
	Rule    int   // the rule that decided
	Left    int64 // amount that may pass now
	Wait    int64 // until n may pass; 0 if allowed
	Reset   int64 // until the rule is as if unused
	Next    int64 // until Left grows; 0 if Left is the maximum
	Idle    int64 // until all rules are as if unused; 0 if nothing was charged
}

// Decide decides a call for n, at least 1, and charges all cells or none. The cells, one
// per rule, have their state at last; afterwards at now, which is not earlier. It fills in
// d, because returning so much takes longer than deciding.
func (d *Decision) Decide(rules []Rule, cells []Cell, last, now, n int64, mode Mode, id uint64) {
	if len(rules) == 1 && rules[0].Kind == GCRA && mode == All {
		d.gcra(&rules[0], &cells[0], last, now, n)
		return
	}
	*d = Decision{Left: -1}
	for i := range rules {
		r, c := &rules[i], &cells[i]
		r.Advance(c, last, now)
		if left := r.Left(c, now); d.Left < 0 || left < d.Left {
			d.Left, d.Rule = left, i
		}
	}
	if mode == Some {
		n = max(1, min(n, d.Left))
	}
	if d.Allowed = n <= d.Left; !d.Allowed {
		d.deny(rules, cells, now, n)
	} else if mode != Peek {
		d.Passed = n
		d.Left -= n // for every rule, so that the order of rules is unchanged
		for i := range rules {
			rules[i].Add(&cells[i], now, n, id)
			d.Idle = max(d.Idle, rules[i].Reset(&cells[i], now))
		}
	}
	r, c := &rules[d.Rule], &cells[d.Rule]
	if d.Reset = d.Idle; len(rules) > 1 || d.Passed == 0 {
		d.Reset = r.Reset(c, now)
	}
	if d.Left < r.Capacity {
		d.Next = r.until(c, now, d.Left+1)
	}
}

// deny selects the rule with the longest wait.
func (d *Decision) deny(rules []Rule, cells []Cell, now, n int64) {
	for i := range rules {
		wait := rules[i].Wait(&cells[i], now, n)
		if wait == Never || wait > d.Wait {
			d.Rule, d.Wait, d.Left = i, wait, rules[i].Left(&cells[i], now)
		}
		if wait == Never {
			return
		}
	}
}
