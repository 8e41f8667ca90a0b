package redistest

import (
	"errors"
	"fmt"
	"strings"
	"time"
)

// Move moves a hash slot with its keys to another node, as redis-cli --cluster
// reshard does. It calls between after each step, which may take its time: clients
// are sent from node to node meanwhile. Moves of a slot take turns.
func (c *Cluster) Move(slot int, to *Server, between func()) error {
	from := c.owner(slot)
	if from == to {
		return nil
	}
	ids := map[*Server]any{}
	for _, s := range []*Server{from, to} {
		id, err := s.Do("CLUSTER", "MYID")
		if err != nil {
			return err
		}
		ids[s] = id
	}
	if _, err := to.Do("CLUSTER", "SETSLOT", slot, "IMPORTING", ids[from]); err != nil {
		return err
	}
	between()
	if _, err := from.Do("CLUSTER", "SETSLOT", slot, "MIGRATING", ids[to]); err != nil {
		return err
	}
	between()
	if err := moveKeys(slot, from, to, between); err != nil {
		return err
	}
	for _, s := range []*Server{to, from} { // in this order: the slot is served throughout
		if _, err := s.Do("CLUSTER", "SETSLOT", slot, "NODE", ids[to]); err != nil {
			return err
		}
		between()
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.moved == nil {
		c.moved = map[int]*Server{}
	}
	c.moved[slot] = to
	return nil
}

// moveKeys moves the keys of a slot one by one until there are none.
func moveKeys(slot int, from, to *Server, between func()) error {
	for {
		reply, err := from.Do("CLUSTER", "GETKEYSINSLOT", slot, 100)
		if err != nil {
			return err
		}
		list, _ := reply.([]any)
		if len(list) == 0 {
			return nil
		}
		for _, key := range list {
			done, err := from.Do("MIGRATE", "127.0.0.1", to.Port(), key, 0, doTimeout.Milliseconds())
			if err != nil || !strings.Contains("OK NOKEY", fmt.Sprint(done)) {
				return errors.Join(err, fmt.Errorf("redistest: MIGRATE %v: %v", key, done))
			}
			between()
		}
	}
}

// Failover makes a replica the primary in an orderly way (CLUSTER FAILOVER), and
// returns when it is. The other nodes agree to the next one of the same pair when
// they have heard of this one, and twice cluster-node-timeout after it.
func (s *Server) Failover() error {
	var asked time.Time
	return waitFor("the failover", func() bool {
		if time.Since(asked) > 300*time.Millisecond { // what is refused is refused silently
			s.Do("CLUSTER", "FAILOVER")
			asked = time.Now()
		}
		return s.IsPrimary()
	})
}

// TakeOver makes a replica the primary, whatever has become of the old one.
func (s *Server) TakeOver() error {
	if _, err := s.Do("CLUSTER", "FAILOVER", "TAKEOVER"); err != nil {
		return err
	}
	return s.Promoted()
}

// Promoted waits until the server is a primary.
func (s *Server) Promoted() error {
	return waitFor("the replica to become a primary", func() bool { return s.IsPrimary() })
}

// Follows waits until the server is a replica that has what its primary has.
func (s *Server) Follows() error {
	return waitFor("the replica to follow", func() bool { return s.IsFollowing() })
}

// Demoted waits until the server is no primary any more.
func (s *Server) Demoted() error {
	return waitFor("the primary to become a replica", func() bool {
		info, err := s.Info("replication")
		return err == nil && info["role"] == "slave"
	})
}

// IsPrimary reports whether the server takes itself for a primary.
func (s *Server) IsPrimary() bool {
	info, err := s.Info("replication")
	return err == nil && info["role"] == "master"
}

// IsFollowing reports whether the server is a replica that has what its primary has.
func (s *Server) IsFollowing() bool {
	info, err := s.Info("replication")
	return err == nil && info["role"] == "slave" && info["master_link_status"] == "up"
}
