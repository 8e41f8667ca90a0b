package script

import (
	"github.com/lokroom/strata/store/redisstore/internal/record"
)

// The tokens and ids of the checks.
var (
	a8, b8, c8 = id8("a"), id8("b"), id8("c")
	w8, x8     = id8("w"), id8("x")
)

var leaseChecks = []check{
	{"lease", checkLease},
	{"lease/fresh", checkLeaseFresh},
	{"lease/stale", checkLeaseStale},
	{"lease/near the end", checkLeaseNearTheEnd},
	{"lease/clock set back", checkLeaseClock},
	{"lease/hold", checkLeaseHold},
	{"lease/hold that ran out", checkLeaseHoldRanOut},
	{"lease/back-off", checkLeaseBackOff},
	{"renew", checkRenew},
	{"renew/value", checkRenewValue},
	{"release", checkRelease},
	{"release/value", checkReleaseValue},
	{"lease/of nobody", checkLeaseOfNobody},
	{"lease/before a clear", checkLeaseCleared},
	{"lease/before an invalidation", checkLeaseInvalidated},
	{"lease/named", checkLeaseNamed},
}

func checkLease(l *lab) {
	l.run("lease", a8, minute, none).is("nothing there", 1, minute, "", "")
	v := l.view()
	l.is("the token", v.token(), a8)
	l.in("the lease", v.leaseLeft(), about(minute))
	l.in("the key", v.left, about(minute))
	l.is("the hold", v.holdLeft(), 0)
	l.run("lease", b8, minute, none).is("another's", 2, about(minute), "", "")
	l.run("lease", a8, minute, none).is("its own once more", 2, about(minute), "", "")
	l.pass(2 * minute)
	l.run("lease", b8, minute, none).is("after it ran out", 1, minute, "", "")
	l.run("fill", "T", a8, plain("v"), hour).is("a fill with the one that ran out", 0)
	l.run("renew", a8, minute).is("the renewal of that", 0)
}

func checkLeaseFresh(l *lab) {
	l.run("set", plain("v"), hour, "").is("set", 1, hour, 0)
	l.run("lease", a8, minute, none).is("a fresh value", 4, about(hour), id8("v"), "")
	l.run("lease", a8, minute, b8).is("another one is no good", 4, about(hour), id8("v"), "")
	l.run("lease", a8, minute, id8("v")).is("this one is no good", 1, minute, id8("v"), "")
	l.valued("under a lease", "v", about(hour))
	l.run("lease", b8, minute, id8("v")).is("another's", 2, about(minute), id8("v"), "")
	l.run("lease", b8, minute, none).is("for whom it is fresh", 4, about(hour), id8("v"), "")

	l.next()
	l.run("set", endless("v"), 0, "").is("set without end", 1, 0, 0)
	l.run("lease", a8, minute, none).is("a value without end", 4, -1, id8("v"), "")
	l.run("lease", a8, minute, id8("v")).is("it is no good", 1, minute, id8("v"), "")
	l.valued("under a lease", "v", -1)
}

func checkLeaseStale(l *lab) {
	l.run("set", soft("v", 50*minute), hour, "").is("set", 1, hour, 0)
	l.run("lease", a8, minute, none).is("not stale yet", 4, about(hour), id8("v"), "")
	l.pass(11 * minute)
	l.run("lease", a8, minute, none).is("stale", 1, minute, id8("v"), "")
	v := l.valued("under a lease", "v", about(49*minute))
	l.is("the token", v.token(), a8)
	l.is("the id", v.id(), id8("v"))
	l.run("lease", b8, minute, none).is("another's", 2, about(minute), id8("v"), "")
	l.pass(2 * minute)
	l.run("lease", b8, minute, none).is("after it ran out", 1, minute, id8("v"), "")
	l.run("fill", "T", a8, plain("w"), hour).is("a fill with the one that ran out", 0)
	l.run("fill", "T", b8, plain("w"), hour).is("fill", 1, hour, 0)
	l.valued("filled", "w", about(hour))
}

// A value that ends before the lease takes the lease with it, so it goes first.
func checkLeaseNearTheEnd(l *lab) {
	l.run("set", soft("v", 50*minute), hour, "").is("set", 1, hour, 0)
	l.run("lease", a8, 2*hour, none).is("fresh", 4, about(hour), id8("v"), "")
	l.run("lease", a8, 2*hour, id8("v")).is("no good", 1, 2*hour, id8("v"), "")
	v := l.view()
	if v.isValue() {
		l.failf("a value that ends before the lease is there")
	}
	l.is("the token", v.token(), a8)
	l.in("the key", v.left, about(2*hour))
	l.pass(hour + minute)
	l.run("fill", "T", a8, plain("w"), hour).is("fill", 1, hour, 0)
}

