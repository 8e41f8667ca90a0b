package fleet_test

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

// A fleet is several processes with one Redis and one source, and a fault injector.
type fleet struct {
	t         *testing.T
	dir       string
	server    *redistest.Server // or one of these:
	replica   *redistest.Server // of server, for rows that read from it; otherwise nil
	cluster   *redistest.Cluster
	address   *redistest.Address
	sentinels *redistest.SentinelSet
	proxy     *redistest.Proxy    // of the victim's link; otherwise nil; in a cluster source.roads has them
	untracked *redistest.Rewriter // the link of all processes without tracking; otherwise nil
	source    *historySource
	job       historyJob // of process 0; the others differ in their identity
	rand      *rand.Rand // of the faults

	members   []*member        // including killed ones
	faults    atomic.Int64     // done
	woken     []time.Duration  // times when a stopped process continued
	failovers []history.Window // that lost something
	moved     map[string]int   // number of slots, by their kind of key: see slotKinds
	choices   int              // number of slots selected
	asked     bool             // the replica was, before it was killed
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

// url is the address of Redis for processes without a separate link.
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
	if f.replica != nil {
		return f.server.URL() + "?replica=" + f.replica.Addr()
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
	// A process with the race detector would sleep for a second at its end.
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

// victim is the process that the faults affect: the one started last.
func (f *fleet) victim() *member { return f.members[len(f.members)-1] }

// kill ends a process at once, if it runs, and waits for it.
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

// tell sends a command to all processes, and returns when they have executed it.
func (f *fleet) tell(what string) {
	for _, m := range f.alive() {
		fmt.Fprintln(m.stdin, what)
	}
	for _, m := range f.alive() {
		defer f.watch(m)()
		if line, err := m.stdout.ReadString('\n'); line != "done\n" {
			f.t.Errorf("process %d, asked to %s, answered %q, %v", m.number, what, line, err)
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

// work runs the fleet for d with the fault, and returns all operations. With sweep, every
// process reads every key after the writers have stopped and all permitted staleness has
// passed.
func (f *fleet) work(d time.Duration, fault *historyFault, sweep bool) []history.Op {
	f.t.Helper()
	ctx, cancel := context.WithTimeout(f.t.Context(), d+time.Minute)
	defer cancel()
	go func() {
		defer cancel()
		f.pause(ctx, d, d)
		// A busy machine may need more time to reach the purpose of the run.
		for least := max(fault.least, 1); fault.inject != nil && f.faults.Load() < least || f.source.lacks() != ""; {
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
		time.Sleep(historyHold + historyMaxDisconnected + historySlack)
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

// awake excludes the answers of the victim's L1 between the continuation of a stopped
// process and the run of its timers: avoiding them would take a clock read per hit. See
// docs/guarantees.md.
func (f *fleet) awake(ops []history.Op) []history.Op {
	const moment = 20 * time.Millisecond
	return slices.DeleteFunc(ops, func(o history.Op) bool {
		return o.Kind == history.Get && slices.ContainsFunc(f.woken, func(at time.Duration) bool {
			return o.Process == f.victim().number && o.Call >= at-moment && o.Call < at+moment
		})
	})
}

// sum adds up the counters of the processes that were not killed.
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
		c.Revalidated += m.counts.Revalidated
		c.Refused += m.counts.Refused
		c.Retried += m.counts.Retried
		c.Replayed += m.counts.Replayed
		c.Refreshes += m.counts.Refreshes
		c.NotModified += m.counts.NotModified
	}
	return c
}

// pause waits for a random time. It returns false if ctx ends.
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

// errNoFault means that the fault did not occur this time.
var errNoFault = fmt.Errorf("no fault")

// times repeats do.
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
