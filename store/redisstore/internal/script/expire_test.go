package script

import (
	"github.com/lokroom/strata/store/redisstore/internal/record"
)

var expireChecks = []check{
	{"stale", checkStale},
	{"stale/no value", checkStaleNoValue},
	{"stale/hold", checkStaleHold},
	{"stale/long lives", checkStaleLongLives},
	{"expire", checkExpire},
	{"expire/hold", checkExpireHold},
	{"expire/stale", checkExpireStale},
}

func checkStale(l *lab) {
	l.run("stale", c8).is("nothing there", 0)
	l.gone("after nothing")
	l.run("set", soft("v", minute), hour, "").is("set", 1, hour, 0)
	l.run("lease", a8, minute, id8("v")).is("lease", 1, minute, id8("v"), "")
	l.run("stale", c8).is("a value", 1)
	v := l.valued("it stays", "v", about(hour))
	l.is("fresh", v.fresh(), false)
	l.is("the id", v.id(), c8)
	l.is("the token", v.token(), none)
	l.is("the hold", v.holdLeft(), 0)
	l.run("lease", b8, minute, none).is("the lease is free", 1, minute, c8, "")
	l.run("fill", "T", b8, plain("w"), hour).is("fill", 1, hour, 0)
	l.is("fresh", l.valued("filled", "w", about(hour)).fresh(), true)
	l.run("lease", b8, minute, id8("w")).is("lease", 1, minute, id8("w"), "")
	l.run("release", b8, minute, "e").is("back off", 1)
	l.run("stale", id8("d")).is("a back-off", 1)
	l.run("lease", b8, minute, none).is("the back-off is over", 1, minute, id8("d"), "")
}

func checkStaleNoValue(l *lab) {
	l.run("lease", a8, minute, none).is("lease", 1, minute, "", "")
	l.run("stale", c8).is("a lease", 0)
	l.gone("after it")
	l.run("delete", hour, record.Bytes8(5)).is("delete", 0)
	l.run("lease", a8, minute, none).is("lease", 1, minute, "", "")
	l.run("stale", c8).is("a hold", 0)
	v := l.holding("after it", hour, all8)
	l.is("the token", v.token(), none)
	l.is("the floor", v.floor(), record.Bytes8(5))
}

func checkStaleHold(l *lab) {
	l.run("delete", 10*minute, record.Bytes8(5)).is("delete", 0)
	l.run("set", versioned("v", 5), hour, "").is("set", 1, hour, 0)
	l.run("stale", c8).is("a value at the floor", 1)
	v := l.valued("it stays", "v", about(hour))
	l.held("it stays", v, 10*minute, all8)
	l.is("the floor", v.floor(), record.Bytes8(5))
	l.is("fresh", v.fresh(), false)

	l.next()
	l.run("begin", w8, 10*minute).is("begin", 1, 10*minute)
	l.run("set", plain("v"), hour, "").is("set", 1, about(10*minute), 1)
	l.run("stale", c8).is("a provisional value", 0)
	l.holding("after it", 10*minute, all8)
}

// A value cannot be stale for longer than 32 bits tell.
func checkStaleLongLives(l *lab) {
	l.run("set", endless("v"), 0, "").is("set", 1, 0, 0)
	l.run("stale", c8).is("a value without end", 1)
	v := l.valued("it stays", "v", about(record.MaxKeep))
	l.is("fresh", v.fresh(), false)
	l.is("endless", v.flags()&record.FlagEndless, record.FlagEndless)
	l.run("stale", b8).is("once more", 1)
	l.is("endless", l.valued("it stays", "v", about(record.MaxKeep)).flags()&record.FlagEndless, record.FlagEndless)

	l.next()
	l.run("set", plain("v"), 2*record.MaxKeep, "").is("set", 1, 2*record.MaxKeep, 0)
	l.run("stale", c8).is("a value with an end that is far away", 1)
	v = l.valued("it stays", "v", about(record.MaxKeep))
	l.is("fresh", v.fresh(), false)
	l.is("endless", v.flags()&record.FlagEndless, 0)
}

