package redistest

import (
	"errors"
	"fmt"
	"testing"
)

// StartReplica starts a replica of primary, which must not speak TLS, that ends with
// the test. It returns when the replica follows.
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
	s, err := New(&Options{
		Password: primary.password,
		Config:   []string{fmt.Sprintf("replicaof 127.0.0.1 %d", primary.Port())},
	})
	if err != nil {
		return nil, err
	}
	if err := s.waitFollowing(primary); err != nil {
		s.Close()
		return nil, err
	}
	return s, nil
}

// waitFollowing waits until the replica follows, and all of the primary have confirmed
// a write: one that has just synchronized does so only after a second.
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

// touch writes and leaves nothing behind. A node of a cluster takes only keys of its
// own slots.
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
	if err != nil { // it belongs to no cluster
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

// HashTag returns a hash tag, braces included, that puts a key into slot.
func HashTag(slot int) string {
	for i := 0; ; i++ {
		if tag := fmt.Sprint(i); hashSlot(tag) == slot {
			return "{" + tag + "}"
		}
	}
}

// hashSlot is the slot of a key without a hash tag: its CRC16 (XMODEM).
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

// Detach makes a replica lose sight of its primary: nothing that is written after it
// has returned reaches it. It still takes itself for a replica, and tries to follow.
func (s *Server) Detach(primary *Server) error {
	for _, set := range [][]any{{"masteruser", "nobody"}, {"masterauth", "nothing"}} { // it is refused from now on
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

// Reattach undoes Detach for a replica that may be a primary by now.
func (s *Server) Reattach() error {
	for _, set := range [][]any{{"masteruser", ""}, {"masterauth", s.password}} {
		if _, err := s.Do("CONFIG", "SET", set[0], set[1]); err != nil {
			return err
		}
	}
	return nil
}

// Promote makes a replica a primary of its own.
func (s *Server) Promote() error {
	_, err := s.Do("REPLICAOF", "NO", "ONE")
	return err
}
