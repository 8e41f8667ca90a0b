package history_test

import (
	"strings"
	"testing"
	"time"

	"github.com/lokroom/strata/internal/history"
)

// The pieces of histories: times in milliseconds.
func op(kind history.Kind, process int, call, ret time.Duration, version int64) history.Op {
	return history.Op{Kind: kind, Key: "k", Process: process, Call: call * time.Millisecond, Return: ret * time.Millisecond, Version: version}
}

func commit(process int, call, ret time.Duration, version int64) history.Op {
	return op(history.Commit, process, call, ret, version)
}

func deleted(process int, call, ret time.Duration, version int64) history.Op {
	return op(history.Delete, process, call, ret, version)
}

func get(process int, call, ret time.Duration, version int64, tier history.Tier) history.Op {
	o := op(history.Get, process, call, ret, version)
	o.Tier = tier
	return o
}

func failed(o history.Op) history.Op            { o.Err = "unavailable"; return o }
func stale(o history.Op) history.Op             { o.Stale = true; return o }
func with(after int64, o history.Op) history.Op { o.After = after; return o }
func set(o history.Op) history.Op               { o.Kind = history.Set; return o }
func other(o history.Op) history.Op             { o.Key = "other"; return o }

// v1 is committed at 10..20 and deleted at 20..30, by process 1.
var v1 = []history.Op{commit(1, 10, 20, 1), deleted(1, 20, 30, 1)}

const maxDisconnected = 100 * time.Millisecond

func TestCheck(t *testing.T) {
	for _, c := range []struct {
		name string
		ops  []history.Op
		want string // the guarantees that are violated, one word an answer
	}{
		{"nothing", nil, ""},
		{"what was always there", []history.Op{get(1, 0, 1, 0, history.Source)}, ""},
		{"the new value", []history.Op{get(2, 31, 32, 1, history.L2)}, ""},

		{"old from L2 before the write returned", []history.Op{get(2, 29, 300, 0, history.L2)}, ""},
		{"old from L2 called as the write returned", []history.Op{get(2, 30, 40, 0, history.L2)}, ""},
		{"old from L2 after", []history.Op{get(2, 31, 40, 0, history.L2)}, "G1"},
		{"old from the source after", []history.Op{get(2, 31, 40, 0, history.Source)}, "G1"},
		{"old from L2 after, in the same process", []history.Op{get(1, 31, 40, 0, history.L2)}, "G1"},
		{"old from L2, of another key", []history.Op{other(get(2, 31, 40, 0, history.L2))}, ""},
		{"each answer counts", []history.Op{get(2, 31, 40, 0, history.L2), get(2, 50, 60, 0, history.L2)}, "G1 G1"},

		{"new while it is committed", []history.Op{get(2, 5, 10, 1, history.Source)}, ""},
		{"new before it is committed", []history.Op{get(2, 5, 9, 1, history.Source)}, "future"},
		{"new before it is committed, from L1", []history.Op{get(2, 5, 9, 1, history.L1)}, "future"},
		{"never committed", []history.Op{get(2, 50, 60, 2, history.L1)}, "future"},
		{"never committed, flagged", []history.Op{stale(get(2, 50, 60, 2, history.L1))}, "future"},
		{"old after new while the write is under way", []history.Op{get(2, 21, 22, 1, history.L2), get(2, 23, 24, 0, history.L2)}, ""},

		{"old from L1 of the writer before", []history.Op{get(1, 29, 32, 0, history.L1)}, ""},
		{"old from L1 of the writer after", []history.Op{get(1, 31, 32, 0, history.L1)}, "G2"},
		{"old from any tier of the writer after", []history.Op{get(1, 31, 32, 0, history.Any)}, "G2"},
		{"new from L1 of the writer", []history.Op{get(1, 31, 32, 1, history.L1)}, ""},

		{"old from L1 of another in time", []history.Op{get(2, 130, 500, 0, history.L1)}, ""},
		{"old from L1 of another too late", []history.Op{get(2, 131, 132, 0, history.L1)}, "G3"},
		{"old from any tier of another in time", []history.Op{get(2, 130, 500, 0, history.Any)}, ""},
		{"old from any tier of another too late", []history.Op{get(2, 131, 132, 0, history.Any)}, "G3"},

		{"stale from L2", []history.Op{stale(get(2, 31, 40, 0, history.L2))}, ""},
		{"stale from L1 of the writer", []history.Op{stale(get(1, 31, 40, 0, history.L1))}, "G2"},
		{"stale from L1 of another", []history.Op{stale(get(2, 900, 901, 0, history.L1))}, ""},

		{"old from L1 with a token", []history.Op{with(1, get(2, 31, 32, 0, history.L1))}, "token"},
		{"old from L1 with the token of nothing that was told", []history.Op{with(7, get(2, 31, 32, 0, history.L1))}, ""},
		{"new from L1 with a token", []history.Op{with(1, get(2, 31, 32, 1, history.L1))}, ""},
		{"old from L2 with a token", []history.Op{with(1, get(2, 31, 32, 0, history.L2))}, "G1"},
		{"a get that failed", []history.Op{failed(get(1, 31, 40, 0, history.L2))}, ""},
	} {
		t.Run(c.name, func(t *testing.T) {
			r := history.Check(append(v1[:2:2], c.ops...), history.Rules{MaxDisconnected: maxDisconnected})
			if got := violated(r); got != c.want {
				t.Errorf("violated: %q, want %q\n%v", got, c.want, r)
			}
		})
	}
}

