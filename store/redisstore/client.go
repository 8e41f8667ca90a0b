package redisstore

import (
	"context"
	"fmt"
	"strings"

	"github.com/lokroom/strata/store"
	"github.com/lokroom/strata/store/redisstore/internal/heartbeat"
	"github.com/lokroom/strata/store/redisstore/internal/link"
	"github.com/lokroom/strata/store/redisstore/internal/notify"
	"github.com/lokroom/strata/store/redisstore/internal/script"
	"github.com/lokroom/strata/store/redisstore/internal/tagclock"
	"github.com/redis/rueidis"
)

// A Client is a connection to Redis that any number of stores share. [Dial] returns one. It is
// safe for concurrent use.
type Client struct {
	link      *link.Link
	watchers  notify.Fanout
	heartbeat *heartbeat.Heartbeat
	tags      allTags
	undo      *script.UndoQueue
	writer    *script.Writer
	announcer *announcer // nil without PubSub
	rights    rights
}

// Close closes the connections after running operations have ended, which takes their timeouts at
// most. Later calls of the client and its stores return ErrClosed. Closing twice does nothing.
func (c *Client) Close() {
	c.heartbeat.Stop()
	c.undo.Stop()
	for _, t := range c.tags.list() {
		t.Stop()
	}
	c.link.Close()
	c.announcer.stop()
	c.writer.Stop()
	c.link.Deadlines.Stop()
}

// Ping returns nil if Redis answers on both connections, if the user has the rights that
// stores need, and, in a cluster, if the cluster can serve. If the user lacks rights, the
// error is [store.ErrAuth] and names the server and what to grant: commands, and the prefixes of
// the keys of the stores and [Tags] that c has. A command that the server does not have is
// errors.ErrUnsupported. Ping changes nothing: it sends the commands of stores for keys that
// do not exist, with such a prefix and "rights".
func (c *Client) Ping(ctx context.Context) error {
	call, cancel := c.link.Deadlines.Begin(ctx)
	defer cancel()
	if err := c.ping(call); err != nil {
		return &store.Error{Store: link.StoreName, Op: "ping", Err: c.link.Cause(ctx, err)}
	}
	return nil
}

func (c *Client) ping(ctx context.Context) error {
	l, err := c.link.Connected(ctx)
	if err != nil {
		return err
	}
	for _, r := range []rueidis.Client{l.T, l.W} { // the check reports a denial, with all others
		if err := r.Do(ctx, r.B().Ping().Build()).Error(); err != nil && !link.IsDenied(err) && !(c.link.MaxStale > 0 && link.Lacks(err)) {
			return err
		}
	}
	if err := c.rights.check(ctx, l, nil); err != nil || l.W.Mode() != rueidis.ClientModeCluster {
		return err
	}
	info, err := l.W.Do(ctx, l.W.B().ClusterInfo().Build()).ToString()
	if link.IsDenied(err) || c.link.MaxStale > 0 && link.Lacks(err) { // CLUSTER INFO is optional
		return nil
	}
	if err == nil && !strings.Contains(info, "cluster_state:ok") {
		err = fmt.Errorf("%w: the cluster is not ok", store.ErrUnavailable)
	}
	return err
}

// NewTags returns the tags of c with keys that begin with prefix. A second call with the same
// prefix returns the same Tags. Closing c ends them.
func NewTags(c *Client, prefix string) *Tags {
	c.heartbeat.Offer(prefix)
	c.tags.mu.Lock()
	defer c.tags.mu.Unlock()
	if t := c.tags.all[prefix]; t != nil {
		return t
	}
	t := &Tags{tagclock.New(c.link, &c.watchers, c.heartbeat, c.writer, prefix)}
	if c.tags.all == nil {
		c.tags.all = make(map[string]*Tags)
	}
	c.tags.all[prefix] = t
	c.rights.use(prefix)
	return t
}
