package history

import (
	"slices"
	"time"
)

// A register is the history of one key.
type register struct {
	all     writes                  // guaranteed when a write returned
	own     map[int]*writes         // the same by process
	hard    map[int]*writes         // the same without Expire, which allows stale answers
	waited  writes                  // guaranteed for every L1 when a write returned
	held    writes                  // guaranteed when a write intent began
	plain   writes                  // would have been guaranteed with a write intent
	late    map[int64]time.Duration // versions of Sets with unknown outcome, and their call times
	commits []Op                    // by call; versions ascend
	loads   []Op
	changes []Op // all operations that end leases
}

func newRegister() *register {
	return &register{own: map[int]*writes{}, hard: map[int]*writes{}, late: map[int64]time.Duration{}}
}

func (k *register) add(o Op, rules *Rules) {
	switch {
	case o.Kind == Commit:
		k.commits = append(k.commits, o)
		w := written{o, o.Return + rules.Hold}
		if o.Held {
			k.held.add(w)
		} else {
			w.at += rules.Lag
			k.plain.add(w)
		}
	case o.Kind == Load:
		k.loads = append(k.loads, o)
	case o.Kind == Begin:
		k.changes = append(k.changes, o)
	case o.Kind.writes():
		k.changes = append(k.changes, o)
		k.write(o, rules)
	}
}

func (k *register) write(o Op, rules *Rules) {
	switch {
	case o.Err == "":
		w := written{o, o.Return}
		if o.Kind == Hold {
			w.at += rules.Lag + rules.Hold // the last loaded value may be kept for the hold of a later write
		}
		k.all.add(w)
		addTo(k.own, w)
		if o.Kind != Expire {
			addTo(k.hard, w)
		}
		if o.Kind == Wait {
			k.waited.add(w)
		}
	case o.Kind == Set:
		k.late[o.Version] = o.Call
	}
}

// addTo adds a write to those of its process.
func addTo(by map[int]*writes, w written) {
	if by[w.Process] == nil {
		by[w.Process] = &writes{}
	}
	by[w.Process].add(w)
}

func (k *register) sort() {
	for _, by := range []map[int]*writes{k.own, k.hard} {
		for _, w := range by {
			w.sort()
		}
	}
	k.all.sort()
	k.waited.sort()
	k.held.sort()
	k.plain.sort()
	slices.SortFunc(k.commits, func(a, b Op) int { return int(a.Call - b.Call) })
	for i := 1; i < len(k.commits); i++ { // already ascending, if there is one source
		k.commits[i].Version = max(k.commits[i].Version, k.commits[i-1].Version)
	}
}

// newest returns the newest version with a commit that had begun at t, or 0, the initial
// version.
func (k *register) newest(t time.Duration) int64 {
	n, _ := slices.BinarySearchFunc(k.commits, t, func(c Op, t time.Duration) int {
		if c.Call <= t {
			return -1
		}
		return 1
	})
	if n == 0 {
		return 0
	}
	return k.commits[n-1].Version
}

// A written version, and the time from which nothing older may be read.
type written struct {
	Op
	at time.Duration
}

// writes are guaranteed versions.
type writes struct {
	all    []written // by at
	newest []written // those that were the newest at their time: versions ascend, too
}

func (w *writes) add(x written) { w.all = append(w.all, x) }

func (w *writes) sort() {
	slices.SortFunc(w.all, func(a, b written) int { return int(a.at - b.at) })
	for _, x := range w.all {
		if n := len(w.newest); n == 0 || x.Version > w.newest[n-1].Version {
			w.newest = append(w.newest, x)
		}
	}
}

// missed returns the first write newer than version that was guaranteed before t, or nil.
func (w *writes) missed(version int64, t time.Duration) *written {
	if w == nil {
		return nil
	}
	n, _ := slices.BinarySearchFunc(w.newest, version, func(x written, version int64) int {
		if x.Version <= version {
			return -1
		}
		return 1
	})
	if n == len(w.newest) || w.newest[n].at >= t {
		return nil
	}
	return &w.newest[n]
}

// of returns the write of version that returned first, or nil.
func (w *writes) of(version int64) *written {
	for i := range w.all {
		if w.all[i].Version == version {
			return &w.all[i]
		}
	}
	return nil
}

// missedOnly reports whether g missed only writes that may allows, among those guaranteed
// before t, starting with first.
func (w *writes) missedOnly(g *Op, first *written, t time.Duration, may func(*written) bool) bool {
	n, _ := slices.BinarySearchFunc(w.all, first.at, func(x written, at time.Duration) int { return int(x.at - at) })
	for i := n; i < len(w.all) && w.all[i].at < t; i++ {
		if w.all[i].Version > g.Version && !may(&w.all[i]) {
			return false
		}
	}
	return true
}
