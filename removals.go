package strata

import (
	"slices"
	"sync"
	"sync/atomic"
	"time"
)

// removals are the functions of SampleRemovals.
type removals struct {
	mu   sync.Mutex
	list atomic.Pointer[[]*removed]
}

type removed func(cache, cause string, age time.Duration)

func (r *removals) call(cache, cause string, age time.Duration) {
	if list := r.list.Load(); list != nil {
		for _, fn := range *list {
			(*fn)(cache, cause, age)
		}
	}
}

func (r *removals) change(f func([]*removed) []*removed) {
	r.mu.Lock()
	defer r.mu.Unlock()
	var list []*removed
	if old := r.list.Load(); old != nil {
		list = slices.Clone(*old)
	}
	list = f(list)
	r.list.Store(&list)
}
