package script

var trackedChecks = []check{{"tracked", checkTracked}}

// checkTracked: a script on T that writes makes Redis forget that T had read the key
// and say nothing of it. Each reads it again, so that T is notified of the next change.
func checkTracked(l *lab) {
	set := func(blob string) func() {
		return func() { l.run("set", blob, hour, "").is("set", 1, hour, 0) }
	}
	leased := func() { l.run("lease", a8, minute, none).is("lease", 1, minute, "", "") }
	held := func() {
		l.run("begin", w8, hour).is("begin", 1, hour)
		leased()
	}
	staleLeased := func() {
		set(plain("v"))()
		l.run("lease", a8, minute, id8("v")).is("lease", 1, minute, id8("v"), "")
	}
	marked := func() { l.run("tagget", "n", minute, hour).is("tagget", "Pn", 0) }
	read := func() { l.run("tagmax", 5, minute).is("tagmax", 5) }
	everybodys := func() {
		leased()
		l.run("unstorable", a8, hour, none).is("unstorable", 1)
	}
	nothing := func() {}

	for _, c := range []struct {
		what   string
		before func()
		name   string
		args   []any
	}{
		{"of nothing", nothing, "lease", []any{a8, minute, none}},
		{"of garbage", func() { l.cmd("SET", "x").is("set", "OK") }, "lease", []any{a8, minute, none}},
		{"of a fresh value", set(plain("v")), "lease", []any{a8, minute, none}},
		{"of a stale value", set(plain("v")), "lease", []any{a8, minute, id8("v")}},
		{"of a value about to end", set(plain("v")), "lease", []any{a8, 2 * hour, id8("v")}},
		{"of what is taken", leased, "lease", []any{b8, minute, none}},
		{"with a lease", leased, "fill", []any{"T", a8, plain("w"), hour}},
		{"with a lease of a value", staleLeased, "fill", []any{"T", a8, plain("w"), hour}},
		{"without end", leased, "fill", []any{"T", a8, endless("w"), 0}},
		{"with an id", set(plain("v")), "fill", []any{"C", id8("v"), plain("w"), hour}},
		{"under a hold", held, "fill", []any{"T", a8, plain("w"), hour}},
		{"of a value", set(value(timed("v"))), "confirm", confirmed(timed("v"), a8, hour, 0, 0, 5)},
		{"of a value, without end", set(value(timed("v"))), "confirm", confirmed(timed("v"), a8, 0, 0, 0, 5)},
		{"of a lease", leased, "renew", []any{a8, minute}},
		{"of a lease of a value", staleLeased, "renew", []any{a8, minute}},
		{"of a lease under a hold", held, "renew", []any{a8, minute}},
		{"of a lease", leased, "release", []any{a8, 0, ""}},
		{"of a lease with a back-off", leased, "release", []any{a8, minute, "e"}},
		{"of a lease of a value", staleLeased, "release", []any{a8, minute, "e"}},
		{"of a lease under a hold", held, "release", []any{a8, 0, ""}},
		{"of a lease", leased, "unstorable", []any{a8, minute, none}},
		{"of what is everybody's", everybodys, "lease", []any{b8, minute, none}},
		{"of what is everybody's", everybodys, "renew", []any{a8, minute}},
		{"of what is everybody's", everybodys, "release", []any{a8, minute, "e"}},
		{"of what is everybody's", everybodys, "unstorable", []any{a8, minute, none}},
		{"of nothing", nothing, "tagget", []any{"n", minute, hour}},
		{"of a mark", marked, "tagget", []any{"n", minute, hour}},
		{"of a reading", read, "tagget", []any{"n", 0, 0}},
		{"that prolongs", read, "tagget", []any{"n", hour, 2 * hour}},
		{"of a mark", marked, "tagdone", []any{"Pn", 5, hour}},
	} {
		what := c.name + " " + c.what
		l.next()
		c.before()
		l.pushes()
		if a := l.run(c.name, c.args...); l.err == nil && (a.failed() || a.got[0] == int64(0)) {
			l.failf("%s: %s", what, show(a.got))
		}
		l.is(what+": pushes of its own write", l.pushes(), 0)
		l.cmd("SET", "changed elsewhere").is("a change", "OK")
		l.is(what+": pushes of a change elsewhere", l.pushes(), 1)
	}
}
