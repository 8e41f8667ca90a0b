package fleet_test

import (
	"context"
	"syscall"
	"testing"
	"time"

	"github.com/lokroom/strata/internal/history"
	"github.com/lokroom/strata/internal/redistest"
)

// Faults of the victim itself.

func stallProcess(ctx context.Context, f *fleet) {
	f.times(ctx, 100*time.Millisecond, 300*time.Millisecond, func() error {
		return f.sleep(ctx, time.Second, 1500*time.Millisecond)
	})
}

// sleep stops the victim for a while.
func (f *fleet) sleep(ctx context.Context, least, most time.Duration) error {
	p := f.victim().cmd.Process
	if err := p.Signal(syscall.SIGSTOP); err != nil {
		return err
	}
	f.pause(ctx, least, most)
	f.woken = append(f.woken, history.Now())
	return p.Signal(syscall.SIGCONT)
}

// stallLoad stops the victim while it holds a lease, for longer than the lease lasts. Then
// it continues with the value that it had read.
func stallLoad(ctx context.Context, f *fleet) {
	const lease = 3 * time.Second
	f.times(ctx, 50*time.Millisecond, 100*time.Millisecond, func() error {
		stop, err := f.stopAt(ctx, sourceStop{load: true})
		if err != nil {
			return err
		}
		defer close(stop.goOn)
		// The first renewal comes after a third of the lease.
		return f.sleep(context.WithoutCancel(ctx), lease+100*time.Millisecond, lease+200*time.Millisecond)
	})
}

// overtaken checks that the victim's loads came too late: Redis refused them, or was not
// asked after so long without contact.
func overtaken(t *testing.T, f *fleet, _ *history.Report, _ []history.Op) {
	if c := f.victim().counts; c.Refused+c.L2Errors < uint64(f.faults.Load()) {
		t.Errorf("the victim slept %d times while it loaded, was refused %d times, and failed %d times", f.faults.Load(), c.Refused, c.L2Errors)
	}
}

// stopAt returns when the source stops the victim.
func (f *fleet) stopAt(ctx context.Context, where sourceStop) (*sourceStop, error) {
	stop := f.source.stop(f.victim().number, where)
	select {
	case <-stop.there:
		return stop, nil
	case <-ctx.Done():
		return nil, errNoFault
	}
}

// killLoad kills the victim while it loads, and starts another one.
func killLoad(ctx context.Context, f *fleet) {
	f.times(ctx, 100*time.Millisecond, 300*time.Millisecond, func() error {
		if _, err := f.stopAt(ctx, sourceStop{load: true}); err != nil {
			return err
		}
		f.victim().kill()
		f.start(false)
		return nil
	})
}

// The steps of a write at which a process is killed.
var writeSteps = []struct {
	name string
	at   sourceStop
	goes bool                         // whether the commit happens after the crash
	shut func(*redistest.Proxy, bool) // its link, before it continues with Commit
}{
	{name: "before the commit", at: sourceStop{before: true}},
	{name: "after the commit, before Delete"},
	{name: "after Begin", at: sourceStop{held: true, before: true}},
	{name: "while its commit is under way", at: sourceStop{held: true, before: true}, goes: true},
	{name: "after the commit, before Done", at: sourceStop{held: true}},
	{name: "while Done is on its way", at: sourceStop{held: true}, shut: (*redistest.Proxy).HoleRequests},
	{name: "while the answer to Done is", at: sourceStop{held: true}, shut: (*redistest.Proxy).HoleReplies},
}

// killWrite kills the victim at each step of a write, and starts another one.
func killWrite(ctx context.Context, f *fleet) {
	f.times(ctx, 0, 50*time.Millisecond, func() error {
		step := writeSteps[f.faults.Load()%int64(len(writeSteps))]
		stop, err := f.stopAt(ctx, step.at)
		if err != nil {
			return err
		}
		if step.shut != nil {
			step.shut(f.proxy, true)
			close(stop.goOn)
			for f.proxy.Held() == 0 && f.pause(ctx, time.Millisecond, time.Millisecond) {
			}
			f.pause(ctx, 0, 5*time.Millisecond)
		}
		f.victim().kill()
		if step.goes {
			f.pause(ctx, 0, 100*time.Millisecond)
			close(stop.goOn)
		}
		if step.shut != nil {
			step.shut(f.proxy, false) // commands in flight arrive
		}
		f.start(true)
		return nil
	})
}

// unguarded checks that an old value outlived the crash of a writer without a write intent.
func unguarded(t *testing.T, f *fleet, r *history.Report, _ []history.Op) {
	if r.Unfenced == 0 {
		t.Error("a crash between commit and Delete did no harm")
	}
}
