package view_test

import (
	"testing"
	"time"

	"github.com/lokroom/strata/store"
)

// A part of the removals is reported, with the time since the load and the cause: an expired
// entry is that, whatever removed it, and a cleared one is invalidated.
func TestView_SampleRemovals(t *testing.T) {
	v := newView[int]()
	now := store.Now()
	v.Item("k", &store.Entry[int]{LoadedAt: now}).Removed("evicted") // nobody listens
	ages := make(map[string][]time.Duration)
	v.SampleRemovals(func(cause string, age time.Duration) { ages[cause] = append(ages[cause], age) })
	const n = 6400
	remove := func(e store.Entry[int], clear bool, cause string) {
		for range n {
			it := v.Item("k", &e)
			if clear {
				v.Clear()
			}
			it.Removed(cause)
		}
	}
	remove(store.Entry[int]{LoadedAt: now - 5000}, false, "evicted")
	remove(store.Entry[int]{LoadedAt: now - 60_000, ExpiresAt: now - 1}, false, "replaced")
	remove(store.Entry[int]{LoadedAt: now}, true, "replaced")
	remove(store.Entry[int]{}, false, "evicted") // its age is not known
	for cause, age := range map[string]time.Duration{"evicted": 5 * time.Second, "expired": time.Minute, "invalidated": 0} {
		of := ages[cause]
		if len(of) < n/64/2 || len(of) > n/64*2 {
			t.Errorf("%s: %d of %d reported", cause, len(of), n)
		}
		for _, got := range of {
			if got < age || got > age+time.Minute {
				t.Errorf("%s: age %v, want %v", cause, got, age)
			}
		}
	}
	if len(ages) != 3 {
		t.Errorf("causes: %v", ages)
	}
}