// A lease that lasts far longer than anybody asks for is from before the clock of
// the server was set back.
func checkLeaseClock(l *lab) {
	l.run("lease", a8, minute, none).is("lease", 1, minute, "", "")
	l.pass(-hour)
	l.run("lease", b8, 10*minute, none).is("for not so much less", 2, about(61*minute), "", "")
	l.run("lease", b8, minute, none).is("for far less", 1, minute, "", "")
	l.run("fill", "T", a8, plain("v"), hour).is("a fill with the one from before", 0)
}

func checkLeaseHold(l *lab) {
	l.run("begin", w8, hour).is("begin", 1, hour)
	l.run("lease", a8, minute, none).is("shorter than the hold", 1, minute, "", "")
	l.holding("under a shorter lease", hour, w8)
	l.pass(2 * minute)
	l.run("lease", b8, 2*hour, none).is("longer than the hold", 1, 2*hour, "", "")
	v := l.holding("under a longer lease", 58*minute, w8)
	l.in("the key", v.left, about(2*hour))

	l.next()
	l.run("delete", 10*minute, record.Bytes8(5)).is("delete", 0)
	l.run("set", versioned("v", 5), hour, "").is("set", 1, hour, 0)
	l.run("lease", a8, minute, id8("v")).is("a value that outlives the hold", 1, minute, id8("v"), "")
	v = l.valued("under a lease", "v", about(hour))
	l.held("under a lease", v, 10*minute, all8)
	l.is("the floor", v.floor(), record.Bytes8(5))

	l.next()
	l.run("begin", w8, 10*minute).is("begin", 1, 10*minute)
	l.run("set", plain("v"), hour, "").is("a value that ends with the hold", 1, about(10*minute), 1)
	l.run("lease", a8, minute, id8("v")).is("its lease", 1, minute, id8("v"), "")
	l.held("it", l.view(), 10*minute, all8)
	l.pass(2 * minute)
	l.run("lease", b8, hour, id8("v")).is("its last lease", 1, hour, id8("v"), "")
	l.holding("what is left of it", 8*minute, all8)
}

// Whoever is given the lease after a hold sees the outcome, so the hold is dropped.
// Who read the id while it was on need not have, and is refused.
func checkLeaseHoldRanOut(l *lab) {
	l.run("delete", minute, record.Bytes8(5)).is("delete", 0)
	l.run("lease", a8, minute, none).is("lease", 1, minute, "", "")
	l.run("fill", "T", a8, versioned("v", 5), hour).is("fill", 1, hour, 0)
	l.pass(2 * minute)
	l.run("lease", b8, minute, id8("v")).is("lease after the hold", 1, minute, id8("v"), "")
	l.is("the hold", l.valued("it", "v", about(58*minute)).holdLeft(), 0)
	l.run("fill", "C", id8("v"), plain("old"), hour).is("what was loaded for the id under the hold", 0)
	l.run("fill", "T", b8, plain("w"), hour).is("what was loaded after it", 1, hour, 0)
	l.valued("filled", "w", about(hour))

	l.next()
	l.run("begin", w8, minute).is("begin", 1, minute)
	l.run("lease", a8, minute/2, none).is("lease", 1, minute/2, "", "")
	l.run("renew", a8, hour).is("renew", 1)
	l.pass(2 * minute)
	l.run("release", a8, hour, "failed").is("back-off", 1)
	l.pass(2 * hour)
	l.run("lease", b8, minute, none).is("lease after the hold", 1, minute, "", "")
	l.is("the hold", l.view().holdLeft(), 0)
}

func checkLeaseBackOff(l *lab) {
	l.run("lease", a8, minute, none).is("lease", 1, minute, "", "")
	l.run("release", b8, minute, "x").is("another's", 0)
	l.run("release", a8, 10*minute, "no such host").is("release", 1)
	l.run("lease", b8, minute, none).is("backed off", 3, about(10*minute), "", "no such host")
	l.in("the key", l.view().left, about(10*minute))
	l.run("fill", "T", a8, plain("v"), hour).is("fill after all", 0)
	l.pass(11 * minute)
	l.run("lease", b8, minute, none).is("after the back-off", 1, minute, "", "")
}

