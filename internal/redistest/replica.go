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
func (s *Server) touch() (err error) {
	for i := range 1000 {
		key := fmt.Sprint("redistest:", i)
		if _, err = s.Do("SET", key, ""); err == nil {
			_, err = s.Do("DEL", key)
			return err
		}
	}
	return err
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
