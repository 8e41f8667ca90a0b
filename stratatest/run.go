package stratatest

import (
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
)

// A Step is something that happens in a test by [Run]: a read, a change, an outage, an hour.
type Step struct {
	Name string
	Do   func()
}

// Run plays n steps inside testing/synctest, in an order that seed defines: the same seed plays
// the same order again. begin prepares the test, for example with a [Fleet], and returns the
// steps to choose from; each may come several times, or not at all.
//
// A step begins when every goroutine of the test has ended or waits for time, or for a switch of
// a process. A step may therefore leave goroutines behind that wait, such as reads of a stalled
// process, and later steps meet them in the same state with each run. Set Options.Jitter to -1:
// random TTLs do not follow the seed. If the test fails, its log has the seed and the steps.
func Run(t *testing.T, seed uint64, n int, begin func(t *testing.T) []Step) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		steps := begin(t)
		if len(steps) == 0 {
			t.Fatal("stratatest: Run without steps")
		}
		var played []string
		t.Cleanup(func() {
			if t.Failed() {
				t.Logf("stratatest: seed %d played %s", seed, strings.Join(played, ", "))
			}
		})
		for i := range order(seed, n, len(steps)) {
			synctest.Wait()
			played = append(played, steps[i].Name)
			if steps[i].Do(); t.Failed() {
				return
			}
		}
		synctest.Wait()
	})
}

// order returns the indexes of n of so many steps.
func order(seed uint64, n, steps int) func(yield func(int) bool) {
	r := rand.New(rand.NewPCG(seed, 0))
	all := make([]int, n)
	for i := range all {
		all[i] = r.IntN(steps)
	}
	return slices.Values(all)
}