func checkRenew(l *lab) {
	l.run("renew", a8, minute).is("nothing there", 0)
	l.run("lease", a8, minute, none).is("lease", 1, minute, "", "")
	l.run("renew", b8, hour).is("another's", 0)
	l.run("renew", a8, hour).is("its own", 1)
	l.in("the lease", l.view().leaseLeft(), about(hour))
	l.pass(30 * minute)
	l.run("lease", b8, hour, none).is("taken still", 2, about(30*minute), "", "")
	l.run("renew", a8, minute).is("for a shorter time", 1)
	l.in("the lease", l.view().leaseLeft(), about(minute))
	l.run("fill", "T", a8, plain("v"), hour).is("fill", 1, hour, 0)
	l.run("renew", a8, minute).is("after the fill", 0)

	l.next()
	l.run("begin", w8, 10*minute).is("begin", 1, 10*minute)
	l.run("lease", a8, minute, none).is("lease", 1, minute, "", "")
	l.run("renew", a8, 5*minute).is("shorter than the hold", 1)
	l.holding("it stands", 10*minute, w8)
	l.run("renew", a8, hour).is("longer than the hold", 1)
	l.in("the key", l.holding("it stands", 10*minute, w8).left, about(hour))
}

func checkRenewValue(l *lab) {
	l.run("set", plain("v"), hour, "").is("set", 1, hour, 0)
	l.run("lease", a8, minute, id8("v")).is("lease", 1, minute, id8("v"), "")
	l.run("renew", a8, 10*minute).is("renew", 1)
	l.in("the lease", l.valued("it stands", "v", about(hour)).leaseLeft(), about(10*minute))
	l.run("renew", a8, 2*hour).is("longer than the value", 1)
	v := l.view()
	l.is("a value is there", v.isValue(), false)
	l.in("the key", v.left, about(2*hour))
	l.run("fill", "T", a8, plain("w"), hour).is("fill", 1, hour, 0)

	l.next()
	l.run("set", endless("v"), 0, "").is("set without end", 1, 0, 0)
	l.run("lease", a8, minute, id8("v")).is("lease", 1, minute, id8("v"), "")
	l.run("renew", a8, 10*minute).is("renew", 1)
	l.in("the lease", l.valued("it stands", "v", -1).leaseLeft(), about(10*minute))
}

func checkRelease(l *lab) {
	l.run("release", a8, 0, "").is("nothing there", 0)
	l.run("lease", a8, minute, none).is("lease", 1, minute, "", "")
	l.run("release", a8, 0, "").is("release", 1)
	l.gone("released")
	l.run("lease", a8, minute, none).is("lease", 1, minute, "", "")
	l.run("release", a8, hour, "").is("a back-off with nothing to answer", 1)
	l.gone("released")

	l.run("begin", w8, 10*minute).is("begin", 1, 10*minute)
	l.run("lease", a8, minute, none).is("lease", 1, minute, "", "")
	l.run("release", a8, minute, "e").is("back off under a hold", 1)
	l.holding("it stands", 10*minute, w8)
	l.run("lease", b8, minute, none).is("backed off", 3, about(minute), "", "e")
	l.pass(2 * minute)
	l.run("lease", b8, minute, none).is("lease", 1, minute, "", "")
	l.run("release", b8, 0, "").is("release under a hold", 1)
	l.holding("it stands", 8*minute, w8)
	l.run("lease", a8, minute, none).is("at once", 1, minute, "", "")
	l.run("release", a8, hour, "e").is("back off for longer than the hold", 1)
	l.in("the key", l.holding("it stands", 8*minute, w8).left, about(hour))
}

func checkReleaseValue(l *lab) {
	l.run("set", soft("v", 50*minute), hour, "").is("set", 1, hour, 0)
	l.pass(20 * minute)
	l.run("lease", a8, minute, none).is("lease", 1, minute, id8("v"), "")
	l.run("release", a8, 10*minute, "e").is("back off", 1)
	l.valued("the stale value", "v", about(40*minute))
	l.run("lease", b8, minute, none).is("backed off", 3, about(10*minute), id8("v"), "")
	l.pass(11 * minute)
	l.run("lease", b8, minute, none).is("after the back-off", 1, minute, id8("v"), "")
	l.run("release", b8, 0, "").is("release", 1)
	l.valued("the stale value", "v", about(29*minute))
	l.run("lease", a8, minute, none).is("at once", 1, minute, id8("v"), "")
}

