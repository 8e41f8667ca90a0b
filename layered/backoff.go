package layered

import (
	"time"

	"github.com/lokroom/strata/store"
)

// mostRests is how many times Options.RetryAfter a source is left alone at most.
const mostRests = 16

// A rest is for how long the source of an entry is left alone after failures.
type rest struct {
	wait time.Duration // the last one, without jitter; 0: it has not failed
	ends store.Time    // of that one
}

// next returns for how long after one more failure: twice as long each time, while one
// attempt follows the other. One that comes after longer than the last rest is the first
// again. Of the rests of another process is known only what was left of them.
func (r *rest) next(first time.Duration) time.Duration {
	if first <= 0 {
		return 0
	}
	if r.wait == 0 || store.Now().Sub(r.ends) > r.wait {
		return first
	}
	return max(first, min(2*r.wait, mostRests*first))
}

// begin begins a rest, which is over earlier by jitter than it is long.
func (r *rest) begin(wait, jittered time.Duration) { *r = rest{wait, store.In(jittered)} }
