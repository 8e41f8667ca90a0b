package script

import (
	"github.com/lokroom/strata/store/redisstore/internal/record"
)

var writeChecks = []check{
	{"delete", checkDelete},
	{"delete/hold", checkDeleteHold},
	{"begin", checkBegin},
	{"done", checkDone},
	{"done/shared", checkDoneShared},
	{"done/late", checkDoneLate},
	{"done/grace", checkDoneGrace},
	{"replicated", checkReplicated},
}

// checkReplicated: whatever is under the key stays, with its life.
func checkReplicated(l *lab) {
	l.run("replicated").is("nothing there", 1)
	l.gone("nothing there")
	l.cmd("SET", "v", "PX", hour).is("a key with an end", "OK")
	l.run("replicated").is("it", 1)
	l.cmd("GET").is("its value", "v")
	l.cmd("PTTL").is("its life", about(hour))
	l.cmd("SET", "w").is("a key without an end", "OK")
	l.whenFull(func() { l.run("replicated").is("it", 1) })
	l.cmd("GET").is("its value", "w")
	l.cmd("PTTL").is("its life", -1)
	l.next()
	l.whenFull(func() { l.run("replicated").is("nothing there", 1) })
	l.gone("nothing there")
}

func checkDelete(l *lab) {
	l.run("delete", 0, "").is("nothing there", 0)
	l.run("set", plain("v"), hour, "").is("set", 1, hour, 0)
	l.run("delete", 0, "").is("a value", 1)
	l.gone("deleted")
	l.run("lease", a8, minute, none).is("lease", 1, minute, "", "")
	l.run("delete", 0, "").is("a lease", 1)
	l.gone("deleted")
	l.run("delete", minute, record.Bytes8(5)).is("nothing there, with a hold", 0)
	l.run("set", versioned("v", 5), hour, "").is("set", 1, hour, 0)
	l.pass(2 * minute)
	l.run("delete", 0, "").is("a value with a hold that ran out", 1)
	l.gone("deleted")
}

func checkDeleteHold(l *lab) {
	l.run("delete", hour, "").is("nothing there", 0)
	v := l.holding("it", hour, all8)
	l.is("the floor", v.floor(), none)
	l.run("lease", a8, minute, none).is("lease", 1, minute, "", "")
	l.run("delete", 0, "").is("a plain one", 1)
	l.is("the token", l.holding("after a plain one", hour, all8).token(), none)
	l.run("delete", minute, "").is("a shorter one", 1)
	l.holding("after a shorter one", hour, all8)
	l.run("delete", 2*hour, "").is("a longer one", 1)
	l.holding("after a longer one", 2*hour, all8)
	l.run("set", plain("v"), 3*hour, "").is("set", 1, about(2*hour), 1)
	l.run("delete", 0, "").is("a value", 1)
	l.holding("after a value", 2*hour, all8)
	l.pass(3 * hour)
	l.gone("after the hold")
}

func checkBegin(l *lab) {
	l.run("set", plain("v"), hour, "").is("set", 1, hour, 0)
	l.run("begin", w8, 10*minute).is("the first", 1, 10*minute)
	l.holding("it", 10*minute, w8)
	l.run("begin", x8, minute).is("a shorter one", 0, about(10*minute))
	l.holding("after a shorter one", 10*minute, all8)
	l.run("begin", x8, hour).is("a longer one", 0, hour)
	l.holding("after a longer one", hour, all8)
	l.pass(2 * hour)
	l.run("begin", x8, minute).is("after the hold", 1, minute)

	l.next()
	l.run("delete", minute, record.Bytes8(5)).is("delete", 0)
	l.run("set", versioned("v", 5), hour, "").is("set", 1, hour, 0)
	l.pass(2 * minute)
	l.run("begin", w8, minute).is("over a hold that ran out", 1, minute)
	l.next()
	l.run("delete", hour, record.Bytes8(5)).is("delete", 0)
	l.run("begin", w8, minute).is("over a hold", 0, about(hour))
	l.is("the floor", l.holding("it", hour, all8).floor(), none)
}

