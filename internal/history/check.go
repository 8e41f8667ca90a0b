package history

import (
	"slices"
	"time"
)

// Rules say what is promised. See the package comment.
type Rules struct {
	// MaxUnheard is how long after a write had returned L1 of other processes
	// may still serve what was before.
	MaxUnheard time.Duration

	// Slack is added to MaxUnheard. See where it is used for what it excuses.
	Slack time.Duration
}

// A Violation is an answer that broke a promise.
type Violation struct {
	Guarantee string // "G1", "G2", "G3", or "future": read before it was committed
	Get       Op
	Write     Op            // that had returned; none for "future"
	Age       time.Duration // from the return of the first write that the answer missed to the call
}

// A Report is what Check found.
type Report struct {
	Ops, Gets, Writes int
	ByTier            map[Tier]int
	Stale             int // answers flagged as stale
	Failed            int // operations that returned an error
	Excused           int // answers with what a Set of unknown outcome wrote
	Violations        map[string]int
	Examples          []Violation // the first few of each guarantee

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
	r := &Report{Ops: len(ops), ByTier: map[Tier]int{}, Violations: map[string]int{}}
	keys := map[string]*register{}
	var gets []Op
	for _, o := range ops {
		k := keys[o.Key]
		if k == nil {
			k = &register{own: map[int]*writes{}, late: map[int64]time.Duration{}}
			keys[o.Key] = k
		}
		if o.Return-o.Call > r.Slowest.Return-r.Slowest.Call {
			r.Slowest = o
		}
		switch {
		case o.Kind == Get && o.Err == "":
			gets = append(gets, o)
		case o.Kind != Get:
			k.add(o)
			r.Writes++
		}
		if o.Err != "" {
			r.Failed++
		}
	}
	for _, k := range keys {
		k.sort()
	}
	slices.SortFunc(gets, func(a, b Op) int { return int(a.Call - b.Call) })
	for i := range gets {
		r.judge(keys[gets[i].Key], &gets[i], rules)
	}
	slices.Sort(r.Ages)
	return r
}

func (r *Report) judge(k *register, g *Op, rules Rules) {
	r.Gets++
	r.ByTier[g.Tier]++
	if k.newest(g.Return) < g.Version {
		r.violated(Violation{Guarantee: "future", Get: *g})
	}
	if g.Stale {
		r.Stale++
		return
	}
	missed := k.all.missed(g.Version, g.Call)
	inL1 := g.Tier == L1 || g.Tier == Any
	if began, ok := k.late[g.Version]; ok && missed != nil && began <= g.Return {
		r.Excused++
		return
	}
	var age time.Duration
	if missed != nil {
		age = g.Call - missed.Return
	}
	if g.Tier == L1 {
		r.Ages = append(r.Ages, age)
	}
	own := k.own[g.Process].missed(g.Version, g.Call)
	switch {
	case missed != nil && !inL1:
		r.violated(Violation{Guarantee: "G1", Get: *g, Write: *missed, Age: age})
	case own != nil:
		r.violated(Violation{Guarantee: "G2", Get: *g, Write: *own, Age: g.Call - own.Return})
	case age > rules.MaxUnheard+rules.Slack:
		r.violated(Violation{Guarantee: "G3", Get: *g, Write: *missed, Age: age})
	}
}

func (r *Report) violated(v Violation) {
	if r.Violations[v.Guarantee]++; r.Violations[v.Guarantee] <= examples {
		r.Examples = append(r.Examples, v)
	}
}

// A register is what happened to one key.
type register struct {
	all     writes
	own     map[int]*writes         // by process
	late    map[int64]time.Duration // versions of Sets of unknown outcome, and when they were called
	commits []Op                    // by call; versions ascend
}

func (k *register) add(o Op) {
	switch {
	case o.Kind == Commit:
		k.commits = append(k.commits, o)
	case o.Err != "" && o.Kind == Set:
		k.late[o.Version] = o.Call
	case o.Err == "":
		k.all.ops = append(k.all.ops, o)
		if k.own[o.Process] == nil {
			k.own[o.Process] = &writes{}
		}
		k.own[o.Process].ops = append(k.own[o.Process].ops, o)
	}
}

func (k *register) sort() {
	k.all.sort()
	for _, w := range k.own {
		w.sort()
	}
	slices.SortFunc(k.commits, func(a, b Op) int { return int(a.Call - b.Call) })
	for i := 1; i < len(k.commits); i++ { // they ascend already, if the source is one
		k.commits[i].Version = max(k.commits[i].Version, k.commits[i-1].Version)
	}
}

// newest returns the newest version whose commit had begun at t; before any that
// is 0, the version of what was always there.
func (k *register) newest(t time.Duration) int64 {
	n, _ := slices.BinarySearchFunc(k.commits, t, func(c Op, t time.Duration) int {
		if c.Call <= t {
			return -1
		}
		return 1
	})
	if n == 0 {
		return 0
	}
	return k.commits[n-1].Version
}

// writes are the writes that returned without an error and were, when they
// returned, the newest: by their return, with ascending versions.
type writes struct{ ops []Op }

func (w *writes) sort() {
	slices.SortFunc(w.ops, func(a, b Op) int { return int(a.Return - b.Return) })
	newest := w.ops[:0]
	for _, o := range w.ops {
		if len(newest) == 0 || o.Version > newest[len(newest)-1].Version {
			newest = append(newest, o)
		}
	}
	w.ops = newest
}

// missed returns the first write of something newer than version, if it returned
// before t; else nil.
func (w *writes) missed(version int64, t time.Duration) *Op {
	if w == nil {
		return nil
	}
	n, _ := slices.BinarySearchFunc(w.ops, version, func(o Op, version int64) int {
		if o.Version <= version {
			return -1
		}
		return 1
	})
	if n == len(w.ops) || w.ops[n].Return >= t {
		return nil
	}
	return &w.ops[n]
}
