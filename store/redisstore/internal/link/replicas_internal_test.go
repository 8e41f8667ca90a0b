package link

import (
	"context"
	"testing"
	"testing/synctest"
	"time"

	"github.com/lokroom/strata/store"
)

// A read waits for a replica for an eighth of the timeout, or a third of what its caller has left.
func TestReplicaWait(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		for _, tc := range []struct{ left, want time.Duration }{{0, time.Second}, {time.Minute, time.Second}, {2400 * time.Millisecond, 800 * time.Millisecond}} {
			ctx := t.Context()
			if tc.left > 0 {
				var cancel context.CancelFunc
				ctx, cancel = context.WithTimeout(ctx, tc.left)
				defer cancel()
			}
			if got := replicaWait(ctx, 8*time.Second); got != tc.want {
				t.Errorf("with %v left: %v, want %v", tc.left, got, tc.want)
			}
		}
	})
}

// A replica that has failed, or lacks several values in a row, is left alone for restFor. Then one
// reader tries it.
func TestRest(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var r rest
		may := func(want ...bool) {
			t.Helper()
			for i, w := range want {
				if got := r.may(store.Now()); got != w {
					t.Errorf("question %d: %v, want %v", i+1, got, w)
				}
			}
		}
		may(true, true)
		r.begin()
		may(false, false)
		time.Sleep(restFor)
		may(true, false)
		r.end()
		may(true, true)
		for range mostBehind - 1 {
			r.lacked()
		}
		may(true)
		r.end() // it had one
		for range mostBehind - 1 {
			r.lacked()
		}
		may(true)
		r.lacked()
		may(false)
	})
}
