package history

import (
	"slices"
	"time"
)

// leaseTook is how long before a load its lease may have been taken.
const leaseTook = 50 * time.Millisecond

// countLoads counts the loads of a key, and those that a lease should have prevented:
// another process was loading, and nothing had changed since it began. The result is
// informative only, since the history does not contain everything that ends a lease.
func (r *Report) countLoads(k *register) {
	slices.SortFunc(k.loads, func(a, b Op) int { return int(a.Call - b.Call) })
	r.Loads += len(k.loads)
	var longest time.Duration
	for i, l := range k.loads {
		longest = max(longest, l.Return-l.Call)
		for j := i - 1; j >= 0 && l.Call-k.loads[j].Call < longest; j-- {
			if o := k.loads[j]; o.Process != l.Process && o.Return > l.Call && !k.changed(o.Call-leaseTook, l.Call) {
				r.Doubled++
				break
			}
		}
	}
}

// idle returns the longest part of the time of g, if that is longer than lease, in which no
// process was loading the key.
func (k *register) idle(g *Op, lease time.Duration) (longest time.Duration) {
	if g.Return-g.Call <= lease {
		return 0
	}
	at := g.Call
	for _, l := range k.loads { // in the order of their calls
		if l.Call >= g.Return {
			break
		}
		longest = max(longest, l.Call-at)
		at = max(at, l.Return)
	}
	return max(longest, g.Return-at)
}

// changed reports whether the key may have changed between from and to.
func (k *register) changed(from, to time.Duration) bool {
	return slices.ContainsFunc(k.changes, func(o Op) bool { return o.Return > from && o.Call < to })
}
