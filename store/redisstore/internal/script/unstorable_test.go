package script

import (
	"github.com/lokroom/strata/store/redisstore/internal/record"
)

var unstorableChecks = []check{
	{"unstorable", checkUnstorable},
	{"unstorable/changed", checkUnstorableChanged},
	{"unstorable/hold", checkUnstorableHold},
	{"unstorable/value", checkUnstorableValue},
}

// everybodys leaves a lease that is everybody's, with the token a8 and the stamp 5.
func (l *lab) everybodys() {
	l.next()
	l.run("lease", a8, minute, none, record.Bytes8(5), none).is("lease", 1, minute, "", "")
	l.run("unstorable", a8, hour, record.Bytes8(5)).is("unstorable", 1)
}

// After a value could not be stored, the lease is given to all who ask, and nothing that is
// done with it changes the key, but a fill.
func checkUnstorable(l *lab) {
	l.run("unstorable", a8, hour, record.Bytes8(5)).is("nothing there", 0)
	l.run("lease", a8, minute, none).is("lease", 1, minute, "", "")
	l.run("unstorable", b8, hour, record.Bytes8(5)).is("another's", 0)

	l.everybodys()
	was := l.view()
	l.is("the id", was.id(), a8)
	l.in("the key", was.left, about(hour))
	l.pass(10 * minute)
	for range 2 {
		l.run("lease", b8, minute, none, record.Bytes8(6), record.Bytes8(5)).is("lease", 5, about(50*minute), "", a8)
		l.run("renew", a8, 2*hour).is("renew", 1)
		l.run("release", a8, 2*hour, "e").is("release", 1)
		l.run("unstorable", a8, 2*hour, record.Bytes8(7)).is("unstorable once more", 2)
		l.run("fill", "T", b8, plain("v"), hour).is("a fill with another lease", 0)
		l.run("fill", "C", b8, plain("v"), hour).is("a fill for another id", 0)
		l.run("expire", hour).is("expire", 0)
		l.is("the record", l.view().raw, was.raw)
		l.in("the key", l.view().left, about(50*minute))
	}
	l.run("confirm", confirmed(record.Record{ID: record.Uint64([]byte(a8)), LoadedAt: 1}, b8, hour, 0, 0, 5)...).is("confirm", 2)
	l.run("fill", "T", a8, plain("v"), hour).is("fill", 1, hour, 0)
	l.run("fill", "T", a8, plain("w"), hour).is("a second fill", 0)
	l.valued("filled", "v", about(hour))

	l.everybodys()
	l.run("fill", "C", a8, plain("v"), hour).is("a fill for the id", 1, hour, 0)
}

// Every change of the key ends it, and so does a clear.
func checkUnstorableChanged(l *lab) {
	for name, args := range map[string][]any{
		"delete": {0, ""}, "set": {plain("v"), hour, ""}, "stale": {b8}, "begin": {w8, hour}, "done": {w8, 0, "", 0},
	} {
		l.everybodys()
		l.run(name, args...)
		if l.view().unstorable() {
			l.failf("it is everybody's after %s", name)
		}
		l.run("fill", "T", a8, plain("w"), hour).is("a fill after "+name, 0)
	}
	l.everybodys()
	l.run("lease", b8, minute, none, record.Bytes8(7), record.Bytes8(6)).is("after a clear", 1, minute, "", "")
	l.run("fill", "T", a8, plain("w"), hour).is("a fill after that", 0)
}

func checkUnstorableHold(l *lab) {
	l.run("begin", w8, hour).is("begin", 1, hour)
	l.run("lease", a8, minute, none).is("lease", 1, minute, "", "")
	l.run("unstorable", a8, 2*hour, record.Bytes8(5)).is("under a hold", 0)
	l.holding("it stands", hour, w8)
	l.run("release", a8, 0, "").is("release", 1)
	l.holding("it stands", hour, w8)
}

// An old value goes: it is not what the source has.
func checkUnstorableValue(l *lab) {
	l.run("set", soft("v", 50*minute), hour, "").is("set", 1, hour, 0)
	l.run("lease", a8, minute, id8("v")).is("lease", 1, minute, id8("v"), "")
	l.run("unstorable", a8, 2*hour, record.Bytes8(5)).is("unstorable", 1)
	v := l.view()
	l.is("a value is there", v.isValue(), false)
	l.in("the key", v.left, about(2*hour))
}
