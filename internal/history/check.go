package history

import (
	"slices"
	"time"
)

// A Violation is an answer that broke a promise.
type Violation struct {
	Guarantee string // "G1", "G2", "G3", "G6", "token", or "future": read before it was committed
	Get       Op
	Write     Op            // that was to be seen; none for "future"
	Age       time.Duration // from when it was promised to the call
}

// A Report is what Check found.
type Report struct {
	Ops, Gets, Writes int
	ByTier            map[Tier]int
	Stale             int            // answers flagged as stale
	Tokens, Waits     int            // answers to reads with a token, and writes that waited for every L1
	Failed            int            // operations that returned an error
	Errors            map[string]int // those, by what is common to such errors
	Excused           int            // answers with what a Set of unknown outcome wrote
	Violations        map[string]int
	Examples          []Violation // the first few of each guarantee

	// Lost counts the answers that were excused because of a failover, and
	// LostFor is how long after the last write that may be lost the last of them
	// was called.
	Lost    int
	LostFor time.Duration

	// Unguarded counts the answers that missed a commit of which nobody told
	// the cache, and which a bracket would have excluded.
	Unguarded int

	// Loads counts the loads, and Doubled those of them that began while
	// another process was loading the same, which had not changed.
	Loads, Doubled int

	// Ages has, for each answer of L1, how long before its call the first write
	// had returned that it missed; 0 if it missed none. In ascending order.
	Ages []time.Duration

	// Slowest is the operation that took longest.
	Slowest Op
}

// examples is how many violations of each guarantee are kept.
const examples = 3

// Check judges a history. The order of ops does not matter.
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
	if r.weigh(promises(k, g, rules), g, rules) && k.plain.missed(g.Version, g.Call-rules.unheard(g)) != nil {
		r.Unguarded++
	}
}

// A promise is what a Get must not miss if it was promised the time unheard before
// its call.
type promise struct {
	guarantee string
	writes    *writes
	unheard   time.Duration
}

func promises(k *register, g *Op, rules *Rules) []promise {
	unheard := rules.unheard(g)
	p := []promise{{"G2", k.own[g.Process], 0}, {"G3", &k.all, unheard}, {"G3", &k.waited, rules.Slack}}
	if g.strict() {
		p = []promise{{"G1", &k.all, 0}} // which has G2 in it
	}
	if rules.Hold > 0 {
		p = append(p, promise{"G6", &k.held, unheard})
	}
	if w := k.all.of(g.After); w != nil {
		one := &writes{}
		one.add(*w)
		one.sort()
		p = append(p, promise{"token", one, 0})
	}
	return p
}

// weigh judges g by promises, of which it counts the first that is broken, and
// reports whether all are kept.
func (r *Report) weigh(promises []promise, g *Op, rules *Rules) bool {
	lost := false
	for _, p := range promises {
		m := p.writes.missed(g.Version, g.Call-p.unheard)
		switch {
		case m == nil:
		case p.writes.missedOnly(g, m, g.Call-p.unheard, func(w *written) bool { return rules.excuses(w, g) }):
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