func checkDone(l *lab) {
	for _, between := range []string{"", "a lease", "a fill", "a back-off"} {
		begin := func() {
			l.next()
			l.run("begin", w8, hour).is("begin", 1, hour)
			if between == "" {
				return
			}
			l.run("lease", a8, minute, none).is("lease", 1, minute, "", "")
			switch between {
			case "a fill":
				l.run("fill", "T", a8, plain("old"), 10*minute).is("fill", 1, 10*minute, 1)
			case "a back-off":
				l.run("release", a8, minute, "e").is("release", 1)
			}
		}
		begin()
		l.run("done", w8, 0, "", 0).is("done, after "+between, 1)
		l.gone("done")
		begin()
		l.run("done", w8, 0, soft("v", minute), 2*hour).is("done with a value, after "+between, 2)
		v := l.valued("done", "v", about(2*hour))
		l.is("the hold", v.holdLeft(), 0)
		l.is("the stale part", v.keep(), minute)
		begin()
		l.run("done", w8, 0, endless("v"), 0).is("done with a value without end", 2)
		l.valued("done", "v", -1)
	}
}

// A write intent is not alone once anybody else has written.
func checkDoneShared(l *lab) {
	for _, change := range []struct {
		name string
		args []any
	}{
		{"delete", []any{0, ""}},
		{"delete", []any{minute, record.Bytes8(5)}},
		{"set", []any{plain("s"), 3 * hour, ""}},
		{"set", []any{plain("s"), minute, ""}},
		{"begin", []any{x8, minute}},
		{"done", []any{x8, 0, plain("x"), hour}},
		{"done", []any{x8, minute, "", 0}},
		{"stale", []any{c8}},
		{"expire", []any{-1}},
	} {
		for _, filled := range []bool{false, true} {
			l.next()
			l.run("begin", w8, hour).is("begin", 1, hour)
			if filled {
				l.run("lease", a8, minute, none).is("lease", 1, minute, "", "")
				l.run("fill", "T", a8, plain("old"), 3*hour).is("fill", 1, about(hour), 1)
			} else if change.name == "expire" {
				continue
			}
			l.run(change.name, change.args...)
			l.run("done", w8, 0, plain("v"), hour).is("done after "+change.name, 0)
			l.holding("after it", hour, all8)
		}
	}
}

func checkDoneLate(l *lab) {
	for _, grace := range []int64{0, 10 * minute} {
		for _, how := range []string{"lost", "ran out under a value", "ran out under a lease"} {
			l.next()
			l.run("delete", minute, record.Bytes8(5)).is("delete", 0)
			l.run("set", versioned("v", 5), hour, "").is("set", 1, hour, 0)
			switch how {
			case "lost":
				l.cmd("DEL").is("evicted", 1)
			case "ran out under a value":
				l.pass(2 * minute)
			case "ran out under a lease":
				l.next()
				l.run("begin", w8, minute).is("begin", 1, minute)
				l.run("lease", a8, hour, none).is("lease", 1, hour, "", "")
				l.pass(2 * minute)
			}
			l.run("done", w8, grace, plain("x"), hour).is("done, the hold was "+how, -1)
			if grace == 0 {
				l.gone("after it")
			} else {
				l.holding("after it", grace, all8)
			}
		}
	}
}

func checkDoneGrace(l *lab) {
	l.run("begin", w8, hour).is("begin", 1, hour)
	l.run("done", w8, minute, plain("v"), hour).is("the only one", 1)
	l.holding("its own hold is over", minute, all8)
	for _, grace := range []int64{minute, 2 * hour} {
		l.next()
		l.run("begin", w8, hour).is("begin", 1, hour)
		l.run("begin", x8, minute).is("another", 0, about(hour))
		l.run("done", w8, grace, "", 0).is("not the only one", 0)
		l.holding("the longer one", max(hour, grace), all8)
	}
}
