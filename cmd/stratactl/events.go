package main

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync/atomic"
	"time"

	"github.com/lokroom/strata/store"
	"github.com/lokroom/strata/store/redisstore"
)

// An event is a change that Redis has pushed.
type event struct {
	At    time.Time `json:"at"`
	What  string    `json:"what"` // changed, tag, clear, all, lost, connected or disconnected
	Cache string    `json:"cache,omitempty"`
	Key   string    `json:"key,omitempty"` // of an entry, or the name of a tag
}

func (e event) String() string {
	return fmt.Sprintf("%s  %-12s  %s", e.At.Format("15:04:05.000"), e.What, e.Key)
}

// events passes every change under the prefix to each, until it returns an error or ctx ends.
// errEnough ends it without an error. Where each is slower than changes come, an event "lost"
// says how many are left out.
func (t *tool) events(ctx context.Context, each func(event) error) error {
	if err := t.needURL(); err != nil {
		return err
	}
	d := redisstore.Dialer{Timeout: t.timeout, Broadcast: []string{t.prefix}}
	c, err := d.DialURLContext(ctx, t.url)
	if err != nil {
		return err
	}
	defer c.Close()
	found := make(chan event, 10_000)
	var lost atomic.Int64
	send := func(e event) {
		e.At = time.Now()
		select {
		case found <- e:
		default:
			lost.Add(1)
		}
	}
	// Keys of tags begin with "!" after the prefix: they are changes of another store.
	var was atomic.Bool // connected
	entries := redisstore.New(c, &redisstore.Options[struct{}]{Prefix: t.prefix, Tags: redisstore.NewTags(c, t.prefix+"!unused:")})
	stop, err := entries.Watch(store.Watching{
		Changed: func(iv store.Invalidation) { t.changed(iv, send) },
		Connected: func(ok bool) {
			if before := was.Swap(ok); ok {
				send(event{What: "connected"})
			} else if before {
				send(event{What: "disconnected"})
			}
		},
	})
	if err != nil {
		return err
	}
	defer stop()
	for {
		select {
		case e := <-found:
			if n := lost.Swap(0); n > 0 {
				send(event{What: "lost", Key: counted(n, "event", "events")})
			}
			if err := each(e); errors.Is(err, errEnough) {
				return nil
			} else if err != nil {
				return err
			}
		case <-ctx.Done():
			return nil
		}
	}
}

// changed makes events of an invalidation.
func (t *tool) changed(iv store.Invalidation, send func(event)) {
	if iv.All {
		send(event{What: "all"})
		return
	}
	for _, key := range iv.Keys {
		switch {
		case strings.HasPrefix(key, "!t:"):
			send(event{What: "tag", Key: key[len("!t:"):]})
		case strings.HasPrefix(key, "!c:"):
			send(event{What: "clear", Cache: t.cacheOf(key[len("!c:"):]), Key: key[len("!c:"):]})
		case strings.HasPrefix(key, "!"): // the clock and the heartbeat
		default:
			send(event{What: "changed", Cache: t.cacheOf(key), Key: t.prefix + key})
		}
	}
}
