package redistest

import (
	"cmp"
	"errors"
	"fmt"
	"net"
	"slices"
	"strings"
	"time"
)

// Move moves a hash slot with its keys to another node, like redis-cli --cluster reshard.
// It calls between after each step, which may take time: clients are redirected meanwhile.
// Concurrent moves of a slot are serialized. The epoch of the cluster grows only if the new
// owner did not already have the greatest one.
func (c *Cluster) Move(slot int, to *Server, between func()) error {
	from := c.OwnerOf(slot)
	if from == to {
		return nil
	}
	if err := c.BeginMove(slot, to, between); err != nil {
		return err
	}
	if err := moveKeys(slot, from, to, between); err != nil {
		return err
	}
	id, err := to.Do("CLUSTER", "MYID")
	if err != nil {
		return err
	}
	for _, s := range []*Server{to, from} { // in this order, the slot is always served
		if _, err := s.Do("CLUSTER", "SETSLOT", slot, "NODE", id); err != nil {
			return err
		}
		between()
	}
	c.give(slot, slot, to)
	return nil
}

// MoveRange moves all slots from first to last with their keys to another node, one after
// the other. See [Cluster.Move].
func (c *Cluster) MoveRange(first, last int, to *Server, between func()) error {
	for slot := first; slot <= last; slot++ {
		if err := c.Move(slot, to, between); err != nil {
			return err
		}
	}
	return nil
}

// BeginMove does the first steps of Move: the slot is MIGRATING at its owner and IMPORTING
// at to, and its keys are still at the owner. It calls between after each step.
func (c *Cluster) BeginMove(slot int, to *Server, between func()) error {
	from := c.OwnerOf(slot)
	for _, step := range []struct {
		at, other *Server
		state     string
	}{{to, from, "IMPORTING"}, {from, to, "MIGRATING"}} {
		id, err := step.other.Do("CLUSTER", "MYID")
		if err != nil {
			return err
		}
		if _, err := step.at.Do("CLUSTER", "SETSLOT", slot, step.state, id); err != nil {
			return err
		}
		between()
	}
	return nil
}

// moveKeys moves the keys of a slot one by one until none are left.
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

// AtomicMigration is the command that [Cluster.MoveAtomically] requires, for
// [Server.Supports]: Valkey 9 has it.
const AtomicMigration = "cluster|migrateslots"

// MoveAtomically moves the slots from first to last, which one node serves, to another node
// in one step (CLUSTER MIGRATESLOTS). The old owner deletes its keys and pushes their
// invalidations after the new one accepts writes.
func (c *Cluster) MoveAtomically(first, last int, to *Server) error {
	from := c.OwnerOf(first)
	if from == to {
		return nil
	}
	id, err := to.Do("CLUSTER", "MYID")
	if err != nil {
		return err
	}
	if _, err := from.Do("CLUSTER", "MIGRATESLOTS", "SLOTSRANGE", first, last, "NODE", id); err != nil {
		return err
	}
	state := ""
	for !slices.Contains([]string{"success", "failed", "cancelled"}, state) { // the server gives up on what does not advance
		list, err := from.Do("CLUSTER", "GETSLOTMIGRATIONS")
		if slow := net.Error(nil); errors.As(err, &slow) && slow.Timeout() {
			continue // on a busy machine, a node that moves many keys may be silent for longer
		}
		if err != nil {
			return err
		}
		state = migrationState(list)
		time.Sleep(5 * time.Millisecond)
	}
	if state != "success" {
		return fmt.Errorf("redistest: migration of slots %d to %d: %s", first, last, state)
	}
	c.give(first, last, to)
	return nil
}

// migrationState returns the state of the newest migration, which is listed first.
func migrationState(list any) string {
	all, _ := list.([]any)
	if len(all) == 0 {
		return ""
	}
	fields, _ := all[0].([]any)
	for i := 0; i+1 < len(fields); i += 2 {
		if fields[i] == "state" {
			return fmt.Sprint(fields[i+1])
		}
	}
	return ""
}

// claim makes the node with the given id claim a slot and announce it.
func (c *Cluster) claim(slot int, to *Server, id any) error {
	if _, err := to.Do("CLUSTER", "SETSLOT", slot, "NODE", id); err != nil {
		return err
	}
	if _, err := to.Do("CLUSTER", "BUMPEPOCH"); err != nil { // otherwise the old claim wins
		return err
	}
	for _, s := range c.Nodes {
		if s == to {
			continue
		}
		if _, err := to.Do("CLUSTER", "MEET", "127.0.0.1", s.Port()); err != nil {
			return err
		}
	}
	return nil
}

// Seize makes a node claim a slot without its keys, like an operator after the loss of a
// node. The old owner drops its keys when it receives the claim; then Seize returns. Redis
// 7.0 pushes no invalidations of these keys in the default tracking mode.
func (c *Cluster) Seize(slot int, to *Server) error {
	id, err := to.Do("CLUSTER", "MYID")
	if err != nil {
		return err
	}
	polls := 0
	var failed error
	err = waitFor("all nodes to accept the claim", func() bool {
		if polls++; polls%100 == 1 { // repeat: an epoch unknown to the node may have won
			if failed = c.claim(slot, to, id); failed != nil {
				return true
			}
		}
		return !slices.ContainsFunc(c.Nodes, func(s *Server) bool { return !s.assigns(slot, to) })
	})
	if err = cmp.Or(failed, err); err == nil {
		c.give(slot, slot, to)
	}
	return err
}

// Lose kills a primary with its data and makes another serve its slots, like an operator
// without a replica. The other nodes serve all slots again when Lose returns.
func (c *Cluster) Lose(lost, to *Server) error {
	first, last := slots, -1
	for slot := range slots {
		if c.OwnerOf(slot) == lost {
			first, last = min(first, slot), slot
		}
	}
	lost.Kill()
	others := slices.DeleteFunc(slices.Clone(c.Nodes), func(s *Server) bool { return s == lost })
	for _, s := range others {
		if _, err := s.Do("CLUSTER", "DELSLOTSRANGE", first, last); err != nil {
			return err
		}
	}
	if _, err := to.Do("CLUSTER", "ADDSLOTSRANGE", first, last); err != nil {
		return err
	}
	c.give(first, last, to)
	return waitFor("the others to serve all slots", func() bool {
		return !slices.ContainsFunc(others, func(s *Server) bool { return !s.assigns(first, to) || !s.clusterOK(len(c.all())) })
	})
}

// assigns reports whether this node considers owner the server of slot.
func (s *Server) assigns(slot int, owner *Server) (yes bool) {
	list, err := s.Do("CLUSTER", "SLOTS")
	if err == nil {
		eachRange(list, func(first, last, port int) {
			yes = yes || first <= slot && slot <= last && port == owner.port
		})
	}
	return yes
}
