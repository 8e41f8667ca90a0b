package redisstore

import (
	"github.com/lokroom/strata/store"
	"github.com/lokroom/strata/store/redisstore/internal/notify"
)

// Watch notifies w as [store.Watcher] describes it. Changed is called with the keys that have
// the prefix of the store, without the prefix. It runs on the goroutine that reads from
// Redis: nothing is answered until it returns. The error is that of a client with
// [Dialer.Broadcast] that is not notified of changes of the store, or of its tags. Such a
// store cannot read.
//
// Connected is called with false when Redis, or one primary of a cluster, has not answered
// for the time that [Dialer.MaxDisconnected] allows.
//
// RolledBack is called when a primary reports another master_replid than at the last
// heartbeat. It has a new one after every start and every promotion; also when it gets its
// first replica, or has had none for an hour, and nothing is lost then. RolledBack is also
// called after SWAPDB and DEBUG, which may bring back older data. A primary of a cluster that
// is replaced while it still answers is noticed by the next heartbeat, a quarter of
// [Dialer.MaxDisconnected] later at most. Where there is no heartbeat, or INFO is not
// permitted, it is not noticed at all.
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
