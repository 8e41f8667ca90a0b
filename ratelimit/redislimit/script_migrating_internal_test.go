package redislimit

import (
	"math/rand/v2"
	"strings"
	"testing"

	"github.com/lokroom/strata/internal/meter"
	"github.com/lokroom/strata/internal/redistest"
)

// TestScript_migratingSlot: while the slot of a key is MIGRATING and the key still at the
// source, no script needs the key after it has removed it.
func TestScript_migratingSlot(t *testing.T) {
	cl := redistest.StartCluster(t, 2)
	source, target := cl.Nodes[0], cl.Nodes[1]
	if owner, err := cl.Owner("{m}"); err != nil {
		t.Fatal(err)
	} else if owner == target {
		source, target = target, source
	}
	type trial struct {
		key, decide, slots string
		packed             string
	}
	var trials []trial
	rnd := rand.New(rand.NewPCG(3, 3))
	for i := range 60 {
		var rules []meter.Rule
		for len(rules) < 1+i%2 {
			if r, err := randomRule(rnd, meter.Kind((i+len(rules))%meter.Kinds)); err == nil {
				rules = append(rules, r)
			}
		}
		x := trial{"{m}" + strings.Repeat("k", i), text(rules, decideLua), text(rules, slotsLua), packed(rules)}
		if _, err := source.Do("EVAL", x.decide, 1, x.key, question(1, int64(meter.All), "idididid", x.packed)); err != nil {
			t.Fatal(err)
		}
		trials = append(trials, x)
	}
	slot, err := cl.Slot("{m}")
	if err == nil {
		err = cl.BeginMove(slot, target, func() {})
	}
	if err != nil {
		t.Fatal(err)
	}
	for _, x := range trials {
		for _, call := range []struct {
			script string
			n      int64
			code   int64
			id     string
		}{
			{x.decide, 1, int64(meter.All), noID}, {x.decide, 1 << 40, int64(meter.All), noID},
			{x.decide, 1 << 40, 1, noID}, {x.decide, 1, 2, noID},
			{x.slots, 0, 1, "idididid"}, {x.slots, 0, 0, "idididid"},
		} {
			_, err := source.Do("EVAL", call.script, 1, x.key, question(call.n, call.code, call.id, x.packed))
			if err != nil && !strings.HasPrefix(err.Error(), "ASK ") {
				t.Errorf("n %d, code %d: %v", call.n, call.code, err)
			}
		}
	}
}