func checkExpire(l *lab) {
	for _, ttl := range []int{-1, 0, hour} {
		l.next()
		l.run("expire", ttl).is("nothing there", 0)
		l.run("lease", a8, minute, none).is("lease", 1, minute, "", "")
		l.run("expire", ttl).is("no value there", 0)
		l.is("the token", l.view().token(), a8)
	}
	l.run("fill", "T", a8, soft("v", 10*minute), hour).is("fill", 1, hour, 0)
	l.run("expire", 2*hour).is("longer", 1)
	l.is("the stale part", l.valued("it", "v", about(2*hour)).keep(), 10*minute)
	l.run("expire", minute).is("shorter", 1)
	l.is("fresh", l.valued("it", "v", about(minute)).fresh(), false)
	l.run("expire", 0).is("without end", 1)
	l.is("fresh", l.valued("it", "v", -1).fresh(), true)
	l.run("expire", hour).is("with one again", 1)
	l.is("fresh", l.valued("it", "v", about(hour)).fresh(), true)
	l.run("expire", -1).is("over", 1)
	l.gone("over")

	r := text("v")
	r.Endless, r.KeepMs = true, record.MaxKeep
	l.run("set", value(r), record.MaxKeep+hour, "").is("set one that has an end for the soft one only", 1, record.MaxKeep+hour, 0)
	l.run("expire", 0).is("without end", 1)
	l.is("endless", l.valued("it", "v", about(record.MaxKeep+hour)).flags()&record.FlagEndless, record.FlagEndless)
	l.run("expire", 2*hour).is("with one", 1)
	l.is("endless", l.valued("it", "v", about(2*hour)).flags()&record.FlagEndless, 0)

	l.next()
	l.cmd("SET", "5").is("a counter", "OK")
	l.run("expire", hour).is("a counter", 1)
	l.cmd("PTTL").is("it", about(hour))
	l.run("expire", 0).is("a counter without end", 1)
	l.cmd("PTTL").is("it", -1)
	l.run("expire", -1).is("a counter that is over", 1)
	l.gone("it")
}

// Neither does a hold end with its value, nor does a value outlive it.
func checkExpireHold(l *lab) {
	for ttl, life := range map[int64]int64{0: hour, minute: minute, 2 * hour: hour} {
		l.next()
		l.run("begin", w8, hour).is("begin", 1, hour)
		l.run("set", plain("v"), 10*minute, "").is("set", 1, 10*minute, 1)
		l.run("expire", ttl).is("a provisional value", 1)
		v := l.valued("it", "v", about(hour))
		l.held("it", v, hour, all8)
		l.in("its life", v.lasts(), about(life))
	}
	l.run("expire", -1).is("over", 1)
	l.holding("it", hour, all8)

	l.next()
	l.run("delete", hour, record.Bytes8(5)).is("delete", 0)
	l.run("set", versioned("v", 5), 2*hour, "").is("set", 1, 2*hour, 0)
	l.run("expire", 3*hour).is("a value at the floor", 1)
	l.held("it", l.valued("it", "v", about(3*hour)), hour, all8)
	l.run("expire", 0).is("without end", 1)
	l.held("it", l.valued("it", "v", -1), hour, all8)
	l.run("expire", minute).is("before the hold", 1)
	v := l.valued("it", "v", about(hour))
	l.held("it", v, hour, all8)
	l.in("its life", v.lasts(), about(minute))
}

// What was made stale stays so, however long it lives.
func checkExpireStale(l *lab) {
	l.run("set", plain("v"), hour, "").is("set", 1, hour, 0)
	l.run("stale", c8).is("stale", 1)
	for _, ttl := range []int64{2 * hour, 2 * record.MaxKeep, 0, minute} {
		l.run("expire", ttl).is("expire", 1)
		v := l.view()
		l.is("fresh", v.fresh(), false)
		l.is("endless", v.flags()&record.FlagEndless != 0, ttl == 0)
		l.is("the value", v.payload(), "v")
	}
}
