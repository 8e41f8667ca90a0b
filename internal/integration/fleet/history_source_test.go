package fleet_test

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"net"
	"net/rpc"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/lokroom/strata/internal/history"
	"github.com/lokroom/strata/internal/redistest"
)

// A Row is a value of the fleet: a version of a key, and the process that committed it.
type Row struct {
	Key     string
	Version int64
	Writer  int
	Pad     string
}

// A RowCall is a process's call to the source.
type RowCall struct {
	Key       string
	Process   int
	Goroutine int
	Held      bool          // a commit with a write intent
	Until     time.Duration // end of its hold: the source rejects the commit later
}

// A historySource is the database of a fleet: rows with sequential versions, served to
// other processes. It logs its commits itself, so that those of killed processes are known.
type historySource struct {
	listener net.Listener
	wg       sync.WaitGroup
	lag      time.Duration // of the replicas for rows of histLagging
	fails    atomic.Int32  // percentage of failing loads
	roads    *historyRoads

	mu     sync.Mutex
	rows   map[string][]historyRow // every version
	loaded map[string]int64        // the newest version that was read
	loads  int
	made   int // commits
	log    *history.Log
	rand   *rand.Rand
	conns  []net.Conn
	stops  map[int]*sourceStop // by process
	tokens map[string]TokenLeft
	seen   map[int]RowsSeen // by process
	end    chan struct{}    // closed with the source
}

// A historyRow is a version and when it was committed.
type historyRow struct {
	Row
	at time.Duration
}

// A sourceStop is a point where the source stops a process: at its next load, after the
// read, or at its next commit of a key that was read.
type sourceStop struct {
	load   bool
	held   bool          // a commit with a write intent; otherwise one without
	before bool          // the commit happens when it continues; otherwise before
	there  chan struct{} // closed when the process has stopped
	goOn   chan struct{} // to be closed by the test
}

func startSource(t *testing.T, log string, lag time.Duration) *historySource {
	t.Helper()
	s := &historySource{
		rows: map[string][]historyRow{}, loaded: map[string]int64{}, stops: map[int]*sourceStop{}, tokens: map[string]TokenLeft{}, seen: map[int]RowsSeen{}, end: make(chan struct{}),
		lag: lag, roads: &historyRoads{t: t, to: map[string]*redistest.Proxy{}}, rand: rand.New(rand.NewPCG(historySeed, 1)),
	}
	s.fails.Store(1)
	var err error
	if s.log, err = history.Create(log); err != nil {
		t.Fatal(err)
	}
	if s.listener, err = net.Listen("tcp", "127.0.0.1:0"); err != nil {
		t.Fatal(err)
	}
	server := rpc.NewServer()
	if err := server.RegisterName("Source", sourceCalls{s}); err != nil {
		t.Fatal(err)
	}
	s.wg.Go(func() { s.accept(server) })
	t.Cleanup(func() { s.close(t) })
	return s
}

func (s *historySource) accept(server *rpc.Server) {
	for {
		c, err := s.listener.Accept()
		if err != nil {
			return
		}
		s.mu.Lock()
		s.conns = append(s.conns, c)
		s.mu.Unlock()
		s.wg.Go(func() { server.ServeConn(c) })
	}
}

// close ends the source and its log. It may be called more than once.
func (s *historySource) close(t *testing.T) {
	s.listener.Close()
	s.mu.Lock()
	select {
	case <-s.end:
		s.mu.Unlock()
		return
	default:
		close(s.end)
	}
	for _, c := range s.conns {
		c.Close()
	}
	s.mu.Unlock()
	s.wg.Wait()
	if err := s.log.Close(); err != nil {
		t.Error(err)
	}
}

// RowsSeen are the operations that a process has done so far.
type RowsSeen struct {
	Process        int
	L1Hits, L2Hits uint64
	Tagged         int64 // invalidations by tag or Clear
	Tokens         int64 // reads with a token
	Waits          int64 // writes that waited for every L1
}

// lacks returns what is missing for a meaningful history; "" if nothing is. A run goes on
// until then, because on a busy machine no time is enough by itself.
func (s *historySource) lacks() string {
	s.mu.Lock()
	defer s.mu.Unlock()
	var all RowsSeen
	for _, p := range s.seen {
		all.L1Hits += p.L1Hits
		all.L2Hits += p.L2Hits
		all.Tagged += p.Tagged
		all.Tokens += p.Tokens
		all.Waits += p.Waits
	}
	if s.loads < 100 || s.made < 50 || all.L1Hits < 200 || all.L2Hits < 50 || all.Tagged < 5 || all.Tokens < 1 || all.Waits < 2 {
		return fmt.Sprintf("%d loads, %d commits, %+v", s.loads, s.made, all)
	}
	return ""
}

