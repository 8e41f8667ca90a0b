package history_test

import (
	"testing"
	"time"

	"github.com/lokroom/strata/internal/history"
)

func held(o history.Op) history.Op { o.Held = true; return o }

func kind(k history.Kind, o history.Op) history.Op { o.Kind = k; return o }

// What is promised of a commit in a bracket is promised whether anybody tells the
// cache of it or not; of another one, nothing is.
func TestCheck_crashes(t *testing.T) {
	rules := history.Rules{MaxDisconnected: maxDisconnected, Hold: 50 * time.Millisecond}
	// Committed at 20, so the hold is over at 70.
	for _, c := range []struct {
		name     string
		get      history.Op
		want     string // with a bracket
		unfenced bool   // without one
	}{
		{"old from L2 under the hold", get(2, 70, 99, 0, history.L2), "", false},
		{"old from L2 after it", get(2, 71, 99, 0, history.L2), "G6", true},
		{"old from the source after it", get(2, 71, 99, 0, history.Source), "G6", true},
		{"new from L2 after it", get(2, 71, 99, 1, history.L2), "", false},
		{"old from L1 in time", get(1, 170, 199, 0, history.L1), "", false},
		{"old from L1 too late", get(1, 171, 199, 0, history.L1), "G6", true},
		{"stale", stale(get(1, 171, 199, 0, history.L1)), "", false},
	} {
		for _, bracket := range []bool{true, false} {
			w := commit(1, 10, 20, 1)
			w.Held = bracket
			r := history.Check([]history.Op{w, c.get}, rules)
			want, unfenced := c.want, 0
			if !bracket {
				want = ""
				if c.unfenced {
					unfenced = 1
				}
			}
			if got := violated(r); got != want || r.Unfenced != unfenced {
				t.Errorf("%s, bracket %v: violated %q, want %q; %d unguarded, want %d", c.name, bracket, got, want, r.Unfenced, unfenced)
			}
		}
	}
	lost := history.Check([]history.Op{held(commit(1, 10, 20, 1)), get(2, 900, 901, 0, history.L2)}, history.Rules{MaxDisconnected: maxDisconnected})
	if lost.Violated() > 0 {
		t.Errorf("where holds may be lost: %v", lost)
	}
}

// A Wait promises for every L1 when it has returned; other writes, MaxDisconnected later.
// Expire allows stale answers in the process that called it.
func TestCheck_kindsAndL1(t *testing.T) {
	for k, want := range map[history.Kind]struct{ others, own string }{
		history.Delete: {"", "G2"}, history.Wait: {"G3", "G2"}, history.Expire: {"", ""}, history.Set: {"", "G2"},
	} {
		w := []history.Op{commit(1, 10, 20, 1), kind(k, deleted(1, 20, 30, 1))}
		r := history.Check(append(w[:2:2], get(2, 31, 32, 0, history.L1)), history.Rules{MaxDisconnected: maxDisconnected})
		if got := violated(r); got != want.others {
			t.Errorf("%v, read from L1 elsewhere: violated %q, want %q", k, got, want.others)
		}
		r = history.Check(append(w[:2:2], stale(get(1, 900, 901, 0, history.L1))), history.Rules{MaxDisconnected: maxDisconnected})
		if got := violated(r); got != want.own {
			t.Errorf("%v, stale in the same process: violated %q, want %q", k, got, want.own)
		}
	}
}

// Each kind of write makes its promise when it has returned; a Hold, when it is over.
func TestCheck_kinds(t *testing.T) {
	rules := history.Rules{MaxDisconnected: maxDisconnected, Hold: 50 * time.Millisecond, Lag: 20 * time.Millisecond}
	for k, from := range map[history.Kind]time.Duration{
		history.Delete: 30, history.Wait: 30, history.Set: 30, history.Expire: 30, history.Done: 30, history.CommitSet: 30, history.Hold: 100,
	} {
		for call, want := range map[time.Duration]string{from: "", from + 1: "G1"} {
			ops := []history.Op{commit(1, 10, 20, 1), kind(k, deleted(1, 20, 30, 1)), get(2, call, 900, 0, history.L2)}
			if got := violated(history.Check(ops, rules)); got != want {
				t.Errorf("%v, read at %d: violated %q, want %q", k, call, got, want)
			}
		}
	}
	for _, k := range []history.Kind{history.Begin, history.Load} {
		ops := []history.Op{commit(1, 10, 20, 1), kind(k, deleted(1, 20, 30, 1)), get(2, 900, 901, 0, history.L2)}
		if r := history.Check(ops, rules); r.Violated() > 0 || r.Unfenced != 1 {
			t.Errorf("%v promises something: %v", k, r)
		}
	}
}

