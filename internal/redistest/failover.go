package redistest

import "time"

// Failover makes a replica the primary in an orderly way (CLUSTER FAILOVER), and returns
// when it is. The other nodes accept the next failover of the same pair once they know of
// this one, and twice cluster-node-timeout later.
func (s *Server) Failover() error { return s.failover() }

func (s *Server) failover(how ...any) error {
	var asked time.Time
	return waitFor("the failover", func() bool {
		if time.Since(asked) > 300*time.Millisecond { // rejections are silent
			s.Do(append([]any{"CLUSTER", "FAILOVER"}, how...)...)
			asked = time.Now()
		}
		return s.IsPrimary()
	})
}

// ForceFailover makes a replica the primary without the old one, which may be running and
// have newer data (CLUSTER FAILOVER FORCE), and returns when it is. See Failover.
func (s *Server) ForceFailover() error { return s.failover("FORCE") }

// TakeOver makes a replica the primary, in any state of the old one.
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

// Follows waits until the server is a replica with all data of its primary.
func (s *Server) Follows() error {
	return waitFor("the replica to follow", func() bool { return s.IsFollowing() })
}

// Demoted waits until the server is no longer a primary.
func (s *Server) Demoted() error {
	return waitFor("the primary to become a replica", func() bool {
		info, err := s.Info("replication")
		return err == nil && info["role"] == "slave"
	})
}

// IsPrimary reports whether the server considers itself a primary.
func (s *Server) IsPrimary() bool {
	info, err := s.Info("replication")
	return err == nil && info["role"] == "master"
}

// IsFollowing reports whether the server is a replica with all data of its primary.
func (s *Server) IsFollowing() bool {
	info, err := s.Info("replication")
	return err == nil && info["role"] == "slave" && info["master_link_status"] == "up"
}