// stop stops a process until goOn of the stop is closed.
func (s *historySource) stop(process int, where sourceStop) *sourceStop {
	s.mu.Lock()
	defer s.mu.Unlock()
	where.there, where.goOn = make(chan struct{}), make(chan struct{})
	s.stops[process] = &where
	return &where
}

// stopAt returns the stop of a process, if it is meant for this call.
func (s *historySource) stopAt(call *RowCall, load bool) *sourceStop {
	stop := s.stops[call.Process]
	if stop == nil || stop.load != load {
		return nil
	}
	if !load && (stop.held != call.Held || !strings.HasPrefix(call.Key, "own") || s.loaded[call.Key] < s.newest(call.Key).Version) {
		return nil
	}
	delete(s.stops, call.Process)
	return stop
}

// wait returns when the process may go on, or the source is closed.
func (s *historySource) wait(stop *sourceStop) {
	close(stop.there)
	select {
	case <-stop.goOn:
	case <-s.end:
	}
}

// newest returns the newest row; version 0 if none was committed.
func (s *historySource) newest(key string) Row {
	if rows := s.rows[key]; len(rows) > 0 {
		return rows[len(rows)-1].Row
	}
	return Row{Key: key}
}

// read returns a row as a replica has it.
func (s *historySource) read(key string) Row {
	if s.lag == 0 || !strings.HasPrefix(key, string(histLagging)) {
		return s.newest(key)
	}
	at := history.Now() - time.Duration(s.rand.Int64N(int64(s.lag)))
	for i := len(s.rows[key]) - 1; i >= 0; i-- {
		if r := s.rows[key][i]; r.at <= at {
			return r.Row
		}
	}
	return Row{Key: key}
}

// sourceCalls are what other processes can call.
type sourceCalls struct{ s *historySource }

// See tells how far a process is.
func (c sourceCalls) See(seen RowsSeen, _ *struct{}) error {
	c.s.mu.Lock()
	defer c.s.mu.Unlock()
	c.s.seen[seen.Process] = seen
	return nil
}

var errSourceFails = errors.New("the source fails")

// Load reads a row. It fails at random, but not at a stop.
func (c sourceCalls) Load(call RowCall, row *Row) error {
	c.s.mu.Lock()
	stop := c.s.stopAt(&call, true)
	*row = c.s.read(call.Key)
	c.s.loads++
	fails := stop == nil && c.s.rand.IntN(100) < int(c.s.fails.Load())
	c.s.loaded[call.Key] = max(c.s.loaded[call.Key], row.Version)
	c.s.mu.Unlock()
	if stop != nil {
		c.s.wait(stop)
	}
	if fails {
		return errSourceFails
	}
	return nil
}

var errTooLate = errors.New("the hold of the bracket is over, or the source is closed")

// Commit makes the next version of a row.
func (c sourceCalls) Commit(call RowCall, row *Row) error {
	c.s.mu.Lock()
	defer c.s.mu.Unlock()
	stop := c.s.stopAt(&call, false)
	if stop != nil && stop.before {
		c.s.mu.Unlock()
		c.s.wait(stop)
		c.s.mu.Lock()
	}
	select {
	case <-c.s.end:
		return errTooLate
	default:
	}
	o := history.Op{Kind: history.Commit, Tier: history.Source, Key: call.Key, Process: call.Process, Goroutine: call.Goroutine, Held: call.Held}
	o.Call = history.Now() // no process can read it before
	if call.Held && o.Call > call.Until {
		return errTooLate
	}
	*row = Row{Key: call.Key, Version: c.s.newest(call.Key).Version + 1, Writer: call.Process}
	o.Return, o.Version = history.Now(), row.Version
	c.s.rows[call.Key] = append(c.s.rows[call.Key], historyRow{*row, o.Return})
	c.s.made++
	c.s.log.Add(o)
	if stop != nil && !stop.before {
		c.s.mu.Unlock()
		c.s.wait(stop)
		c.s.mu.Lock()
	}
	return nil
}
