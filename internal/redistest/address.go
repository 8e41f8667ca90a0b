package redistest

import "testing"

// An Address leads to the primary of a pair of servers, as a DNS name or a virtual IP
// address does. After a failover it leads to the other server.
type Address struct {
	*Proxy // what clients connect to

	primary, replica *Server
}

// StartAddress starts a primary, its replica, and an address that leads to the primary.
// All end with the test.
func StartAddress(t testing.TB) *Address {
	t.Helper()
	a := &Address{primary: Start(t, nil)}
	a.replica = StartReplica(t, a.primary)
	a.Proxy = StartProxy(t, a.primary.Addr())
	return a
}

// Primary returns the server that the address leads to.
func (a *Address) Primary() *Server { return a.primary }

// Failover swaps primary and replica in an orderly way, and returns when the old primary
// follows the new one. Nothing that was confirmed is lost. Connections to the old primary
// stay open; new ones lead to the new primary.
func (a *Address) Failover() error {
	// Without writes for a moment the replica has everything.
	if _, err := a.primary.Do("CLIENT", "PAUSE", doTimeout.Milliseconds(), "WRITE"); err != nil {
		return err
	}
	if err := a.replica.waitOffset(a.primary); err != nil {
		return err
	}
	if err := a.replica.Promote(); err != nil {
		return err
	}
	a.Redirect(a.replica.Addr())
	if _, err := a.primary.Do("REPLICAOF", "127.0.0.1", a.replica.Port()); err != nil {
		return err
	}
	if _, err := a.primary.Do("CLIENT", "UNPAUSE"); err != nil {
		return err
	}
	a.primary, a.replica = a.replica, a.primary
	return a.replica.Follows()
}

// waitOffset waits until the replica has everything that the primary has written.
func (s *Server) waitOffset(primary *Server) error {
	return waitFor("the replica to catch up", func() bool {
		of, err := primary.Info("replication")
		if err != nil {
			return false
		}
		info, err := s.Info("replication")
		return err == nil && info["master_link_status"] == "up" && info["slave_repl_offset"] == of["master_repl_offset"]
	})
}
