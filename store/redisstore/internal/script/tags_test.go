package script

import "strconv"

var tagChecks = []check{
	{"tick", checkTick},
	{"tick/garbage", checkTickGarbage},
	{"tagmax", checkTagMax},
	{"tagget", checkTagGet},
	{"tagdone", checkTagDone},
	{"tags/garbage", checkTagGarbage},
}

// A reading that the clock of the server reaches in the year 2255, as all of its
// microseconds are counted exactly.
const farReading = 9_000_000_000_000_000

// tick returns a reading of the clock: a new one, or with "seed" the one that is there.
func (l *lab) tick(how string) int64 {
	a := l.run("tick", how)
	if l.err != nil {
		return 0
	}
	s, _ := a.got[0].(string)
	n, err := strconv.ParseInt(s, 10, 64)
	if err != nil {
		l.failf("tick answered %s", show(a.got))
	}
	return n
}

// microseconds returns the time of the server.
func (l *lab) microseconds() int64 { return l.peek().now * 1000 }

func checkTick(l *lab) {
	last := l.microseconds() - 1
	for range 200 {
		n := l.tick("")
		if n <= last {
			l.failf("a reading of %d after one of %d", n, last)
		}
		last = n
	}
	l.in("the reading", last, span{l.microseconds() - slack*1000, l.microseconds() + 1000})
	l.cmd("PTTL").is("the clock has no end", -1)

	l.cmd("SET", farReading).is("the clock of the server goes back", "OK")
	l.is("then", l.tick(""), farReading+1)
	l.is("and then", l.tick(""), farReading+2)

	l.run("tick", "seed").is("what is there already", farReading+2)

	l.next() // evicted while the clock of the server is right
	before := l.tick("")
	l.cmd("DEL").is("evicted", 1)
	if after := l.tick(""); after <= before {
		l.failf("a reading of %d after one of %d, which was evicted", after, before)
	}
}

// checkTickGarbage: a clock that cannot be counted on begins again.
func checkTickGarbage(l *lab) {
	for _, s := range []string{"", "garbage", "inf", "nan", "-5", "0", "0x10", "1e15", " 7", "99999999999999999999", plain("x")} {
		l.cmd("SET", s).is("set "+s, "OK")
		l.ticks(s)
		l.cmd("SET", s).is("set "+s, "OK")
		l.seeds(s)
	}
	l.next()
	l.cmd("RPUSH", "x").is("a list", 1)
	l.ticks("a list")
	l.next()
	l.cmd("RPUSH", "x").is("a list", 1)
	l.seeds("a list")
	l.next()
	l.seeds("nothing")
}

func (l *lab) seeds(over string) {
	first := l.tick("seed")
	l.in("a seed over "+over, first, span{l.microseconds() - slack*1000, l.microseconds() + 1000})
	l.is("and once more", l.tick("seed"), first)
	if next := l.tick(""); next <= first {
		l.failf("after a seed over %q a reading of %d after one of %d", over, next, first)
	}
}

func (l *lab) ticks(over string) {
	first := l.tick("")
	l.in("over "+over, first, span{l.microseconds() - slack*1000, l.microseconds() + 1000})
	if second := l.tick(""); second <= first {
		l.failf("over %q a reading of %d after one of %d", over, second, first)
	}
}

func checkTagMax(l *lab) {
	l.run("tagmax", 100, hour).is("nothing there", 100)
	l.cmd("PTTL").is("its life", about(hour))
	l.run("tagmax", 99, hour).is("an earlier one", 100)
	l.run("tagmax", 100, hour).is("the same", 100)
	l.run("tagmax", farReading, hour).is("a later one", farReading)
	l.run("tagmax", farReading-1, hour).is("an earlier one, by a bit", farReading)
	l.cmd("GET").is("it", farReading)
	l.run("tagmax", 5, 10*hour).is("an earlier one that is to stay longer", farReading)
	l.cmd("PTTL").is("its life", about(10*hour))
	l.run("tagmax", 5, 11*hour).is("for not much longer", farReading)
	l.cmd("PTTL").is("its life", about(10*hour))
	l.run("tagmax", 5, minute).is("for less", farReading)
	l.run("tagmax", 5, 0).is("without end", farReading)
	l.cmd("PTTL").is("its life", about(10*hour))
	l.run("tagmax", farReading+1, minute).is("a later one, for less", farReading+1)
	l.cmd("PTTL").is("its life", about(10*hour))
	l.run("tagmax", farReading+2, 20*hour).is("a later one, for longer", farReading+2)
	l.cmd("PTTL").is("its life", about(20*hour))
	l.run("tagmax", farReading+3, 0).is("a later one, without end", farReading+3)
	l.cmd("PTTL").is("its life", -1)
}

