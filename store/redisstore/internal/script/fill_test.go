package script

import (
	"github.com/lokroom/strata/store/redisstore/internal/record"
)

var fillChecks = []check{
	{"fill", checkFill},
	{"fill/id", checkFillID},
	{"fill/overtaken", checkFillOvertaken},
	{"fill/capped", checkFillCapped},
	{"fill/short life", checkFillShortLife},
	{"fill/late", checkFillLate},
	{"fill/removes", checkFillRemoves},
	{"floor", checkFloor},
	{"floor/raised", checkFloorRaised},
	{"set", checkSet},
	{"set/versions", checkSetVersions},
	{"set/hold", checkSetHold},
	{"set/where there is none", checkSetAbsent},
}

func checkFill(l *lab) {
	l.run("fill", "T", a8, plain("v"), hour).is("nothing there", 0)
	l.gone("refused")
	l.run("lease", a8, minute, none).is("lease", 1, minute, "", "")
	l.run("fill", "T", b8, plain("v"), hour).is("another's", 0)
	l.is("the token", l.view().token(), a8)
	l.run("fill", "T", a8, soft("v", 10*minute), hour).is("its own", 1, hour, 0)
	v := l.valued("filled", "v", about(hour))
	l.is("the token", v.token(), none)
	l.is("the stale part", v.keep(), 10*minute)
	l.run("fill", "T", a8, plain("w"), hour).is("the same once more", 0)

	l.run("lease", a8, minute, id8("v")).is("lease", 1, minute, id8("v"), "")
	l.run("fill", "T", a8, endless("w"), 0).is("without end", 1, 0, 0)
	l.valued("filled", "w", -1)
}

func checkFillID(l *lab) {
	l.run("fill", "C", id8("v"), plain("w"), hour).is("nothing there", 0)
	l.run("lease", a8, minute, none).is("lease", 1, minute, "", "")
	l.run("fill", "C", none, plain("w"), hour).is("no value there", 0)
	l.run("fill", "C", a8, plain("w"), hour).is("a token is no id", 0)
	l.run("fill", "T", a8, plain("v"), hour).is("fill", 1, hour, 0)
	l.run("fill", "C", id8("v"), plain("w"), hour).is("the right id", 1, hour, 0)
	l.valued("filled", "w", about(hour))
	l.run("fill", "C", id8("v"), plain("x"), hour).is("the old id", 0)
	l.run("lease", a8, minute, id8("w")).is("lease", 1, minute, id8("w"), "")
	l.run("fill", "C", id8("w"), plain("x"), hour).is("beside a lease", 1, hour, 0)
	l.run("fill", "T", a8, plain("y"), hour).is("the lease then", 0)
	l.valued("filled", "x", about(hour))
}

// I1: whatever changes the key in between, the fill is refused.
func checkFillOvertaken(l *lab) {
	for _, change := range []struct {
		name string
		args []any
	}{
		{"delete", []any{0, ""}},
		{"delete", []any{minute, ""}},
		{"set", []any{plain("s"), hour, ""}},
		{"begin", []any{w8, minute}},
		{"done", []any{w8, 0, "", 0}},
		{"done", []any{w8, minute, "", 0}},
		{"stale", []any{c8}},
		{"expire", []any{-1}},
	} {
		l.next()
		if change.name != "expire" { // which has no business with leases alone
			l.run("lease", a8, minute, none).is("lease", 1, minute, "", "")
			l.run(change.name, change.args...)
			l.run("fill", "T", a8, plain("x"), hour).is("a lease, then "+change.name, 0)
			l.run("renew", a8, minute).is("a lease, then "+change.name, 0)
		}
		l.next()
		l.run("set", plain("v"), hour, "").is("set", 1, hour, 0)
		l.run("lease", a8, minute, id8("v")).is("lease", 1, minute, id8("v"), "")
		l.run(change.name, change.args...)
		l.run("fill", "T", a8, plain("x"), hour).is("a lease of a value, then "+change.name, 0)
		l.run("fill", "C", id8("v"), plain("x"), hour).is("an id, then "+change.name, 0)
		l.run("lease", b8, minute, none).is("the next", span{1, 4}, nil, nil, nil)
		l.run("fill", "T", a8, plain("x"), hour).is("and a lease of another after it", 0)
		if p := l.view().payload(); p == "x" {
			l.failf("a refused fill is there")
		}
	}
}

