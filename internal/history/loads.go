package history

import (
	"slices"
	"time"
)

// leaseTook is how long before a load the lease for it may have been taken.
const leaseTook = 50 * time.Millisecond

// countLoads counts the loads of a key, and those of them for which there should
// have been no lease: another process was loading, and nothing had changed since it
// began. It is a figure: what ends leases is not all in the history.
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

// changed reports whether something may have been done to the key in between.
func (k *register) changed(from, to time.Duration) bool {
	return slices.ContainsFunc(k.changes, func(o Op) bool { return o.Return > from && o.Call < to })
}