func checkTagGet(l *lab) {
	l.run("tagget", "n1", minute, hour).is("nothing there", "Pn1", 0)
	l.cmd("PTTL").is("the life of the mark", about(minute))
	l.run("tagget", "n2", minute, hour).is("another's mark", "Pn1", 0)
	l.cmd("PTTL").is("which is not prolonged", about(minute))
	l.run("tagmax", 100, hour).is("invalidated meanwhile", 100)
	l.run("tagget", "n3", minute, 2*hour).is("a reading", 100, about(hour))
	l.cmd("PTTL").is("which lasts long enough", about(hour))
	l.run("tagget", "n3", 3*hour, 6*hour).is("for an entry that lasts longer", 100, 6*hour)
	l.cmd("PTTL").is("it is prolonged", about(6*hour))
	l.run("tagget", "n3", 0, 0).is("for nothing", 100, about(6*hour))

	l.next()
	l.run("tagmax", 100, 0).is("without end", 100)
	l.run("tagget", "n4", hour, 2*hour).is("a reading", 100, -1)
	l.cmd("PTTL").is("it has no end", -1)
}

// A reading of the clock that was taken before the mark may be older than an
// invalidation that has been evicted since.
func checkTagDone(l *lab) {
	mark := func() { l.run("tagget", "n1", minute, hour).is("the mark", "Pn1", 0) }
	mark()
	l.run("tagdone", "Pn2", 500, hour).is("another's", "Pn1", 0)
	l.run("tagdone", "Pn1", 500, hour).is("its own", 500, hour)
	l.cmd("PTTL").is("its life", about(hour))
	l.run("tagdone", "Pn1", 400, hour).is("by another, late", 500, 0)

	l.next()
	mark()
	l.run("tagmax", 600, hour).is("invalidated", 600)
	l.run("tagdone", "Pn1", 550, hour).is("after an invalidation", 600, 0)
	l.cmd("DEL").is("evicted", 1)
	l.run("tagdone", "Pn1", 550, hour).is("after an eviction", "", 0)
	l.is("it", l.peek().raw, "")
	l.run("tagget", "n2", minute, hour).is("a new mark", "Pn2", 0)
	l.run("tagdone", "Pn1", 550, hour).is("with the old mark", "Pn2", 0)
	l.run("tagdone", "Pn2", 700, 0).is("without end", 700, -1)
	l.cmd("PTTL").is("its life", -1)
}

// checkTagGarbage: what is no reading is made again, and an invalidation replaces it.
func checkTagGarbage(l *lab) {
	for _, s := range []string{"garbage", "inf", "nan", "-5", "0", "0x10", "1e15", " 7", "99999999999999999999", "a list"} {
		put := func() {
			l.next()
			if s == "a list" {
				l.cmd("RPUSH", "x").is(s, 1)
				return
			}
			l.cmd("SET", s).is("set "+s, "OK")
		}
		put()
		l.run("tagmax", 600, hour).is("tagmax over "+s, 600)
		put()
		if a := l.run("tagdone", "Pn1", 500, hour); l.err == nil && a.failed() {
			a.is("tagdone over "+s, nil)
		}
		l.run("tagget", "n1", minute, hour).is("tagget over "+s, "Pn1", 0)
		l.run("tagdone", "Pn1", 500, hour).is("tagdone", 500, hour)
	}
}
