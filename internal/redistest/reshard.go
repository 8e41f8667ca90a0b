package redistest

import (
	"cmp"
	"errors"
	"fmt"
	"slices"
	"strings"
)

// Move moves a hash slot with its keys to another node, as redis-cli --cluster
// reshard does. It calls between after each step, which may take its time: clients
// are sent from node to node meanwhile. Moves of a slot take turns. The epoch of the
// cluster grows only if the new owner did not have the greatest one already.
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
	for _, s := range []*Server{to, from} { // in this order: the slot is served throughout
		if _, err := s.Do("CLUSTER", "SETSLOT", slot, "NODE", id); err != nil {
			return err
		}
		between()
	}
	c.give(slot, slot, to)
	return nil
}

// MoveRange moves all slots from first to last with their keys to another node, one
// after the other. See [Cluster.Move].
func (c *Cluster) MoveRange(first, last int, to *Server, between func()) error {
	for slot := first; slot <= last; slot++ {
		if err := c.Move(slot, to, between); err != nil {
			return err
		}
	}
	return nil
}

// BeginMove does the first steps of Move: the slot is MIGRATING at its owner and
// IMPORTING at to, and its keys are still at the owner. It calls between after each.
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

// AtomicMigration is the command that [Cluster.MoveAtomically] needs, as
// [Server.Supports] takes it: Valkey 9 has it.
const AtomicMigration = "cluster|migrateslots"

// MoveAtomically moves the slots from first to last, which one node serves, to another
// node in one step (CLUSTER MIGRATESLOTS). The old owner deletes its keys, and pushes
// their invalidations, after the new one has begun to take writes.
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
	var state string
	err = waitFor("the migration", func() bool {
		list, err := from.Do("CLUSTER", "GETSLOTMIGRATIONS")
		state = migrationState(list)
		return err == nil && slices.Contains([]string{"success", "failed", "cancelled"}, state)
	})
	if err == nil && state != "success" {
		err = fmt.Errorf("redistest: migration of slots %d to %d: %s", first, last, state)
	}
	if err == nil {
		c.give(first, last, to)
	}
	return err
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

// claim makes a node, whose id is given, claim a slot, and tell the others at once.
func (c *Cluster) claim(slot int, to *Server, id any) error {
	if _, err := to.Do("CLUSTER", "SETSLOT", slot, "NODE", id); err != nil {
		return err
	}
	if _, err := to.Do("CLUSTER", "BUMPEPOCH"); err != nil { // else the old claim wins
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

// Seize makes a node claim a slot without its keys, as an operator does whose node is
// lost. The old owner drops its keys when it learns of the claim, which is when
// Seize returns; Redis 7.0 pushes no invalidations of them in the default tracking mode.
func (c *Cluster) Seize(slot int, to *Server) error {
	id, err := to.Do("CLUSTER", "MYID")
	if err != nil {
		return err
	}
	polls := 0
	var failed error
	err = waitFor("all nodes to accept the claim", func() bool {
		if polls++; polls%100 == 1 { // again: an epoch that the node did not know of may have won
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

// assigns reports whether this node takes owner for the one that serves slot.
func (s *Server) assigns(slot int, owner *Server) (yes bool) {
	list, err := s.Do("CLUSTER", "SLOTS")
	if err == nil {
		eachRange(list, func(first, last, port int) {
			yes = yes || first <= slot && slot <= last && port == owner.port
		})
	}
	return yes
}
