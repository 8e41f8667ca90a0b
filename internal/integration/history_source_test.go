package integration_test

import (
	"errors"
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

// A Row is what the fleet reads: a version of a key, and who committed it.
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
	Held      bool          // a commit in a bracket
	Until     time.Duration // whose hold ends then: the source commits nothing after it
}

// A historySource is the database of a fleet: rows whose versions are made one after
// the other, served to other processes. It writes down its commits itself, so that
// those of a process that is killed are known too.
type historySource struct {
	listener net.Listener
	wg       sync.WaitGroup
	lag      time.Duration // of the replicas that rows of histLagging are read from
	fails    atomic.Int32  // of a hundred loads
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
	end    chan struct{} // closed when the source is
}

// A historyRow is a version and when it was committed.
type historyRow struct {
	Row
	at time.Duration
}

// A sourceStop is where the source holds up a process: at its next load, which has
// read then, or at its next commit of a key that somebody has read.
type sourceStop struct {
	load   bool
	held   bool          // a commit in a bracket; else one in none
	before bool          // it is committed when it goes on; else it is
	there  chan struct{} // closed when the process is
	goOn   chan struct{} // to be closed
}

func startSource(t *testing.T, log string, lag time.Duration) *historySource {
	t.Helper()
	s := &historySource{
		rows: map[string][]historyRow{}, loaded: map[string]int64{}, stops: map[int]*sourceStop{}, tokens: map[string]TokenLeft{}, end: make(chan struct{}),
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

// close ends the source and its log. It may be called again.
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

// busy reports whether enough was done for a history to tell something.
func (s *historySource) busy() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.loads >= 100 && s.made >= 50
}

// stop holds a process up until goOn of the stop is closed.
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

// newest returns the newest row. What was never committed has version 0.
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

var errSourceFails = errors.New("the source fails")

// Load reads a row. Now and then it fails, but not where it is to be stopped.
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
	o.Call = history.Now() // nobody can read it before
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
