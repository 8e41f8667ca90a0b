package integration_test

import (
	"bufio"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/lokroom/strata/internal/history"
	"github.com/lokroom/strata/internal/redistest"
	"github.com/lokroom/strata/layered"
)

// A fleet is several processes that work with one Redis and one source, and
// something that makes them fail.
type fleet struct {
	t         *testing.T
	dir       string
	server    *redistest.Server // or one of these:
	cluster   *redistest.Cluster
	address   *redistest.Address
	sentinels *redistest.SentinelSet
	proxy     *redistest.Proxy    // of the victim's link; else nil; in a cluster it has source.roads
	untracked *redistest.Rewriter // what all go through without tracking; else nil
	source    *historySource
	job       historyJob // of process 0; the others' differ by what tells them apart
	rand      *rand.Rand // of the faults

	members   []*member        // those that were killed too
	faults    atomic.Int64     // done
	woken     []time.Duration  // when a process that was stopped went on
	failovers []history.Window // that lost something
	moved     map[string]int   // slots, by what key they had: see slotKinds
	choices   int              // of slots to move
}

// A member is a process of a fleet.
type member struct {
	number int
	cmd    *exec.Cmd
	stdin  io.WriteCloser
	stdout *bufio.Reader
	killed bool
	counts layered.Counts // when it has ended
}

func (f *fleet) log(name any) string { return filepath.Join(f.dir, fmt.Sprint(name, ".log")) }

// url is where processes find Redis that have no link of their own.
func (f *fleet) url() string {
	switch {
	case f.cluster != nil:
		return "redis://" + strings.Join(f.cluster.Addrs(), "?addr=") // of the first two
	case f.address != nil:
		return "redis://" + f.address.Addr()
	case f.sentinels != nil:
		return "redis://" + f.sentinels.Addrs()[0] + "?master_set=" + redistest.MasterSet
	}
	if f.untracked != nil {
		return "redis://" + f.untracked.Addr()
	}
	return f.server.URL()
}

// start starts one more process. One that is linked reaches Redis through the proxy.
func (f *fleet) start(linked bool) *member {
	f.t.Helper()
	m := &member{number: len(f.members)}
	job := f.job
	job.URL, job.Log, job.Process, job.Sets = f.url(), f.log(m.number), m.number, m.number == 0
	switch {
	case linked && f.cluster != nil:
		job.Roads = true
	case linked:
		job.URL = "redis://" + f.proxy.Addr()
	}
	text, err := json.Marshal(job)
	if err != nil {
		f.t.Fatal(err)
	}
	m.cmd = exec.Command(os.Args[0])
	// A process with the race detector would sleep for a second when it ends.
	m.cmd.Env = append(os.Environ(), historyEnv+"="+string(text), "GORACE=atexit_sleep_ms=0")
	m.cmd.Stderr = os.Stderr
	if m.stdin, err = m.cmd.StdinPipe(); err != nil {
		f.t.Fatal(err)
	}
	stdout, err := m.cmd.StdoutPipe()
	if err != nil {
		f.t.Fatal(err)
	}
	m.stdout = bufio.NewReader(stdout)
	if err := m.cmd.Start(); err != nil {
		f.t.Fatal(err)
	}
	f.members = append(f.members, m)
	f.t.Cleanup(m.kill)
	if line, err := m.stdout.ReadString('\n'); line != "ready\n" {
		f.t.Fatalf("process %d said %q, %v", m.number, line, err)
	}
	return m
}

// victim is the process that the faults hit, which is the one started last.
func (f *fleet) victim() *member { return f.members[len(f.members)-1] }

// kill ends a process at once, if it still runs, and returns when it is gone.
func (m *member) kill() {
	if m.cmd.ProcessState == nil {
		m.killed = true
		m.cmd.Process.Kill()
		m.cmd.Wait()
	}
}

// alive returns the processes that were not killed.
func (f *fleet) alive() []*member {
	return slices.DeleteFunc(slices.Clone(f.members), func(m *member) bool { return m.killed })
}

// tell has all processes do something, and returns when they have.
func (f *fleet) tell(what string) {
	for _, m := range f.alive() {
		fmt.Fprintln(m.stdin, what)
	}
	for _, m := range f.alive() {
		defer f.watch(m)()
		if line, err := m.stdout.ReadString('\n'); line != "done\n" {
			f.t.Errorf("process %d, told to %s, said %q, %v", m.number, what, line, err)
		}
	}
}

