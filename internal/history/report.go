package history

import (
	"fmt"
	"slices"
	"strings"
	"time"
)

// Guarantees has the names of the guarantees in the order of reports.
var Guarantees = []string{"G1", "G2", "G3", "G6", "token", "future", "lease"}

// Violated returns the number of answers that violate a guarantee.
func (r *Report) Violated() (n int) {
	for _, v := range r.Violations {
		n += v
	}
	return n
}

// Age returns the age that a fraction p of the answers of L1 did not exceed; 1 is all of
// them. See [Report.Ages].
func (r *Report) Age(p float64) time.Duration {
	if len(r.Ages) == 0 {
		return 0
	}
	i := int(p*float64(len(r.Ages))+0.999999) - 1
	return r.Ages[min(max(i, 0), len(r.Ages)-1)]
}

// Older returns the number of answers of L1 that missed a write.
func (r *Report) Older() int {
	i, _ := slices.BinarySearch(r.Ages, 1)
	return len(r.Ages) - i
}

// common returns the last part of an error, without keys, numbers and addresses.
func common(err string) string {
	err, _, _ = strings.Cut(err, "\n") // the first of several
	err = err[strings.LastIndex(err, ": ")+1:]
	if i := strings.IndexAny(err, "0123456789\""); i >= 0 {
		err = err[:i]
	}
	return strings.TrimSpace(err)
}

// String is the report in a few lines.
func (r *Report) String() string {
	var b strings.Builder
	fmt.Fprintf(&b, "%d operations: %d gets (%d L1, %d L2, %d source, %d of any tier; %d stale; %d with a token), %d commits and writes (%d that waited for every L1), %d loads (%d doubled), %d failed\n",
		r.Ops, r.Gets, r.ByTier[L1], r.ByTier[L2], r.ByTier[Source], r.ByTier[Any], r.Stale, r.Tokens, r.Writes, r.Waits, r.Loads, r.Doubled, r.Failed)
	fmt.Fprintf(&b, "violations:")
	for _, g := range Guarantees {
		fmt.Fprintf(&b, " %s %d", g, r.Violations[g])
	}
	fmt.Fprintf(&b, "; excused: %d after a failover (the last after %v), %d after a late set; %d without a write intent\n",
		r.Lost, r.LostFor.Round(time.Millisecond), r.Excused, r.Unfenced)
	if r.Failed > 0 {
		fmt.Fprintf(&b, "errors: %v\n", r.Errors)
	}
	round := func(p float64) time.Duration { return r.Age(p).Round(time.Microsecond) }
	fmt.Fprintf(&b, "L1 answers older than a write: %d, age p50 %v p99 %v max %v", r.Older(), round(0.5), round(0.99), round(1))
	fmt.Fprintf(&b, "; slowest: %s of p%d, %v", r.Slowest.Kind, r.Slowest.Process, (r.Slowest.Return - r.Slowest.Call).Round(time.Millisecond))
	return b.String()
}

// Story returns the operations that led to v, in the order of their calls: the commits and
// writes of the key from the version of the answer on, and the loads and reads of that
// version. A long list is shortened to its ends, and has few of the answers of L1.
func (v *Violation) Story(ops []Op) string {
	var own []Op
	for _, o := range ops {
		if o.Key != v.Get.Key || o.Call > v.Get.Return || o.Version < v.Get.Version {
			continue
		}
		if o.Kind != Get && o.Kind != Load || o.Version == v.Get.Version {
			own = append(own, o)
		}
	}
	slices.SortStableFunc(own, func(a, b Op) int { return int(a.Call - b.Call) })
	own = ends(own, 2, func(o Op) bool { return o.Kind == Get && !o.strict() })
	own = ends(own, 30, func(Op) bool { return true })
	var b strings.Builder
	fmt.Fprintf(&b, "%s: %v, though this had returned %v before:\n    %v", v.Guarantee, v.Get, v.Age, v.Write)
	for _, o := range own {
		fmt.Fprintf(&b, "\n    %v", o)
	}
	return b.String()
}

// ends removes from ops the operations that many accepts, except the first n and the last
// n.
func ends(ops []Op, n int, many func(Op) bool) []Op {
	total := 0
	for _, o := range ops {
		if many(o) {
			total++
		}
	}
	seen := 0
	return slices.DeleteFunc(ops, func(o Op) bool {
		if !many(o) {
			return false
		}
		seen++
		return seen > n && seen <= total-n
	})
}
