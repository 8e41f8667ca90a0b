package flight

import (
	"fmt"
	"runtime"
	"testing"
)

// A key that is forgotten between its first and its second place in a batch is not led twice:
// the batch would finish one of the two calls and wait for both.
func TestBeginMany_forgottenBetweenDuplicates(t *testing.T) {
	var g Group[int]
	const key = "k"
	between := ""
	for i := 0; between == "" || g.shard(between) == g.shard(key); i++ {
		between = fmt.Sprint("between ", i)
	}
	g.shard(between).mu.Lock() // BeginMany stops there
	began := make(chan struct{})
	var calls []*Call[int]
	var leads []bool
	go func() {
		defer close(began)
		b := g.BeginMany(t.Context(), []string{key, between, key}, []int{0, 1, 2})
		calls, leads = b.Calls, b.Leads
	}()
	inFlight := func() bool {
		s := g.shard(key)
		s.mu.Lock()
		defer s.mu.Unlock()
		return s.live[key] != nil
	}
	for !inFlight() {
		runtime.Gosched()
	}
	g.Forget(key)
	g.shard(between).mu.Unlock()
	<-began
	if calls[2] != calls[0] || !leads[0] || !leads[1] || leads[2] {
		t.Errorf("leads %v; the same call: %v", leads, calls[2] == calls[0])
	}
	other, lead := g.Begin(t.Context(), key)
	if !lead || other == calls[0] {
		t.Error("another caller joined a forgotten call")
	}
	other.Finish(2, nil)
	calls[0].Finish(1, nil)
	calls[1].Finish(1, nil)
	for i, c := range calls {
		if v, err := c.Wait(t.Context()); v != 1 || err != nil {
			t.Errorf("%d: got %d, %v", i, v, err)
		}
	}
	g.Close()
}
