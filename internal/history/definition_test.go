package history_test

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"testing"
	"time"

	"github.com/lokroom/strata/internal/history"
)

// A verdict is what the definition says of the answers of a history.
type verdict struct {
	violations     map[string]int
	lost, unfenced int
}

// TestCheck_definition compares with the definition, by brute force, on random histories.
func TestCheck_definition(t *testing.T) {
	r := rand.New(rand.NewPCG(1, 2))
	seen := verdict{violations: map[string]int{}}
	for n := range 9000 {
		ops := randomHistory(r)
		rules := history.Rules{MaxDisconnected: 20 * time.Millisecond}
		if n%2 == 1 {
			rules.Hold, rules.Lag = 15*time.Millisecond, 5*time.Millisecond
		}
		if n%5 == 0 {
			rules.Lease = 4 * time.Millisecond
		}
		if n%3 == 2 {
			from := ms(r.IntN(100))
			rules.Failovers = []history.Window{
				{From: from, To: from + ms(r.IntN(30)), Until: from + ms(50), Own: n%4 == 0},
				{From: from + ms(60), To: from + ms(70), Until: from + ms(80)},
				{To: from + ms(40), Since: from + ms(20), Until: from + ms(40), Own: true},
			}
		}
		if n%7 == 0 {
			rules.Unpushed = func(w *history.Op) time.Duration { return ms(int(w.Version%3) * 10) }
		}
		want := define(ops, &rules)
		for name, n := range want.violations {
			seen.violations[name] += n
		}
		seen.lost += want.lost
		seen.unfenced += want.unfenced
		got := history.Check(ops, rules)
		if fmt.Sprint(verdict{got.Violations, got.Lost, got.Unfenced}) != fmt.Sprint(want) {
			t.Fatalf("by %+v: %v, want %v in\n%v", rules, got, want, ops)
		}
	}
	for _, g := range history.Guarantees {
		if seen.violations[g] < 100 {
			t.Errorf("%s was violated %d times only: the comparison shows little", g, seen.violations[g])
		}
	}
	if seen.lost < 100 || seen.unfenced < 100 {
		t.Errorf("the comparison shows little: %+v", seen)
	}
}

// idle returns the longest part of g in which nobody was loading.
func idle(ops []history.Op, g history.Op) (longest time.Duration) {
	began := g.Call
	for t := g.Call; t < g.Return; t += time.Millisecond { // all times are whole milliseconds
		if slices.ContainsFunc(ops, func(o history.Op) bool { return o.Kind == history.Load && o.Call <= t && t < o.Return }) {
			began = t + time.Millisecond
		}
		longest = max(longest, t+time.Millisecond-began)
	}
	return longest
}

func define(ops []history.Op, rules *history.Rules) verdict {
	v := verdict{violations: map[string]int{}}
	for _, g := range ops {
		if g.Kind != history.Get {
			continue
		}
		if rules.Lease > 0 && idle(ops, g) > rules.Lease {
			v.violations["lease"]++
		}
		switch name := slow(ops, g, rules); name {
		case "":
		case "lost":
			v.lost++
		case "unguarded":
			v.unfenced++
		default:
			v.violations[name]++
		}
	}
	return v
}

// slow is the definition: which promise the answer g breaks, or what else there is
// to say of it.
func slow(ops []history.Op, g history.Op, rules *history.Rules) string {
	strict := g.Tier != history.L1
	disconnected := rules.MaxDisconnected
	if strict {
		disconnected = 0
	}
	broken := map[string]bool{}
	var most int64
	for _, o := range ops {
		if o.Kind == history.Commit && o.Call <= g.Return {
			most = max(most, o.Version)
		}
		if o.Kind == history.Get || o.Err != "" || o.Version <= g.Version {
			continue
		}
		at := o.Return
		if o.Kind == history.Commit || o.Kind == history.Hold {
			at += rules.Hold
		}
		if o.Kind == history.Hold || o.Kind == history.Commit && !o.Held {
			at += rules.Lag
		}
		var names []string
		told := o.Kind != history.Commit
		switch {
		case told && strict && at < g.Call:
			names = append(names, "G1")
		case told && at < g.Call-disconnected:
			names = append(names, "G3")
		case o.Held && rules.Hold > 0 && at < g.Call-disconnected:
			names = append(names, "G6")
		case !told && !o.Held && at < g.Call-disconnected:
			names = append(names, "unguarded")
		}
		if told && !strict && o.Kind == history.Wait && at < g.Call {
			names = append(names, "G3")
		}
		if told && !strict && o.Process == g.Process && at < g.Call {
			names = append(names, "G2")
		}
		if told && o.Version == g.After && at < g.Call {
			names = append(names, "token")
		}
		for _, name := range names {
			if name != "unguarded" && excused(o, g, rules, disconnected) {
				name = "lost"
			}
			broken[name] = true
		}
	}
	if g.Version > most {
		return "future"
	}
	for _, name := range []string{"G1", "G2", "G3", "G6", "token", "lost", "unguarded"} {
		if broken[name] {
			return name
		}
	}
	return ""
}

func excused(w, g history.Op, rules *history.Rules, disconnected time.Duration) bool {
	if rules.Unpushed != nil && w.Process != g.Process && g.Call-w.Return < rules.Unpushed(&w) {
		return true
	}
	for _, f := range rules.Failovers {
		if (f.Own || w.Process != g.Process) && f.From <= w.Return && w.Call <= f.To && g.Return >= f.Since && g.Call < f.Until+disconnected {
			return true
		}
	}
	return false
}

func ms(n int) time.Duration { return time.Duration(n) * time.Millisecond }

// randomHistory has writes of all kinds but Set, whose outcome may be unknown.
func randomHistory(r *rand.Rand) (ops []history.Op) {
	kinds := []history.Kind{history.Delete, history.Wait, history.Expire, history.Hold, history.Done, history.CommitSet}
	at := 0
	for v := range int64(6) {
		at += 1 + r.IntN(20)
		writer := r.IntN(3)
		c := op(history.Commit, writer, time.Duration(at), time.Duration(at+2), v+1)
		kind := kinds[r.IntN(len(kinds))]
		c.Held = kind == history.Done || kind == history.CommitSet
		ops = append(ops, c)
		w := op(kind, writer, time.Duration(at+2), time.Duration(at+2+r.IntN(40)), v+1)
		switch r.IntN(4) {
		case 0:
			w = failed(w)
		case 1: // the writer has crashed
			continue
		}
		ops = append(ops, w)
	}
	for range 8 {
		call := time.Duration(r.IntN(150))
		tier := []history.Tier{history.L1, history.L2, history.Source}[r.IntN(3)]
		g := get(r.IntN(4), call, call+time.Duration(r.IntN(10)), int64(r.IntN(7)), tier)
		g.After = int64(r.IntN(7))
		ops = append(ops, g)
	}
	for range 4 {
		call := time.Duration(r.IntN(150))
		ops = append(ops, op(history.Load, r.IntN(3), call, call+time.Duration(1+r.IntN(12)), 0))
	}
	r.Shuffle(len(ops), func(i, j int) { ops[i], ops[j] = ops[j], ops[i] })
	return ops
}