func checkFillCapped(l *lab) {
	for _, blob := range []string{plain("v"), soft("v", hour/2), versioned("v", 5), endless("v")} {
		l.next()
		hard := hour
		if blob == endless("v") {
			hard = 0
		}
		l.run("begin", w8, minute).is("begin", 1, minute)
		l.run("lease", a8, 10*minute, none).is("lease", 1, 10*minute, "", "")
		l.run("fill", "T", a8, blob, hard).is("under a hold", 1, about(minute), 1)
		v := l.valued("filled", "v", about(minute))
		l.held("filled", v, minute, w8)
		l.is("provisional", v.flags()&(record.FlagProvisional|record.FlagEndless), record.FlagProvisional)
		l.is("fresh", v.fresh(), true)
		l.is("the stale part", v.keep(), 0)
		l.run("fill", "C", id8("v"), plain("w"), hour).is("and once more, by its id", 1, about(minute), 1)
		l.held("filled", l.valued("filled", "w", about(minute)), minute, w8)
		l.pass(2 * minute)
		l.gone("after the hold")
	}

	l.next() // one that has both reasons not to be there for ever
	r := text("v")
	r.Endless, r.KeepMs = true, record.MaxKeep
	l.run("begin", w8, minute).is("begin", 1, minute)
	l.run("lease", a8, minute, none).is("lease", 1, minute, "", "")
	l.run("fill", "T", a8, value(r), record.MaxKeep+10*minute).is("under a hold", 1, about(minute), 1)
	l.is("endless", l.valued("filled", "v", about(minute)).flags()&record.FlagEndless, 0)
}

// The hold lasts though the value does not.
func checkFillShortLife(l *lab) {
	for _, blob := range []string{plain("v"), soft("v", 5*minute), versioned("v", 5)} {
		life, hard := 10*minute, 10*minute
		if blob == soft("v", 5*minute) { // what is provisional is never stale
			life, hard = 10*minute, 15*minute
		}
		l.next()
		l.run("delete", hour, record.Bytes8(5)).is("delete", 0)
		l.run("lease", a8, minute, none).is("lease", 1, minute, "", "")
		l.run("fill", "T", a8, blob, hard).is("for less than the hold", 1, life, 1)
		v := l.valued("filled", "v", about(hour))
		l.held("filled", v, hour, all8)
		l.is("fresh", v.fresh(), true)
		l.pass(11 * minute)
		l.is("fresh after its life", l.view().fresh(), false)
		l.run("expire", hour).is("expire after its life", 0)
		l.run("lease", b8, minute, none).is("lease after its life", 1, minute, nil, "")
		l.run("fill", "T", b8, plain("w"), 2*hour).is("another", 1, about(49*minute), 1)
		l.held("filled", l.valued("filled", "w", about(49*minute)), 49*minute, all8)
	}
	l.next()
	l.run("begin", w8, hour).is("begin", 1, hour)
	l.run("set", soft("v", 5*minute), minute, "").is("stale already", 1, 0, 1)
	l.is("fresh", l.view().fresh(), false)
	l.held("set", l.view(), hour, all8)
}

// R16: what began under a hold must not be kept after it.
func checkFillLate(l *lab) {
	l.run("begin", w8, minute).is("begin", 1, minute)
	l.run("lease", a8, hour, none).is("lease", 1, hour, "", "")
	l.pass(2 * minute)
	l.run("fill", "T", a8, plain("v"), hour).is("after the hold", 0)
	l.run("lease", b8, hour, none).is("the lease is given back", 1, hour, "", "")
	l.run("fill", "T", b8, plain("v"), hour).is("fill", 1, hour, 0)

	l.next()
	l.run("delete", minute, record.Bytes8(5)).is("delete", 0)
	l.run("set", versioned("v", 5), hour, "").is("set", 1, hour, 0)
	l.run("lease", a8, hour/2, id8("v")).is("lease", 1, hour/2, id8("v"), "")
	l.pass(2 * minute)
	l.run("fill", "T", a8, plain("x"), hour).is("after the hold", 0)
	l.run("fill", "C", id8("v"), plain("x"), hour).is("after the hold, by its id", 0)
	l.valued("it stands", "v", about(58*minute))
}

func checkFillRemoves(l *lab) {
	l.run("lease", a8, minute, none).is("lease", 1, minute, "", "")
	l.run("fill", "T", b8, "", 0).is("another's", 0)
	l.run("fill", "T", a8, "", 0).is("its own", 1, -1, 0)
	l.gone("removed")
	l.run("begin", w8, hour).is("begin", 1, hour)
	l.run("lease", a8, minute, none).is("lease", 1, minute, "", "")
	l.run("fill", "T", a8, "", 0).is("under a hold", 1, -1, 0)
	l.is("the token", l.holding("it stands", hour, w8).token(), none)
	l.run("done", w8, 0, plain("v"), hour).is("done", 2)
}

// Two versions that a number of Lua cannot tell apart.
const below, big = 1<<60 - 1, 1 << 60

func checkFloor(l *lab) {
	for _, how := range []string{"fill", "set"} {
		keep := func(blob string, hard int64) answer {
			if how == "set" {
				return l.run("set", blob, hard, "")
			}
			l.run("lease", a8, minute, none).is("lease", 1, minute, "", "")
			return l.run("fill", "T", a8, blob, hard)
		}
		renew := func() {
			l.next()
			l.run("delete", 10*minute, record.Bytes8(big)).is("delete", 0)
		}
		renew()
		keep(versioned("v", below), hour).is("below the floor", 1, about(10*minute), 1)
		renew()
		keep(plain("v"), hour).is("without a version", 1, about(10*minute), 1)
		for _, n := range []uint64{big, big + 1} {
			renew()
			keep(versioned("v", n), hour).is("from the floor on", 1, hour, 0)
			v := l.valued("it", "v", about(hour))
			l.held("it", v, 10*minute, all8)
			l.is("the floor", v.floor(), record.Bytes8(big))
			l.is("provisional", v.flags()&record.FlagProvisional, 0)
		}
		renew()
		r := text("v")
		r.Version, r.KeepMs, r.EndMs = big, 10*minute, 0
		keep(value(r), hour).is("with a time to be stale", 1, hour, 0)
		l.is("that time", l.view().keep(), 10*minute)
		renew()
		r = text("v")
		r.Version, r.EndMs = big, -1
		keep(value(r), 0).is("without end", 1, 0, 0)
		l.held("it", l.valued("it", "v", -1), 10*minute, all8)
	}
}

