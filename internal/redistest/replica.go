package redistest

import (
	"errors"
	"fmt"
	"strconv"
	"testing"
)

// StartReplica starts a replica of primary, over TLS with its certificate if primary uses TLS.
// The replica ends with the test. It returns when the replica follows.
func StartReplica(t testing.TB, primary *Server) *Server {
	t.Helper()
	s, err := NewReplica(primary)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { finish(t, s) })
	return s
}

// NewReplica starts a replica of primary. The caller closes it.
func NewReplica(primary *Server) (*Server, error) {
	o := &Options{
		Password: primary.password,
		Config:   []string{fmt.Sprintf("replicaof 127.0.0.1 %d", primary.Port())},
	}
	if primary.tls != nil {
		o.TLS, o.Dir, o.Config = true, primary.dir, append(o.Config, "dbfilename replica.rdb")
	}
	s, err := New(o)
	if err != nil {
		return nil, err
	}
	if err := s.waitFollowing(primary); err != nil {
		s.Close()
		return nil, err
	}
	return s, nil
}

// waitFollowing waits until the replica follows and all replicas of primary have confirmed
// a write: a replica that has just synchronized does so only after a second.
func (s *Server) waitFollowing(primary *Server) error {
	return waitFor("the replica to follow", func() bool {
		info, err := s.Info("replication")
		if err != nil || info["role"] != "slave" || info["master_link_status"] != "up" {
			return false
		}
		if info, err = primary.Info("replication"); err != nil || primary.touch() != nil {
			return false
		}
		n, err := primary.Do("WAIT", info["connected_slaves"], 100)
		return err == nil && fmt.Sprint(n) == info["connected_slaves"]
	})
}

// touch makes a write without effect. A node of a cluster accepts only keys of its slots.
func (s *Server) touch() error {
	key := "redistest"
	if slot, ok := s.anySlot(); ok {
		key += HashTag(slot)
	}
	if _, err := s.Do("SET", key, ""); err != nil {
		return err
	}
	_, err := s.Do("DEL", key)
	return err
}

// anySlot returns a slot that this node of a cluster serves.
func (s *Server) anySlot() (slot int, ok bool) {
	list, err := s.Do("CLUSTER", "SLOTS")
	if err != nil { // it is not in a cluster
		return 0, false
	}
	eachRange(list, func(first, last, port int) {
		if port == s.port {
			slot, ok = first, true
		}
	})
	return slot, ok
}

// eachRange calls f with each range of slots of a reply to CLUSTER SLOTS.
func eachRange(list any, f func(first, last, port int)) {
	ranges, _ := list.([]any)
	for _, r := range ranges {
		if fields, _ := r.([]any); len(fields) >= 3 {
			first, _ := fields[0].(int64)
			last, _ := fields[1].(int64)
			if node, _ := fields[2].([]any); len(node) > 1 {
				port, _ := node[1].(int64)
				f(int(first), int(last), int(port))
			}
		}
	}
}

// HashTag returns a hash tag with braces that puts a key into slot.
func HashTag(slot int) string {
	for i := 0; ; i++ {
		if tag := fmt.Sprint(i); hashSlot(tag) == slot {
			return "{" + tag + "}"
		}
	}
}

// hashSlot returns the slot of a key without a hash tag: its CRC16 (XMODEM).
func hashSlot(key string) int {
	var crc uint16
	for _, b := range []byte(key) {
		crc ^= uint16(b) << 8
		for range 8 {
			carry := crc & 0x8000
			crc <<= 1
			if carry != 0 {
				crc ^= 0x1021
			}
		}
	}
	return int(crc) % slots
}

// CaughtUp waits until a replica has made all writes that its primary had made when CaughtUp
// was called. After a full synchronization that takes up to a second, although the link is
// up: the primary sends no writes until the replica has confirmed the data.
func (s *Server) CaughtUp(primary *Server) error {
	of, err := primary.Info("replication")
	if err != nil {
		return err
	}
	want, err := strconv.ParseInt(of["master_repl_offset"], 10, 64)
	if err != nil {
		return err
	}
	return waitFor("the replica to catch up", func() bool {
		info, err := s.Info("replication")
		if err != nil || info["master_link_status"] != "up" {
			return false
		}
		has, err := strconv.ParseInt(info["slave_repl_offset"], 10, 64)
		return err == nil && has >= want
	})
}

// Detach disconnects a replica from its primary: it has all writes that precede, and no
// write that follows reaches it. The server still considers itself a replica, and tries to
// follow.
func (s *Server) Detach(primary *Server) error {
	if err := s.CaughtUp(primary); err != nil {
		return err
	}
	for _, set := range [][]any{{"masteruser", "nobody"}, {"masterauth", "nothing"}} { // with wrong credentials
		if _, err := s.Do("CONFIG", "SET", set[0], set[1]); err != nil {
			return err
		}
	}
	if _, err := primary.Do("CLIENT", "KILL", "TYPE", "replica"); err != nil {
		return err
	}
	return waitFor("the link to break", func() bool {
		info, err := s.Info("replication")
		return err == nil && info["master_link_status"] == "down"
	})
}

// Attach undoes Detach and returns when the replica follows.
func (s *Server) Attach(primary *Server) error {
	return errors.Join(s.Reattach(), s.waitFollowing(primary))
}

// Reattach undoes Detach for a replica that may have become a primary.
func (s *Server) Reattach() error {
	for _, set := range [][]any{{"masteruser", ""}, {"masterauth", s.password}} {
		if _, err := s.Do("CONFIG", "SET", set[0], set[1]); err != nil {
			return err
		}
	}
	return nil
}

// Promote makes a replica an independent primary.
func (s *Server) Promote() error {
	_, err := s.Do("REPLICAOF", "NO", "ONE")
	return err
}
