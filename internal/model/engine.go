package model

import (
	"fmt"
	"hash/maphash"
	"slices"
	"strings"
)

// maxStates is where exploring gives up. The largest run has half as many.
const maxStates = 30_000_000

// emit receives one successor of a state: what happened, the state after it, and
// the guarantee that it breaks, if any.
type emit[S comparable] func(what label, after S, broken violation)

// A Result is what exploring a model has found.
type Result struct {
	// States is the number of different states visited, the initial one included.
	States int
	// Depth is the largest number of steps from the initial state to a state
	// with successors that were visited.
	Depth int
	// Complete is true if every state that can be reached was visited. It is
	// false if a guarantee was broken, which ends the search.
	Complete bool
	// Broken is the guarantee that was broken, "" if none was.
	Broken Guarantee
	// How says in what way the last step broke it.
	How string
	// Steps is a shortest way from the initial state to where it was broken.
	Steps []string
}

// String returns the numbered steps that broke a guarantee, a line each, or says
// that nothing was broken.
func (r Result) String() string {
	if r.Broken == "" {
		return fmt.Sprintf("holds in %d states", r.States)
	}
	var b strings.Builder
	for i, step := range r.Steps {
		fmt.Fprintf(&b, "%3d. %s\n", i+1, step)
	}
	fmt.Fprintf(&b, "     %s: %s", r.Broken, r.How)
	return b.String()
}

// explore visits the states that can be reached from initial, breadth first, and
// stops at the first broken guarantee or after limit states. What successors is
// given belongs to explore: it emits changed copies.
//
// It remembers 64 bits of each state (hash compaction: Holzmann, "Design and
// Validation of Computer Protocols", 1991), so two states with the same hash
// would be taken for one. The hash has a new seed each time, and the chance of any
// collision among n states is n*n/2^65: one in 200,000 for the largest run.
func explore[S comparable](initial S, successors func(*S, emit[S]), limit int) Result {
	seed := maphash.MakeSeed()
	seen := map[uint64]struct{}{maphash.Comparable(seed, initial): {}}
	way := newTrail()
	type visit struct {
		state S
		at    uint32 // in way
	}
	level, next, res := []visit{{state: initial}}, []visit(nil), Result{}
	for depth := 0; len(level) > 0; depth++ {
		res.Depth = depth
		for i := range level {
			v := &level[i]
			successors(&v.state, func(what label, after S, broken violation) {
				if res.Broken != "" {
					return
				}
				if broken.guarantee != "" {
					res.Broken, res.How = broken.guarantee, broken.how.String()
					res.Steps = append(way.to(v.at), what.String())
					return
				}
				h := maphash.Comparable(seed, after)
				if _, old := seen[h]; !old {
					seen[h] = struct{}{}
					next = append(next, visit{after, way.step(v.at, what)})
				}
			})
			if res.Broken != "" {
				break
			}
		}
		if res.States = len(seen); res.Broken != "" || res.States > limit {
			return res
		}
		level, next = next, level[:0] // the memory of one level serves the next but one
	}
	res.Complete = true
	return res
}

// A trail remembers how each state was reached first. There are millions of
// states and a few hundred labels, so it numbers the labels.
type trail struct {
	steps  []trailStep
	number map[label]uint32
	labels []label
}

type trailStep struct{ before, what uint32 }

func newTrail() *trail {
	return &trail{steps: make([]trailStep, 1), number: map[label]uint32{}}
}

// step adds a step made from the state at before, and returns where it leads.
func (t *trail) step(before uint32, what label) uint32 {
	n, ok := t.number[what]
	if !ok {
		n = uint32(len(t.labels))
		t.number[what], t.labels = n, append(t.labels, what)
	}
	t.steps = append(t.steps, trailStep{before, n})
	return uint32(len(t.steps) - 1)
}

// to returns the steps from the initial state to the one at i.
func (t *trail) to(i uint32) []string {
	var way []string
	for ; i != 0; i = t.steps[i].before {
		way = append(way, t.labels[t.steps[i].what].String())
	}
	slices.Reverse(way)
	return way
}