func checkFloorRaised(l *lab) {
	for _, c := range []struct {
		what          string
		holdMs        int
		first, second string
		want          string
	}{
		{"a higher one", minute, record.Bytes8(below), record.Bytes8(big), record.Bytes8(big)},
		{"a lower one", minute, record.Bytes8(big), record.Bytes8(below), record.Bytes8(big)},
		{"none", minute, record.Bytes8(big), "", none},
		{"one after none", minute, "", record.Bytes8(big), none},
		{"a plain delete", 0, record.Bytes8(big), "", record.Bytes8(big)},
		{"a plain delete with a lower one", 0, record.Bytes8(big), record.Bytes8(below), record.Bytes8(big)},
	} {
		l.next()
		l.run("delete", hour, c.first).is("the first", 0)
		l.run("delete", c.holdMs, c.second).is(c.what, 1)
		l.is(c.what, l.holding(c.what, hour, all8).floor(), c.want)
	}
}

func checkSet(l *lab) {
	l.run("lease", a8, minute, none).is("lease", 1, minute, "", "")
	l.run("set", soft("v", minute), hour, "").is("set", 1, hour, 0)
	v := l.valued("set", "v", about(hour))
	l.is("the token", v.token(), none)
	l.is("the stale part", v.keep(), minute)
	l.run("set", endless("w"), 0, "").is("set without end", 1, 0, 0)
	l.valued("set", "w", -1)
	l.run("set", plain("x"), minute, "").is("set again", 1, minute, 0)
	l.valued("set", "x", about(minute))
	l.run("set", plain("y"), record.MaxLife, "").is("set for ages", 1, record.MaxLife, 0)
	l.valued("set", "y", about(record.MaxLife))
}

func checkSetVersions(l *lab) {
	l.run("set", plain("v"), hour, "").is("set", 1, hour, 0)
	l.run("set", versioned("v5", 5), hour, "V").is("over one without a version", 1, hour, 0)
	l.run("set", versioned("v4", 4), hour, "V").is("older", 0)
	l.run("set", versioned("v5b", 5), hour, "V").is("equal", 0)
	l.valued("it stands", "v5", about(hour))
	l.run("set", versioned("big", big), hour, "V").is("newer", 1, hour, 0)
	l.run("set", versioned("below", below), hour, "V").is("older by a bit", 0)
	l.run("set", versioned("more", big+1), hour, "V").is("newer by a bit", 1, hour, 0)
	l.run("set", versioned("v4", 4), hour, "").is("whatever is there", 1, hour, 0)
	l.run("delete", 0, "").is("delete", 1)
	l.run("set", versioned("v3", 3), hour, "V").is("after a delete", 1, hour, 0)
	l.valued("it", "v3", about(hour))
}

func checkSetAbsent(l *lab) {
	absent := value(record.Record{ID: 1, Absent: true})
	l.run("set", absent, hour, "").is("set an absent entry", 1, hour, 0)
	l.run("set", plain("a"), hour, "A").is("over an absent entry", 1, hour, 0)
	l.run("set", plain("b"), hour, "A").is("over a value", 0)
	l.run("set", absent, hour, "A").is("an absent entry over a value", 0)
	l.valued("it stands", "a", about(hour))
	l.run("delete", 0, "").is("delete", 1)
	l.run("set", plain("c"), hour, "A").is("after a delete", 1, hour, 0)
	l.valued("it", "c", about(hour))
}

func checkSetHold(l *lab) {
	l.run("begin", w8, 10*minute).is("begin", 1, 10*minute)
	l.run("set", soft("v", minute), hour, "").is("under a hold", 1, about(10*minute), 1)
	v := l.valued("set", "v", about(10*minute))
	l.held("set", v, 10*minute, all8)
	l.is("provisional", v.flags()&record.FlagProvisional, record.FlagProvisional)
	l.run("set", endless("w"), 0, "").is("without end", 1, about(10*minute), 1)
	l.held("set", l.valued("set", "w", about(10*minute)), 10*minute, all8)
	l.run("done", w8, 0, plain("x"), hour).is("the bracket is not alone", 0)

	l.next()
	l.run("delete", minute, record.Bytes8(5)).is("delete", 0)
	l.run("set", versioned("v", 5), hour, "").is("at the floor", 1, hour, 0)
	l.pass(2 * minute)
	l.run("set", plain("w"), hour, "").is("after the hold", 1, hour, 0)
	l.is("the hold", l.valued("set", "w", about(hour)).holdLeft(), 0)
}