// violated returns the names of the guarantees violated, once for each answer.
func violated(r *history.Report) string {
	var names []string
	for _, g := range history.Guarantees {
		for range r.Violations[g] {
			names = append(names, g)
		}
	}
	return strings.Join(names, " ")
}

// What a write that failed may do, and may not.
func TestCheck_failedWrites(t *testing.T) {
	rules := history.Rules{MaxDisconnected: maxDisconnected}
	for _, c := range []struct {
		name string
		ops  []history.Op
		want string
	}{
		{"a delete that failed promises nothing", []history.Op{
			commit(1, 10, 20, 1), failed(deleted(1, 20, 30, 1)),
			get(1, 40, 41, 0, history.L1), get(2, 40, 41, 0, history.L2), get(2, 900, 901, 0, history.L1),
		}, ""},
		{"nor to be invisible", []history.Op{
			commit(1, 10, 20, 1), failed(deleted(1, 20, 30, 1)), get(2, 15, 16, 1, history.Source),
		}, ""},
		{"it does not take away what others promised", []history.Op{
			commit(1, 10, 20, 1), deleted(1, 20, 30, 1), commit(1, 40, 50, 2), failed(deleted(1, 50, 60, 2)),
			get(2, 70, 71, 0, history.L2), get(2, 70, 71, 1, history.L2),
		}, "G1"},
		{"a set that failed may take effect later", []history.Op{
			commit(1, 10, 20, 1), failed(set(deleted(1, 20, 30, 1))), commit(1, 40, 50, 2), set(deleted(1, 50, 60, 2)),
			get(2, 70, 71, 1, history.L2), get(1, 70, 71, 1, history.L1), get(2, 900, 901, 1, history.L1),
		}, ""},
		{"but writes nothing else", []history.Op{
			commit(1, 10, 20, 1), failed(set(deleted(1, 20, 30, 1))), commit(1, 40, 50, 2), set(deleted(1, 50, 60, 2)),
			get(2, 70, 71, 0, history.L2),
		}, "G1"},
		{"a delete that failed does not write", []history.Op{
			commit(1, 10, 20, 1), failed(deleted(1, 20, 30, 1)), commit(1, 40, 50, 2), set(deleted(1, 50, 60, 2)),
			get(2, 70, 71, 1, history.L2),
		}, "G1"},
	} {
		t.Run(c.name, func(t *testing.T) {
			r := history.Check(c.ops, rules)
			if got := violated(r); got != c.want {
				t.Errorf("violated: %q, want %q\n%v", got, c.want, r)
			}
		})
	}
}

// Writes that overlap return in any order: the newest that has returned counts.
func TestCheck_overlappingWrites(t *testing.T) {
	ops := []history.Op{
		commit(1, 10, 11, 1), commit(2, 12, 13, 2), commit(3, 14, 15, 3),
		deleted(3, 15, 20, 3), deleted(1, 11, 40, 1), deleted(2, 13, 60, 2),
	}
	for call, least := range map[time.Duration]int64{20: 0, 21: 3, 41: 3, 61: 3} {
		for v := range int64(4) {
			r := history.Check(append(ops[:6:6], get(9, call, call+1, v, history.L2)), history.Rules{})
			if bad := r.Violated() > 0; bad != (v < least) {
				t.Errorf("called at %v, v%d: violated %v, want %v", call, v, bad, v < least)
			}
		}
	}
	// Each process is held to its own writes at once.
	for process, least := range map[int]int64{1: 1, 2: 0, 3: 3, 9: 0} {
		for v := range int64(4) {
			r := history.Check(append(ops[:6:6], get(process, 41, 42, v, history.L1)), history.Rules{MaxDisconnected: time.Hour})
			if bad := r.Violations["G2"] > 0; bad != (v < least) {
				t.Errorf("process %d, v%d: violated %v, want %v", process, v, bad, v < least)
			}
		}
	}
}

