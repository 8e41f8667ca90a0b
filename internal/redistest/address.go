package redistest

import "testing"

// An Address leads to the primary of a pair of servers, like a DNS name or a virtual IP
// address. After a failover it leads to the other server.
type Address struct {
	*Proxy // clients connect to it

	primary, replica *Server
}

// StartAddress starts a primary, its replica, and an address that leads to the primary. All
// end with the test.
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
	if err := a.replica.CaughtUp(a.primary); err != nil {
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
