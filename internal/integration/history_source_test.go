package integration_test

import (
	"net"
	"net/rpc"
	"sync"
	"testing"

	"github.com/lokroom/strata/internal/history"
)

// A Row is what the fleet reads: a version of a key, and who committed it.
type Row struct {
	Key     string
	Version int64
	Writer  int
}

// A RowCall is a process's call to the source.
type RowCall struct {
	Key       string
	Process   int
	Goroutine int
}

// A historySource is the database of a fleet: rows whose versions are made one after
// the other, served to other processes. It writes down its commits itself, so that
// those of a process that is killed are known too.
type historySource struct {
	listener net.Listener
	wg       sync.WaitGroup

	mu    sync.Mutex
	rows  map[string]Row
	log   *history.Log
	conns []net.Conn
	held  map[int]chan struct{} // by process; closed when a load of it is held
	end   chan struct{}         // releases what is held
}

func startSource(t *testing.T, log string) *historySource {
	t.Helper()
	s := &historySource{rows: map[string]Row{}, held: map[int]chan struct{}{}, end: make(chan struct{})}
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

// holdLoad makes the next load of a process wait for ever. The channel is closed
// when it does.
func (s *historySource) holdLoad(process int) <-chan struct{} {
	s.mu.Lock()
	defer s.mu.Unlock()
	c := make(chan struct{})
	s.held[process] = c
	return c
}

// sourceCalls are what other processes can call.
type sourceCalls struct{ s *historySource }

// Load reads a row. What was never committed has version 0.
func (c sourceCalls) Load(call RowCall, row *Row) error {
	c.s.mu.Lock()
	held := c.s.held[call.Process]
	delete(c.s.held, call.Process)
	*row = c.s.rows[call.Key]
	c.s.mu.Unlock()
	row.Key = call.Key
	if held != nil {
		close(held)
		<-c.s.end
	}
	return nil
}

// Commit makes the next version of a row.
func (c sourceCalls) Commit(call RowCall, row *Row) error {
	c.s.mu.Lock()
	defer c.s.mu.Unlock()
	o := history.Op{Kind: history.Commit, Tier: history.Source, Key: call.Key, Process: call.Process, Goroutine: call.Goroutine}
	o.Call = history.Now() // nobody can read it before
	*row = Row{Key: call.Key, Version: c.s.rows[call.Key].Version + 1, Writer: call.Process}
	c.s.rows[call.Key] = *row
	o.Return, o.Version = history.Now(), row.Version
	c.s.log.Add(o)
	return nil
}