// watch ends a process that hangs, until it is stopped.
func (f *fleet) watch(m *member) (stop func()) {
	gone := time.AfterFunc(time.Minute, func() {
		f.t.Errorf("process %d hangs", m.number)
		m.cmd.Process.Signal(syscall.SIGQUIT) // to see where
	})
	return func() { gone.Stop() }
}

// stop waits for the end of a process whose standard input has ended.
func (f *fleet) stop(m *member) {
	defer f.watch(m)()
	if err := json.NewDecoder(m.stdout).Decode(&m.counts); err != nil {
		f.t.Errorf("process %d did not count: %v", m.number, err)
	}
	if err := m.cmd.Wait(); err != nil {
		f.t.Errorf("process %d ended with %v", m.number, err)
	}
}

// work lets the fleet work for d while the fault is done to it, and returns all that
// was done. With sweep every process reads every key when nobody writes any more
// and whatever may be old for a while is over.
func (f *fleet) work(d time.Duration, fault *historyFault, sweep bool) []history.Op {
	f.t.Helper()
	ctx, cancel := context.WithTimeout(f.t.Context(), d+time.Minute)
	defer cancel()
	go func() {
		defer cancel()
		f.pause(ctx, d, d)
		// A busy machine may need more time to do what the run is for.
		for least := max(fault.least, 1); fault.inject != nil && f.faults.Load() < least || !f.source.busy(); {
			if !f.pause(ctx, 10*time.Millisecond, 10*time.Millisecond) {
				break
			}
		}
	}()
	if fault.inject != nil {
		fault.inject(ctx, f)
	}
	<-ctx.Done()
	f.tell("rest")
	if sweep {
		time.Sleep(historyHold + historyUnheard + historySlack)
		f.tell("sweep")
	}
	for _, m := range f.members {
		m.stdin.Close() // it comes to an end
	}
	for _, m := range f.alive() {
		f.stop(m)
	}
	f.source.close(f.t)
	ops := f.read("source", false)
	for _, m := range f.members {
		ops = append(ops, f.read(m.number, m.killed)...)
	}
	return f.awake(ops)
}

func (f *fleet) read(name any, killed bool) []history.Op {
	ops, err := history.Read(f.log(name), killed)
	if err != nil {
		f.t.Error(err)
	}
	return ops
}

// awake leaves out what the victim's L1 answered in the moment in which a process
// that was stopped has gone on and its timers have not run yet: to know better it
// would have to read a clock for every hit. See docs/consistency.md.
func (f *fleet) awake(ops []history.Op) []history.Op {
	const moment = 20 * time.Millisecond
	return slices.DeleteFunc(ops, func(o history.Op) bool {
		return o.Kind == history.Get && slices.ContainsFunc(f.woken, func(at time.Duration) bool {
			return o.Process == f.victim().number && o.Call >= at-moment && o.Call < at+moment
		})
	})
}

// sum adds up what the processes counted that were not killed.
func (f *fleet) sum() (c layered.Counts) {
	for _, m := range f.members {
		c.L1Hits += m.counts.L1Hits
		c.L2Hits += m.counts.L2Hits
		c.Loads += m.counts.Loads
		c.LoadErrors += m.counts.LoadErrors
		c.Shared += m.counts.Shared
		c.Waits += m.counts.Waits
		c.StaleServed += m.counts.StaleServed
		c.L2Errors += m.counts.L2Errors
		c.Invalidations += m.counts.Invalidations
		c.Lost += m.counts.Lost
		c.Rechecked += m.counts.Rechecked
		c.Refused += m.counts.Refused
		c.Retried += m.counts.Retried
		c.Replayed += m.counts.Replayed
		c.Refreshes += m.counts.Refreshes
		c.NotModified += m.counts.NotModified
	}
	return c
}

// pause waits for a random time, or until ctx ends, which it reports by false.
func (f *fleet) pause(ctx context.Context, least, most time.Duration) bool {
	d := least
	if most > least {
		d += time.Duration(f.rand.Int64N(int64(most - least)))
	}
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-t.C:
		return true
	case <-ctx.Done():
		return false
	}
}

// errNoFault says that nothing came of it this time.
var errNoFault = fmt.Errorf("no fault")

// times does something again and again.
func (f *fleet) times(ctx context.Context, least, most time.Duration, do func() error) {
	for f.pause(ctx, least, most) {
		switch err := do(); err {
		case nil:
			f.faults.Add(1)
		case errNoFault:
		default:
			f.t.Errorf("fault %d: %v", f.faults.Load()+1, err)
			return
		}
	}
}
