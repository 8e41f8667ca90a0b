package model

import (
	"reflect"
	"strings"
	"testing"
)

// A grid is a system whose states can be counted by hand: two counters, each of
// which is raised until it is at size-1. Where they are both at bad, G1 is broken.
type grid struct{ size, bad uint8 }

type point struct{ x, y uint8 }

func (g grid) successors(s *point, step emit[point]) {
	visit := func(what label, p point) {
		broken := holds
		if p == (point{g.bad, g.bad}) {
			broken = breaks(G1, say("x is %d", p.x))
		}
		step(what, p, broken)
	}
	if s.x+1 < g.size {
		visit(say("right"), point{s.x + 1, s.y})
	}
	if s.y+1 < g.size {
		visit(say("up to %d", s.y+1), point{s.x, s.y + 1})
	}
}

func TestExplore(t *testing.T) {
	g := grid{size: 20, bad: 99}
	got := explore(point{}, g.successors, 1000)
	if got.States != 400 || got.Depth != 38 || !got.Complete || got.Broken != "" {
		t.Errorf("20 x 20 points: %+v", got)
	}
	if s := got.String(); s != "holds in 400 states" {
		t.Errorf("String: %q", s)
	}
}

// The search stops at the first state that breaks a guarantee, and a shortest
// way leads there.
func TestExplore_broken(t *testing.T) {
	g := grid{size: 20, bad: 2}
	got := explore(point{}, g.successors, 1000)
	want := `  1. right
  2. right
  3. up to 1
  4. up to 2
     G1: x is 2`
	if got.String() != want {
		t.Errorf("got\n%s\nwant\n%s", got, want)
	}
	if got.Broken != G1 || got.How != "x is 2" || got.Complete || got.Depth != 3 {
		t.Errorf("%+v", got)
	}
}

// What was not explored to the end does not count as complete.
func TestExplore_limit(t *testing.T) {
	g := grid{size: 20, bad: 99}
	if got := explore(point{}, g.successors, 100); got.Complete || got.States >= 400 {
		t.Errorf("with a limit of 100 states: %+v", got)
	}
}

// States that differ by the names of tokens only are one state; an order that
// tells them apart is not lost.
func TestNames(t *testing.T) {
	rename := func(in ...uint8) []uint8 {
		var n names
		for i := range in {
			n.rename(&in[i])
		}
		return in
	}
	for _, c := range []struct{ in, want []uint8 }{
		{[]uint8{7, 0, 3, 7}, []uint8{1, 0, 2, 1}},
		{[]uint8{3, 0, 9, 3}, []uint8{1, 0, 2, 1}},
		{[]uint8{3, 3, 9}, []uint8{1, 1, 2}},
		{[]uint8{firstFixedName, 5}, []uint8{firstFixedName, 1}},
	} {
		if got := rename(append([]uint8(nil), c.in...)...); !reflect.DeepEqual(got, c.want) {
			t.Errorf("%d: renamed to %d, want %d", c.in, got, c.want)
		}
	}
}

// Every label has the numbers that its format asks for.
func TestLabels(t *testing.T) {
	seen := map[label]bool{}
	for _, run := range Runs() {
		switch rules := run.rules.(type) {
		case *coreRules:
			collectLabels(seen, rules.initial(), rules.successors)
		case *writeRules:
			collectLabels(seen, rules.initial(), rules.successors)
		case *tagRules:
			collectLabels(seen, rules.initial(), rules.successors)
		case *failoverRules:
			collectLabels(seen, rules.initial(), rules.successors)
		case *slotRules:
			collectLabels(seen, rules.initial(), rules.successors)
		case *untrackedRules:
			collectLabels(seen, untrackedState{losses: rules.losses}, rules.successors)
		default:
			t.Fatalf("%s: rules of type %T", run.Name, rules)
		}
	}
	for l := range seen {
		if strings.Contains(l.String(), "%!") {
			t.Errorf("label %q", l)
		}
	}
	if len(seen) < 200 {
		t.Errorf("%d labels: they were not collected", len(seen))
	}
}

// collectLabels adds what the first states of a model emit.
func collectLabels[S comparable](seen map[label]bool, initial S, successors func(*S, emit[S])) {
	explore(initial, func(s *S, step emit[S]) {
		successors(s, func(what label, after S, broken violation) {
			seen[what], seen[broken.how] = true, true
			step(what, after, broken)
		})
	}, 2000)
}

// Every safeguard is left out by a run, which thereby breaks a guarantee; leaving
// it out for nothing would show nothing. The get script's second read is the
// exception: a timer does its work too (N1).
func TestEverySafeguardIsLeftOut(t *testing.T) {
	leftOut := map[string]bool{}
	for _, run := range Runs() {
		without := reflect.ValueOf(run.rules).Elem().FieldByName("without")
		for i := range without.NumField() {
			name := without.Type().Name() + "." + without.Type().Field(i).Name
			out := without.Field(i).Bool()
			leftOut[name] = leftOut[name] || out
			if out && run.Breaks == "" && name != "coreFaults.leaseTracking" {
				t.Errorf("%s does without %s and is to break nothing", run.Name, name)
			}
		}
		if without.IsZero() && run.Breaks != "" {
			t.Errorf("%s has all safeguards and is to break %s", run.Name, run.Breaks)
		}
	}
	for name, out := range leftOut {
		if !out {
			t.Errorf("no run does without %s", name)
		}
	}
	for _, g := range []Guarantee{G1, G2, G3, G4, G5, G6, G7} {
		if !breaksSomewhere(g) {
			t.Errorf("no run breaks %s: that it can be broken was not seen", g)
		}
	}
}

func breaksSomewhere(g Guarantee) bool {
	for _, run := range Runs() {
		if run.Breaks == g {
			return true
		}
	}
	return false
}