// A read may wait for what others load, but not longer than the life of a lease for nothing.
func TestCheck_lease(t *testing.T) {
	load := func(call, ret time.Duration) history.Op { return op(history.Load, 1, call, ret, 0) }
	read := get(2, 0, 400, 0, history.Source)
	for name, c := range map[string]struct {
		ops  []history.Op
		want string
	}{
		"shorter than a lease":         {[]history.Op{get(2, 0, 110, 0, history.Source)}, ""},
		"longer":                       {[]history.Op{get(2, 0, 111, 0, history.Source)}, "lease"},
		"while others load":            {[]history.Op{read, load(50, 300), load(100, 150), load(110, 320)}, ""},
		"while others load other keys": {[]history.Op{read, other(load(50, 320))}, "lease"},
		"before they load":             {[]history.Op{read, load(200, 400)}, "lease"},
		"between their loads":          {[]history.Op{read, load(50, 100), load(220, 320)}, "lease"},
		"after they have loaded":       {[]history.Op{read, load(50, 280)}, "lease"},
		"long before and after":        {[]history.Op{load(0, 10), get(2, 1000, 1400, 0, history.Source), load(1500, 1600)}, "lease"},
		"a read that fails":            {[]history.Op{failed(read)}, ""},
	} {
		r := history.Check(c.ops, history.Rules{Lease: 100 * time.Millisecond, Slack: 10 * time.Millisecond})
		if got := violated(r); got != c.want {
			t.Errorf("%s: violated: %q, want %q", name, got, c.want)
		}
		if got := violated(history.Check(c.ops, history.Rules{})); got != "" {
			t.Errorf("%s: without a bound violated: %q", name, got)
		}
	}
}

func TestCheck_slack(t *testing.T) {
	ops := append(v1[:2:2], get(2, 150, 151, 0, history.L1))
	for slack, want := range map[time.Duration]string{0: "G3", 19 * time.Millisecond: "G3", 20 * time.Millisecond: ""} {
		if got := violated(history.Check(ops, history.Rules{MaxDisconnected: maxDisconnected, Slack: slack})); got != want {
			t.Errorf("slack %v: violated %q, want %q", slack, got, want)
		}
	}
}

func TestReport(t *testing.T) {
	r := history.Check(append(v1[:2:2],
		get(2, 5, 6, 0, history.L1), get(2, 25, 26, 0, history.L1), get(2, 35, 36, 0, history.L1), get(2, 50, 51, 0, history.L1),
		get(2, 60, 61, 1, history.L1), get(2, 62, 90, 1, history.L2), get(2, 92, 93, 1, history.Source), get(2, 94, 95, 1, history.Any),
		stale(get(2, 200, 201, 0, history.L1)), failed(get(2, 300, 301, 0, history.Any)),
	), history.Rules{MaxDisconnected: maxDisconnected})
	if r.Ops != 12 || r.Gets != 9 || r.Writes != 2 || r.Failed != 1 || r.Stale != 1 || r.Violated() != 0 || r.Older() != 2 {
		t.Errorf("%+v", r)
	}
	const milli = time.Millisecond
	if r.Age(0.5) != 0 || r.Age(0.8) != 5*milli || r.Age(0.81) != 20*milli || r.Age(1) != 20*milli || len(r.Ages) != 5 {
		t.Errorf("ages %v", r.Ages)
	}
	if r.Errors["unavailable"] != 1 || len(r.Errors) != 1 {
		t.Errorf("errors %v", r.Errors)
	}
	if r.Slowest.Tier != history.L2 || r.ByTier[history.L1] != 6 {
		t.Errorf("slowest %v, tiers %v", r.Slowest, r.ByTier)
	}
	var none history.Report
	if none.Age(1) != 0 || none.Older() != 0 || none.Violated() != 0 || none.String() == "" {
		t.Error("an empty report is not empty")
	}
}

// Of a violation the report tells who did what when.
func TestViolation_Story(t *testing.T) {
	ops := append(v1[:2:2], get(3, 12, 13, 0, history.Source), other(get(2, 20, 21, 0, history.L2)), get(2, 31, 40, 0, history.L2), get(2, 50, 60, 1, history.L2))
	r := history.Check(ops, history.Rules{})
	if len(r.Examples) != 1 {
		t.Fatalf("%v", r)
	}
	story := r.Examples[0].Story(ops)
	for _, want := range []string{"G1", "p3.0  get     k = v0 from source", "p2.0  get     k = v0 from L2", "p1.0  commit  k = v1", "p1.0  delete  k = v1", "1ms before"} {
		if !strings.Contains(story, want) {
			t.Errorf("the story has no %q:\n%s", want, story)
		}
	}
	if strings.Contains(story, "other") || strings.Contains(story, "60.000") {
		t.Errorf("the story has what does not matter:\n%s", story)
	}
}
