package layered

import "slices"

// A bell is rung at the first change of one of several keys.
type bell struct {
	guard  *guard
	rung   chan struct{} // is sent to
	alarms map[string]*alarm
}

// bell is await for several keys.
func (g *guard) bell(keys []string) *bell {
	b := &bell{guard: g, rung: make(chan struct{}, 1), alarms: make(map[string]*alarm, len(keys))}
	for _, key := range keys {
		st := g.stripe(key)
		st.mu.Lock()
		a := st.alarm(key)
		a.bells = append(a.bells, b)
		st.mu.Unlock()
		b.alarms[key] = a
	}
	return b
}

func (b *bell) ring() {
	select {
	case b.rung <- struct{}{}:
	default: // it has been
	}
}

// leave gives up the keys for which not reports true. It must be called with all of
// them when nobody waits any more.
func (b *bell) leave(not func(key string) bool) {
	for key, a := range b.alarms {
		if !not(key) {
			continue
		}
		st := b.guard.stripe(key)
		st.mu.Lock()
		if i := slices.Index(a.bells, b); i >= 0 {
			a.bells = slices.Delete(a.bells, i, i+1)
		}
		st.leave(key, a)
		st.mu.Unlock()
		delete(b.alarms, key)
	}
}

func (b *bell) stop() { b.leave(func(string) bool { return true }) }
