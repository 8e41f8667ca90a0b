package script

import (
	"context"
	"math/rand/v2"
	"strings"

	"github.com/lokroom/strata/store/redisstore/internal/record"
)

var hostileChecks = []check{
	{"full", checkFull},
	{"full/holds", checkFullHolds},
	{"full/tags", checkFullTags},
	{"garbage", checkGarbage},
	{"garbage/headers", checkGarbageHeaders},
}

// someArgs are arguments that each script takes.
var someArgs = map[string][]any{
	"lease": {a8, minute, none}, "fill": {"T", a8, plain("v"), hour}, "renew": {a8, minute}, "release": {a8, minute, "e"},
	"expire": {hour}, "set": {plain("v"), hour, ""}, "delete": {0, ""}, "stale": {c8}, "begin": {w8, minute}, "done": {w8, 0, "", 0},
}

// checkGarbage puts what no Store has written under the key.
func checkGarbage(l *lab) {
	for _, s := range []string{
		"garbage", "5", "V", "V\x01", "N\x01", "V\x02" + strings.Repeat("\x00", 86), plain("x")[:record.HeaderSize-1],
		"V\x01" + strings.Repeat("\x00", 86), "N\x01" + strings.Repeat("\x00", 86),
		"V\x01" + strings.Repeat("\xff", 86), "N\x01" + strings.Repeat("\xff", 86), "V\x01" + strings.Repeat("\x7f", 100),
		"V\x02\x00\x01" + a8 + strings.Repeat("\x00", 80), "X\x01\x00\x01" + a8 + strings.Repeat("\x00", 80),
		"V\x01\xff" + strings.Repeat("\x00", 85),
	} {
		l.overGarbage(func() { l.cmd("SET", s).is("set "+s, "OK") })
		l.overGarbage(func() { l.cmd("SET", s, "PX", hour).is("set "+s, "OK") })
	}
	l.overGarbage(func() { l.cmd("RPUSH", "a", plain("x")).is("a list", 2) })
	l.overGarbage(func() { l.cmd("HSET", "f", "v").is("a hash", 1) })
}

// checkGarbageHeaders fills the fields of a header with anything.
func checkGarbageHeaders(l *lab) {
	r := rand.New(rand.NewPCG(1, 2))
	for range 60 {
		h := []byte("V\x01" + strings.Repeat("\x00", 90))
		if r.IntN(2) == 0 {
			h[0] = 'N'
		}
		for i := 2; i < len(h); i++ {
			h[i] = byte(r.Uint32())
		}
		for _, at := range []int{20, 28} { // times that are not refused at sight
			if r.IntN(4) > 0 {
				clear(h[at : at+1+r.IntN(4)])
			}
		}
		l.overGarbage(func() { l.cmd("SET", string(h), "PX", hour).is("set", "OK") })
	}
}

// overGarbage runs each script over what put puts under the key. None fails, none
// makes a value of it, and the key can be used afterwards.
func (l *lab) overGarbage(put func()) {
	for _, name := range []string{"delete", "begin", "done", "stale", "set", "lease", "fill", "renew", "release", "expire"} {
		l.next()
		put()
		before := l.peek().raw
		a := l.run(name, someArgs[name]...)
		if l.err == nil && a.failed() {
			l.failf("%s over %q: %v", name, before, a.got)
		}
		switch name {
		case "fill", "renew", "release":
			a.is("it is nobody's", 0)
			l.is(name+" changed it", l.peek().raw, before)
		case "set":
			l.valued(name, "v", span{1, 1 << 57})
		case "stale":
			l.is("fresh after "+name, l.peek().fresh(), false)
		case "delete", "begin", "done":
			l.is("a value after "+name, l.view().isValue(), false)
		case "lease":
			if !strings.HasPrefix(before, "V\x01") && !strings.HasPrefix(before, "N\x01") {
				a.is("a lease over garbage", 1, minute, "", "")
			}
			l.lease(a)
			continue
		default:
			continue
		}
		if name != "set" {
			l.lease(l.run("lease", a8, minute, none))
		}
	}
}

// peek is view, whatever is there.
func (l *lab) peek() (v recordState) {
	if l.err == nil {
		v, l.err = seen(viewScript.Run(context.Background(), l.w, l.key))
	}
	return v
}

