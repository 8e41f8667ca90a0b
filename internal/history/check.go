package history

import (
	"slices"
	"time"
)

// A Violation is an answer that violates a guarantee.
type Violation struct {
	// Guarantee is "G1", "G2", "G3", "G6", "token", "future" for what was read before it was
	// committed, or "lease" for a read that waited for a lease without a holder.
	Guarantee string
	Get       Op
	Write     Op            // the write that it should have seen; none for "future" and "lease"
	Age       time.Duration // between the guarantee and the call; with "lease" the wait
}

// A Report is the result of Check.
type Report struct {
	Ops, Gets, Writes int
	ByTier            map[Tier]int
	Stale             int            // answers flagged as stale
	Tokens, Waits     int            // answers to reads with a token, and writes that waited for every L1
	Failed            int            // operations that returned an error
	Errors            map[string]int // these errors, by their common part
	Excused           int            // answers with a value of a Set with unknown outcome
	Violations        map[string]int
	Examples          []Violation // the first few of each guarantee

	// Lost counts the answers excused by a failover. LostFor is the time from the last
	// write that may be lost to the call of the last of these answers.
	Lost    int
	LostFor time.Duration

	// Unfenced counts the answers that missed a commit without notification of the cache. A
	// write intent would have prevented them.
	Unfenced int

	// Loads counts the loads. Doubled counts those that began while another process was
	// loading the same unchanged value.
	Loads, Doubled int

	// Ages has, for each answer of L1, the time from the return of the first write that it
	// missed to its call; 0 if it missed none. It is in ascending order.
	Ages []time.Duration

	// Slowest is the operation that took longest.
	Slowest Op
}

// examples is the maximum number of violations to keep per guarantee.
const examples = 3

// Check checks a history. The order of ops does not matter.
func Check(ops []Op, rules Rules) *Report {
	r := &Report{Ops: len(ops), ByTier: map[Tier]int{}, Errors: map[string]int{}, Violations: map[string]int{}}
	keys := map[string]*register{}
	var gets []Op
	for _, o := range ops {
		k := keys[o.Key]
		if k == nil {
			k = newRegister()
			keys[o.Key] = k
		}
		if took := o.Return - o.Call; o.Kind != Load && took > r.Slowest.Return-r.Slowest.Call {
			r.Slowest = o
		}
		if o.Kind == Get && o.Err == "" {
			gets = append(gets, o)
		}
		if o.Kind == Commit || o.Kind.writes() {
			r.Writes++
		}
		if o.Kind == Wait && o.Err == "" {
			r.Waits++
		}
		if o.Err != "" && o.Kind != Load {
			r.Failed++
			r.Errors[common(o.Err)]++
		}
		k.add(o, &rules)
	}
	for _, k := range keys {
		k.sort()
		r.countLoads(k)
	}
	slices.SortFunc(gets, func(a, b Op) int { return int(a.Call - b.Call) })
	for i := range gets {
		r.judge(keys[gets[i].Key], &gets[i], &rules)
	}
	slices.Sort(r.Ages)
	return r
}

func (r *Report) judge(k *register, g *Op, rules *Rules) {
	r.Gets++
	r.ByTier[g.Tier]++
	if idle := k.idle(g, rules.Lease); rules.Lease > 0 && idle > rules.Lease+rules.Slack {
		r.violated(Violation{Guarantee: "lease", Get: *g, Age: idle})
	}
	if k.newest(g.Return) < g.Version {
		r.violated(Violation{Guarantee: "future", Get: *g})
	}
	missed := k.all.missed(g.Version, g.Call)
	if began, ok := k.late[g.Version]; ok && missed != nil && began <= g.Return {
		r.Excused++
		return
	}
	if g.Stale {
		r.Stale++
		r.weigh([]promise{{"G2", k.hard[g.Process], 0}}, g, rules)
		return
	}
	if g.Tier == L1 {
		var age time.Duration
		if missed != nil {
			age = g.Call - missed.at
		}
		r.Ages = append(r.Ages, age)
	}
	if g.After > 0 {
		r.Tokens++
	}
	if r.weigh(promises(k, g, rules), g, rules) && k.plain.missed(g.Version, g.Call-rules.disconnected(g)) != nil {
		r.Unfenced++
	}
}

// A promise is a guarantee with its writes, which a Get must see if they were promised long
// enough before its call.
type promise struct {
	guarantee    string
	writes       *writes
	disconnected time.Duration
}

func promises(k *register, g *Op, rules *Rules) []promise {
	disconnected := rules.disconnected(g)
	p := []promise{{"G2", k.own[g.Process], 0}, {"G3", &k.all, disconnected}, {"G3", &k.waited, rules.Slack}}
	if g.strict() {
		p = []promise{{"G1", &k.all, 0}} // includes G2
	}
	if rules.Hold > 0 {
		p = append(p, promise{"G6", &k.held, disconnected})
	}
	if w := k.all.of(g.After); w != nil {
		one := &writes{}
		one.add(*w)
		one.sort()
		p = append(p, promise{"token", one, 0})
	}
	return p
}

// weigh checks g against promises, counts the first violation, and reports whether there is
// none.
func (r *Report) weigh(promises []promise, g *Op, rules *Rules) bool {
	lost := false
	for _, p := range promises {
		m := p.writes.missed(g.Version, g.Call-p.disconnected)
		switch {
		case m == nil:
		case p.writes.missedOnly(g, m, g.Call-p.disconnected, func(w *written) bool { return rules.excuses(w, g) }):
			lost = true
		default:
			r.violated(Violation{Guarantee: p.guarantee, Get: *g, Write: m.Op, Age: g.Call - m.at})
			return false
		}
	}
	if lost {
		r.Lost++
		r.LostFor = max(r.LostFor, rules.since(g.Call))
	}
	return !lost
}

func (r *Report) violated(v Violation) {
	if r.Violations[v.Guarantee]++; r.Violations[v.Guarantee] <= examples {
		r.Examples = append(r.Examples, v)
	}
}
