package fleet_test

import (
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/lokroom/strata/internal/history"
	"github.com/lokroom/strata/internal/redistest"
	"github.com/lokroom/strata/layered"
)

// watchHealth checks Health of both backends until the returned function is called, which
// verifies the reports.
func (o *operated) watchHealth(fault *operatorFault) (stop func()) {
	said, end := make(chan []string, 1), make(chan struct{})
	go func() {
		all := map[string]bool{}
		for {
			for _, b := range o.backends {
				if err := b.Health().Err(); err != nil {
					all[err.Error()] = true
				}
			}
			select {
			case <-end:
				said <- slices.Collect(maps.Keys(all))
				return
			case <-time.After(time.Millisecond):
			}
		}
	}()
	return func() {
		o.t.Helper()
		close(end)
		want, may := strings.CutPrefix(fault.health, "?")
		texts := <-said
		if len(texts) == 0 && want != "" && !may {
			o.t.Errorf("Health found nothing wrong, want %q", want)
		}
		for _, text := range texts {
			if want == "" || !strings.Contains(text, want) {
				o.t.Errorf("Health said %q, want %q", text, want)
			}
		}
	}
}

// says reports whether Health of both processes reports an error with text.
func (o *operated) says(text string) bool {
	for _, b := range o.backends {
		if err := b.Health().Err(); err == nil || !strings.Contains(err.Error(), text) {
			return false
		}
	}
	return true
}

// recovers waits until everything works as before, without a restart.
func (o *operated) recovers() {
	o.t.Helper()
	redistest.WaitFor(o.t, "Health to find all well", func() bool {
		return o.backends[0].Health().Err() == nil && o.backends[1].Health().Err() == nil
	})
	ctx := o.t.Context()
	redistest.WaitFor(o.t, "a change to reach the other process, by Redis", func() bool {
		if o.caches[0].Delete(ctx, 0) != nil {
			return false
		}
		if _, err := o.caches[0].Get(ctx, 0); err != nil {
			return false
		}
		e, err := o.caches[1].GetEntry(ctx, 0)
		return err == nil && e.Tier == layered.L2
	})
	redistest.WaitFor(o.t, "some work to be done", func() bool {
		o.mu.Lock()
		defer o.mu.Unlock()
		return len(o.ops) > 1000
	})
	for p := range o.caches {
		redistest.WaitFor(o.t, "L1 to serve", func() bool {
			e, err := o.caches[p].GetEntry(ctx, 0)
			return err == nil && e.Tier == layered.L1
		})
	}
}

// quiet blocks all work until the returned function is called.
func (o *operated) quiet() (goOn func()) {
	o.busy.Lock()
	return o.busy.Unlock
}

// lost waits until the copies of both processes are suspect.
func (o *operated) lost() {
	o.t.Helper()
	redistest.WaitFor(o.t, "copies to be suspect", func() bool { return o.caches[0].Stats().Lost > 0 && o.caches[1].Stats().Lost > 0 })
}

// rewinds runs f, after which writes from since on, and those made meanwhile, may be lost
// until their process has replayed them.
func (o *operated) rewinds(since time.Duration, own bool, f func() error) error {
	o.t.Helper()
	w := history.Window{From: since, Since: history.Now(), Own: own}
	before := o.caches[0].Stats().Replayed
	err := f()
	w.To = history.Now()
	redistest.WaitFor(o.t, "writes to be made again", func() bool {
		c := o.caches[0].Stats()
		return c.Replayed > before && c.RetryQueue == 0 && history.Now() > w.To+historyMaxDisconnected
	})
	w.Until = history.Now()
	o.windows = append(o.windows, w)
	return err
}
