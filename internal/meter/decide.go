package meter

// A Mode is what a call wants.
type Mode uint8

// The modes.
const (
	All  Mode = iota // n, or nothing
	Some             // up to n, at least one
	Peek             // nothing; it asks what n would get
)

// A Decision is the answer to a call. It speaks of the rule that decided: of those
// that deny, the one that does so for longest; if none does, the one that leaves
// least. The first counts where several are alike.
type Decision struct {
	Allowed bool
	Passed  int64 // how much was charged
	Rule    int   // the rule that decided
	Left    int64 // how much may pass now
	Wait    int64 // until n may pass; 0 if allowed
	Reset   int64 // until the rule is as if never used
	Next    int64 // until more than Left may pass; 0 if Left is all that ever can
	Idle    int64 // until all rules are as if never used; 0 if nothing was charged
}

// Decide decides a call for n, at least 1, and charges all cells or none. The cells,
// one for each rule, were true at last; they are at now, which is not before, when
// it returns. It fills in d, whatever was there, because to return so much takes longer
// than to decide.
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
		d.Left -= n // of every rule, so that the same one has least
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

// deny finds the rule to wait for.
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