// What a failover may lose is excused until it has been written again.
func TestCheck_failovers(t *testing.T) {
	v2 := append(v1[:2:2], commit(1, 40, 50, 2), deleted(1, 50, 60, 2)) // v1 returned at 30
	window := history.Window{From: 60, To: 80, Until: 200}
	for _, c := range []struct {
		name   string
		get    history.Op
		window history.Window
		want   string
		lost   int
	}{
		{"lost", get(2, 100, 101, 1, history.L2), window, "", 1},
		{"lost, in the process that wrote it", get(1, 100, 101, 1, history.L1), window, "G2", 0},
		{"lost, from L2, in the process that wrote it", get(1, 100, 101, 1, history.L2), window, "G1", 0},
		{"lost, also in the process that wrote it", get(1, 100, 101, 1, history.L1), history.Window{From: 60, To: 80, Until: 200, Own: true}, "", 1},
		{"lost until it is written again", get(2, 199, 300, 1, history.L2), window, "", 1},
		{"written again", get(2, 200, 300, 1, history.L2), window, "G1", 0},
		{"written again, as L1 may know", get(2, 299, 301, 1, history.L1), window, "", 1},
		{"written again, as L1 must know", get(2, 300, 301, 1, history.L1), window, "G3", 0},
		{"written before", get(2, 100, 101, 0, history.L2), window, "G1", 0},
		{"written before, to the last moment", get(2, 100, 101, 1, history.L2), history.Window{From: 61, To: 80, Until: 200}, "G1", 0},
		{"written on the new primary", get(2, 100, 101, 1, history.L2), history.Window{From: 20, To: 49, Until: 200}, "G1", 0},
		{"and what it says of older ones", get(2, 100, 101, 0, history.L2), history.Window{From: 20, To: 49, Until: 200}, "G1", 0},
		{"carried out before, and returned after", get(2, 100, 101, 1, history.L2), history.Window{From: 20, To: 50, Until: 200}, "", 1},
		{"both lost", get(2, 100, 101, 0, history.L2), history.Window{From: 20, To: 60, Until: 200}, "", 1},
		{"nothing missed", get(2, 100, 101, 2, history.L2), window, "", 0},
		{"other data is there", get(2, 90, 100, 0, history.L2), history.Window{To: 80, Since: 100, Until: 200}, "", 1},
		{"other data is not there yet", get(2, 90, 99, 0, history.L2), history.Window{To: 80, Since: 100, Until: 200}, "G1", 0},
	} {
		w := history.Window{From: c.window.From * time.Millisecond, To: c.window.To * time.Millisecond, Until: c.window.Until * time.Millisecond, Since: c.window.Since * time.Millisecond, Own: c.window.Own}
		r := history.Check(append(v2[:4:4], c.get), history.Rules{MaxDisconnected: maxDisconnected, Failovers: []history.Window{w}})
		if got := violated(r); got != c.want || r.Lost != c.lost {
			t.Errorf("%s: violated %q, want %q; %d lost, want %d", c.name, got, c.want, r.Lost, c.lost)
		}
		if c.lost > 0 && r.LostFor != c.get.Call-w.To {
			t.Errorf("%s: lost for %v after %v", c.name, r.LostFor, w.To)
		}
	}
}

// What Redis does not push is excused for a time, in other processes.
func TestCheck_unpushed(t *testing.T) {
	v2 := append(v1[:2:2], commit(1, 40, 50, 2), deleted(1, 50, 60, 2)) // v1 returned at 30
	rules := history.Rules{MaxDisconnected: maxDisconnected, Unpushed: func(w *history.Op) time.Duration {
		return time.Duration(w.Version-1) * 20 * time.Millisecond // none of v1
	}}
	for _, c := range []struct {
		name string
		get  history.Op
		want string
	}{
		{"in time", get(2, 79, 90, 1, history.L2), ""},
		{"too late", get(2, 80, 90, 1, history.L2), "G1"},
		{"in the process that wrote it", get(1, 79, 90, 1, history.L2), "G1"},
		{"another write is missed, too", get(2, 79, 90, 0, history.L2), "G1"},
	} {
		r := history.Check(append(v2[:4:4], c.get), rules)
		if got := violated(r); got != c.want {
			t.Errorf("%s: violated %q, want %q", c.name, got, c.want)
		}
	}
}

// A load counts as doubled if another process was loading and nothing had changed.
func TestCheck_loads(t *testing.T) {
	load := func(process int, call, ret time.Duration) history.Op { return op(history.Load, process, call, ret, 0) }
	for name, c := range map[string]struct {
		ops  []history.Op
		want int
	}{
		"one after the other":     {[]history.Op{load(1, 100, 200), load(2, 200, 300)}, 0},
		"at once":                 {[]history.Op{load(1, 100, 200), load(2, 199, 300)}, 1},
		"three at once":           {[]history.Op{load(1, 100, 400), load(2, 150, 160), load(3, 399, 400)}, 2},
		"in one process":          {[]history.Op{load(1, 100, 200), load(1, 150, 300)}, 0},
		"of two keys":             {[]history.Op{load(1, 100, 200), other(load(2, 150, 300))}, 0},
		"after a write":           {[]history.Op{load(1, 100, 200), deleted(3, 120, 130, 1), load(2, 150, 300)}, 0},
		"after one that failed":   {[]history.Op{load(1, 100, 200), failed(deleted(3, 120, 130, 1)), load(2, 150, 300)}, 0},
		"after an intent's begin": {[]history.Op{load(1, 100, 200), kind(history.Begin, deleted(3, 120, 130, 1)), load(2, 150, 300)}, 0},
		"before a write":          {[]history.Op{load(1, 100, 200), deleted(3, 150, 160, 1), load(2, 150, 300)}, 1},
		"long after a write":      {[]history.Op{deleted(3, 10, 20, 1), load(1, 100, 200), load(2, 150, 300)}, 1},
	} {
		if r := history.Check(c.ops, history.Rules{}); r.Doubled != c.want {
			t.Errorf("%s: %d doubled of %d, want %d", name, r.Doubled, r.Loads, c.want)
		}
	}
}
