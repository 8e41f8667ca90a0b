package redistest

import (
	"errors"
	"fmt"
	"slices"
	"testing"
)

// MasterSet is the name of the primary for sentinels.
const MasterSet = "strata"

// A SentinelSet is a primary with one replica, monitored by three sentinels with a quorum
// of two (within about a second).
type SentinelSet struct {
	Primary   *Server // at the start; Current returns the current one
	Replica   *Server
	Sentinels []*Server
}

// StartSentinel starts a set that ends with the test.
func StartSentinel(t testing.TB) *SentinelSet {
	t.Helper()
	s, err := NewSentinel()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { finish(t, s.all()...) })
	return s
}

// NewSentinel starts a set and returns when replica and sentinels know each
// other. The caller closes it.
func NewSentinel() (*SentinelSet, error) {
	s := &SentinelSet{}
	if err := s.build(); err != nil {
		s.Close()
		return nil, err
	}
	return s, nil
}

func (s *SentinelSet) build() (err error) {
	if s.Primary, err = New(nil); err != nil {
		return err
	}
	if s.Replica, err = NewReplica(s.Primary); err != nil {
		return err
	}
	conf := []string{
		fmt.Sprintf("sentinel monitor %s 127.0.0.1 %d 2", MasterSet, s.Primary.Port()),
		fmt.Sprintf("sentinel down-after-milliseconds %s 1000", MasterSet),
		fmt.Sprintf("sentinel failover-timeout %s 5000", MasterSet),
	}
	for range 3 {
		sentinel, err := start(&Options{Config: conf}, []string{"--sentinel"})
		if err != nil {
			return err
		}
		s.Sentinels = append(s.Sentinels, sentinel)
	}
	return waitFor("the sentinels to know each other", func() bool {
		for _, sentinel := range s.Sentinels {
			m, err := masterState(sentinel)
			if err != nil || m["num-other-sentinels"] != "2" || m["num-slaves"] != "1" || m["flags"] != "master" {
				return false
			}
		}
		return true
	})
}

// StartSentinelTLS starts one sentinel that monitors a primary, both over TLS with one
// certificate. Both end with the test. It is for connections, not for failovers.
func StartSentinelTLS(t testing.TB) (primary, sentinel *Server) {
	t.Helper()
	dir := t.TempDir()
	primary = Start(t, &Options{TLS: true, Dir: dir})
	sentinel, err := start(&Options{TLS: true, Dir: dir, Config: []string{
		fmt.Sprintf("sentinel monitor %s 127.0.0.1 %d 1", MasterSet, primary.Port()),
	}}, []string{"--sentinel"})
	if err == nil {
		t.Cleanup(func() { finish(t, sentinel) })
		err = waitFor("the sentinel to know the primary", func() bool {
			m, err := masterState(sentinel)
			return err == nil && m["flags"] == "master"
		})
	}
	if err != nil {
		t.Fatal(err)
	}
	return primary, sentinel
}

// masterState returns the view of a sentinel of the primary.
func masterState(sentinel *Server) (map[string]string, error) {
	reply, err := sentinel.Do("SENTINEL", "MASTER", MasterSet)
	if err != nil {
		return nil, err
	}
	list, _ := reply.([]any)
	m := map[string]string{}
	for i := 0; i+1 < len(list); i += 2 {
		m[fmt.Sprint(list[i])] = fmt.Sprint(list[i+1])
	}
	return m, nil
}

// Addrs returns the addresses of the sentinels.
func (s *SentinelSet) Addrs() []string {
	addrs := make([]string, len(s.Sentinels))
	for i, sentinel := range s.Sentinels {
		addrs[i] = sentinel.Addr()
	}
	return addrs
}

// Current returns the server that reports that it is a primary. During a failover there may
// be none, which is an error.
func (s *SentinelSet) Current() (*Server, error) {
	for _, server := range []*Server{s.Replica, s.Primary} {
		if info, err := server.Info("replication"); err == nil && info["role"] == "master" {
			return server, nil
		}
	}
	return nil, errors.New("redistest: no primary at the moment")
}

// Other returns the other server of the two.
func (s *SentinelSet) Other(server *Server) *Server {
	if server == s.Primary {
		return s.Replica
	}
	return s.Primary
}

// Announced waits until all sentinels report server as the primary.
func (s *SentinelSet) Announced(server *Server) error {
	return waitFor("the sentinels to announce the primary", func() bool {
		return !slices.ContainsFunc(s.Sentinels, func(sentinel *Server) bool {
			addr, err := sentinel.Do("SENTINEL", "GET-MASTER-ADDR-BY-NAME", MasterSet)
			return err != nil || fmt.Sprint(addr) != fmt.Sprintf("[127.0.0.1 %d]", server.Port())
		})
	})
}

// Close kills all processes of the set.
func (s *SentinelSet) Close() {
	for _, server := range s.all() {
		server.Close()
	}
}

func (s *SentinelSet) all() (all []*Server) {
	all = append(all, s.Sentinels...) // first, so that they see no failover
	for _, server := range []*Server{s.Replica, s.Primary} {
		if server != nil {
			all = append(all, server)
		}
	}
	return all
}