// lease fails the check unless, with this answer to a, a load can be done. What is
// fresh is read in vain and asked for once more; what is taken is waited for, which
// is the same as deleted here.
func (l *lab) lease(a answer) {
	if l.err != nil {
		return
	}
	if a.got[0] == int64(4) {
		a = l.run("lease", a8, minute, a.got[2])
	}
	if a.got[0] == int64(2) || a.got[0] == int64(3) {
		l.run("delete", 0, "")
		a = l.run("lease", a8, minute, none)
	}
	a.is("a lease over garbage", 1, minute, nil, nil)
	l.run("fill", "T", a8, plain("v"), hour).is("its fill", 1, nil, nil)
}

// whenFull runs f while Redis has no room for anything and may not evict.
func (l *lab) whenFull(f func()) {
	limit := func(n int) {
		if _, err := l.server.Do("CONFIG", "SET", "maxmemory", n); err != nil {
			l.failf("%w", err)
		}
	}
	limit(1)
	f()
	limit(0)
}

// A full Redis keeps nothing new, and nothing old that was to go either.
func checkFull(l *lab) {
	leased := func() {
		l.next()
		l.run("set", plain("old"), hour, "").is("set", 1, hour, 0)
		l.run("lease", a8, minute, id8("old")).is("lease", 1, minute, id8("old"), "")
	}
	removed := func(name string, want int, args ...any) {
		leased()
		l.whenFull(func() { l.run(name, args...).is(name, want) })
		l.gone(name)
	}
	removed("fill", -1, "T", a8, plain("v"), hour)
	removed("fill", -1, "C", id8("old"), plain("v"), hour)
	removed("set", -1, plain("v"), hour, "")
	removed("delete", 1, 0, "")
	removed("stale", 0, c8)
	removed("expire", 1, -1)
	removed("done", -1, w8, 0, plain("v"), hour)
	for _, before := range []func(){leased, l.next} {
		before()
		l.whenFull(func() {
			l.run("delete", minute, "").is("delete with a hold", span{0, 1})
			l.holding("delete", minute, all8)
		})
		before()
		l.whenFull(func() {
			l.run("begin", w8, minute).is("begin", 1, minute)
			l.holding("begin", minute, w8)
			l.run("done", w8, 0, plain("v"), hour).is("done", 2)
		})
	}
	l.next()
	l.run("lease", a8, minute, none).is("lease", 1, minute, "", "")
	l.whenFull(func() { l.run("stale", c8).is("stale", 0) })
	l.gone("a lease")
	l.whenFull(func() {
		if a := l.run("lease", a8, minute, none); l.err == nil && !a.failed() {
			l.failf("a lease that is not kept was given: %v", a.got)
		}
	})
}

// checkFullTags: an invalidation of tags needs no more room either.
func checkFullTags(l *lab) {
	for _, name := range []string{"nothing", "a reading"} {
		l.next()
		if name != "nothing" {
			l.run("tick", "")
		}
		l.whenFull(func() {
			if first, second := l.tick(""), l.tick(""); first >= second {
				l.failf("over %s: a reading of %d after one of %d", name, second, first)
			}
		})
		l.next()
		if name != "nothing" {
			l.run("tagmax", 5, hour).is("tagmax", 5)
		}
		l.whenFull(func() { l.run("tagmax", 6, hour).is("over "+name, 6) })
		l.cmd("GET").is("it", 6)
	}
}

// Holds stay even then.
func checkFullHolds(l *lab) {
	begin := func() {
		l.next()
		l.run("begin", w8, hour).is("begin", 1, hour)
		l.run("lease", a8, minute, none).is("lease", 1, minute, "", "")
	}
	stays := func(name string, bracket string, want int, args ...any) {
		l.whenFull(func() { l.run(name, args...).is(name, want) })
		l.is("the token", l.holding(name, hour, bracket).token(), none)
	}
	begin()
	stays("fill", w8, -1, "T", a8, plain("v"), hour)
	l.run("done", w8, 0, plain("v"), hour).is("the bracket was the only one", 2)
	begin()
	stays("set", all8, -1, plain("v"), hour, "")
	begin()
	stays("stale", all8, 0, c8)
	begin()
	stays("done", all8, 0, x8, 0, plain("v"), hour)
	begin()
	l.run("fill", "T", a8, plain("v"), hour).is("fill", 1, about(hour), 1)
	stays("expire", all8, 1, -1)
	l.next()
	l.run("delete", hour, record.Bytes8(5)).is("delete", 0)
	l.run("set", versioned("v", 5), 2*hour, "").is("set", 1, 2*hour, 0)
	stays("stale", all8, 0, c8)
	l.is("the floor", l.view().floor(), record.Bytes8(5))
}
