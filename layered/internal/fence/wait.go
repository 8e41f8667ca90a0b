package fence

import "slices"

// A Waiter waits for the first change of any of several keys. The zero Waiter waits for
// none. It must not be copied. Only Changed may be received from while another method runs.
type Waiter struct {
	fence   *Fence
	keys    []string
	changed chan struct{} // has one value after the first change
}

// Await makes w wait for the next change of key in f, too. It must not wait for key
// already, nor for a key in another Fence. Stop must be called on w.
func (w *Waiter) Await(f *Fence, key string) {
	if w.changed == nil {
		w.changed = make(chan struct{}, 1)
	}
	w.fence, w.keys = f, append(w.keys, key)
	st := f.stripe(key)
	st.mu.Lock()
	defer st.mu.Unlock()
	if st.waiting == nil {
		st.waiting = make(map[string][]*Waiter)
	}
	st.waiting[key] = append(st.waiting[key], w)
}

// Changed returns a channel that receives a value after the first change.
func (w *Waiter) Changed() <-chan struct{} { return w.changed }

// Stop stops waiting, and forgets a change that was not received.
func (w *Waiter) Stop() {
	w.Leave(func(int) bool { return true })
	select {
	case <-w.changed:
	default:
	}
}

// Leave stops waiting for the keys for which drop returns true. i counts the calls of Await
// since the last Stop or Leave.
func (w *Waiter) Leave(drop func(i int) bool) {
	left := w.keys[:0]
	for i, key := range w.keys {
		if drop(i) {
			w.leave(key)
		} else {
			left = append(left, key)
		}
	}
	clear(w.keys[len(left):])
	w.keys = left
}

func (w *Waiter) leave(key string) {
	st := w.fence.stripe(key)
	st.mu.Lock()
	defer st.mu.Unlock()
	all := st.waiting[key]
	i := slices.Index(all, w)
	switch {
	case i < 0: // the key has changed
	case len(all) == 1:
		delete(st.waiting, key)
	default:
		st.waiting[key] = slices.Delete(all, i, i+1)
	}
}

// Wake wakes those that wait for a change of key.
func (f *Fence) Wake(key string) {
	st := f.stripe(key)
	st.mu.Lock()
	defer st.mu.Unlock()
	st.wake(key)
}

// wake wakes the waiters of key. The lock is held.
func (st *stripe) wake(key string) {
	for _, w := range st.waiting[key] {
		select {
		case w.changed <- struct{}{}:
		default: // it is awake
		}
	}
	delete(st.waiting, key)
}
