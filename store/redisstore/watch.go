package redisstore

import (
	"github.com/lokroom/strata/store"
	"github.com/lokroom/strata/store/redisstore/internal/notify"
)

// Watch notifies w as [store.Watcher] describes it. Changed gets the keys that have the prefix of
// the store, without the prefix. It runs on the goroutine that reads from Redis, which reads no
// reply until Changed returns. If the client has a [Dialer].Broadcast that does not cover the
// store or its tags, Watch returns an error. Such a store cannot read.
//
// Connected is called with false when Redis, or one primary of a cluster, has not answered for
// [Dialer].MaxDisconnected.
//
// RolledBack is called when the master_replid of a primary differs from that of the last
// heartbeat. It changes with every start and every promotion, which may lose writes. It also
// changes, without a loss, when a primary gets its first replica or has had none for an hour.
// RolledBack is also called after SWAPDB and DEBUG, which may bring back older data. If a primary
// of a cluster is replaced while it still answers, the next heartbeat notices, at most a quarter
// of [Dialer].MaxDisconnected later. Without heartbeats, or without the right to INFO, nothing
// does.
//
// The heartbeat of the client runs while there are watchers with Connected or RolledBack.
func (s *view) Watch(w store.Watching) (stop func(), err error) {
	if s.blind != nil {
		return nil, s.blind
	}
	stopChanged, stopHeartbeat := func() {}, func() {}
	if w.Changed != nil {
		stopChanged = s.client.watchers.Watch(s.prefix, s, w.Changed)
	}
	if rolledBack := w.RolledBack; rolledBack != nil {
		w.RolledBack = func() {
			s.tags.Lost()
			rolledBack()
		}
	}
	if w.Connected != nil || w.RolledBack != nil {
		stopHeartbeat = s.client.heartbeat.Listen(notify.NewListener(w.Connected, w.RolledBack), s.tags.Prefix)
	}
	return func() {
		stopChanged()
		stopHeartbeat()
	}, nil
}

// pushed passes on which keys were changed.
func (c *Client) pushed(keys []string) {
	c.heartbeat.Pushed(keys)
	c.watchers.Changed(keys, nil)
}
