package cooldown

import (
	"time"

	"github.com/lokroom/strata/store"
)

// maxFactor bounds a wait of a [Backoff], as a multiple of the first.
const maxFactor = 16

// A Backoff is the wait before the next attempt after failures. The zero Backoff has seen
// none. It must not be used concurrently.
type Backoff struct {
	wait time.Duration // the last wait, without jitter; 0: nothing has failed
	ends store.Time    // the end of that wait
}

// Next returns the wait after one more failure. It doubles, up to 16 times first, while
// attempts follow each other. An attempt that comes after longer than the last wait counts
// as the first.
func (b *Backoff) Next(first time.Duration) time.Duration {
	if first <= 0 {
		return 0
	}
	if b.wait == 0 || store.Now().Sub(b.ends) > b.wait {
		return first
	}
	return max(first, min(2*b.wait, maxFactor*first))
}

// Begin begins a wait. jittered is its real length. Of a wait of another process only
// what is left of it is known: wait is that, too.
func (b *Backoff) Begin(wait, jittered time.Duration) { *b = Backoff{wait, store.In(jittered)} }

// Reset forgets the failures.
func (b *Backoff) Reset() { *b = Backoff{} }