// What stands in a record for no lease, and for a back-off, is no token.
func checkLeaseOfNobody(l *lab) {
	l.run("set", soft("v", 50*minute), hour, "").is("set", 1, hour, 0)
	nobody := func(token string) {
		l.run("fill", "T", token, plain("x"), hour).is("fill", 0)
		l.run("renew", token, minute).is("renew", 0)
		l.run("release", token, 0, "").is("release", 0)
	}
	nobody(none)
	l.run("lease", a8, minute, id8("v")).is("lease", 1, minute, id8("v"), "")
	l.run("release", a8, minute, "e").is("back off", 1)
	nobody(all8)
	l.valued("it stands", "v", about(hour))
}

// A lease from before the store was cleared is not waited for, and one from after it is.
func checkLeaseCleared(l *lab) {
	l.run("lease", a8, minute, none, record.Bytes8(5), record.Bytes8(3)).is("lease", 1, minute, "", "")
	l.run("lease", b8, minute, none, record.Bytes8(6), record.Bytes8(5)).is("cleared before it", 2, about(minute), "", a8+record.Bytes8(5))
	l.run("renew", a8, minute).is("renewed", 1)
	l.run("lease", b8, minute, none, record.Bytes8(7), record.Bytes8(6)).is("cleared after it", 1, minute, "", "")
	l.run("fill", "T", a8, plain("v"), hour).is("a fill with the one from before", 0)
	l.run("lease", c8, minute, none, record.Bytes8(8), record.Bytes8(6)).is("another's", 2, about(minute), "", b8+record.Bytes8(7))

	l.next()
	l.run("lease", a8, minute, none).is("lease without a stamp", 1, minute, "", "")
	l.run("lease", b8, minute, none, record.Bytes8(7), record.Bytes8(6)).is("nothing is known of it", 2, about(minute), "", "")

	l.next()
	v := soft("v", 59*minute)
	v = v[:record.OffStamp] + record.Bytes8(5) + v[record.OffStamp+8:]
	l.run("set", v, hour, "").is("set", 1, hour, 0)
	l.pass(2 * minute)
	l.run("lease", a8, minute, none, record.Bytes8(5), record.Bytes8(3)).is("of a stale value", 1, minute, id8("v"), "")
	l.run("lease", b8, minute, none, record.Bytes8(7), record.Bytes8(6)).is("cleared", 1, minute, id8("v"), "")
	if l.view().isValue() {
		l.failf("the cleared value is there")
	}
	l.run("lease", c8, minute, none, record.Bytes8(8), record.Bytes8(6)).is("another's", 2, about(minute), "", b8+record.Bytes8(7))

	l.next()
	l.run("set", v, hour, "").is("set", 1, hour, 0)
	l.run("lease", a8, minute, none, record.Bytes8(7), record.Bytes8(6)).is("a fresh value that was cleared", 1, minute, id8("v"), "")
}

// A lease of a value that was invalidated since is not waited for.
func checkLeaseInvalidated(l *lab) {
	v := soft("v", 59*minute)
	v = v[:record.OffStamp] + record.Bytes8(5) + v[record.OffStamp+8:]
	l.run("set", v, hour, "").is("set", 1, hour, 0)
	l.pass(2 * minute)
	l.run("lease", a8, minute, none, record.Bytes8(5), record.Bytes8(3)).is("of a stale value", 1, minute, id8("v"), "")
	l.run("lease", b8, minute, none, record.Bytes8(7), record.Bytes8(3)).is("who has not seen it", 2, about(minute), id8("v"), "")
	l.run("lease", b8, minute, id8("v"), record.Bytes8(7), record.Bytes8(3)).is("for whom it is no good", 1, minute, id8("v"), "")
	l.run("lease", c8, minute, id8("v"), record.Bytes8(7), record.Bytes8(3)).is("another for whom it is no good", 2, about(minute), "", b8+record.Bytes8(7))
}

// A lease that is named counts as ended.
func checkLeaseNamed(l *lab) {
	l.run("lease", a8, minute, none, record.Bytes8(5), none).is("lease", 1, minute, "", "")
	l.run("renew", a8, hour).is("renewed, for longer than its key", 1)
	l.run("lease", b8, minute*20, b8, record.Bytes8(6), none).is("another is named", 2, about(hour), "", a8+record.Bytes8(5))
	l.run("lease", b8, minute*20, a8, record.Bytes8(6), none).is("it is named", 1, 20*minute, "", "")
	l.run("fill", "T", a8, plain("v"), hour).is("a fill with the one that was named", 0)
	l.run("fill", "T", b8, plain("w"), hour).is("fill", 1, hour, 0)
}
