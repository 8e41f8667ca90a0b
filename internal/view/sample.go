package view

import "sync/atomic"

// sampleEvery is how many hits there are to one that samplers are called for. The calls
// take some 100 ns, so that the share of a hit is less than one.
const sampleEvery = 128

// samplers are the functions of SampleHits.
type samplers struct {
	list atomic.Pointer[[]*func(key string)]
}

// Hit counts a hit of key, and calls the samplers for some of them. Which ones is decided
// by the count that is there already: multiples of the golden ratio are spread evenly, so
// that keys that are asked for in turn are all sampled.
func (v *View[T]) Hit(n *Stripe, key string) {
	if count := n.Hits.Add(1); count*0x9e3779b97f4a7c15 < 1<<64/sampleEvery {
		v.samplers.call(key)
	}
}

//go:noinline
func (s *samplers) call(key string) {
	if list := s.list.Load(); list != nil {
		for _, fn := range *list {
			(*fn)(key)
		}
	}
}

// SampleHits implements [store.HitSampler].
func (v *View[T]) SampleHits(fn func(key string)) (every int, stop func()) {
	v.samplers.change(func(list []*func(string)) []*func(string) { return append(list, &fn) })
	return sampleEvery, func() {
		v.samplers.change(func(list []*func(string)) (others []*func(string)) {
			for _, f := range list {
				if f != &fn {
					others = append(others, f)
				}
			}
			return others
		})
	}
}

// change replaces the list by what f makes of a copy of it.
func (s *samplers) change(f func([]*func(string)) []*func(string)) {
	for {
		old := s.list.Load()
		var list []*func(string)
		if old != nil {
			list = append(list, *old...)
		}
		list = f(list)
		if s.list.CompareAndSwap(old, &list) {
			return
		}
	}
}
