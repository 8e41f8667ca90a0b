package link

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"time"

	"github.com/lokroom/strata/internal/redisdial"
	"github.com/lokroom/strata/store"
	"github.com/redis/rueidis"
)

// This file connects to replicas, and finds those that sentinels and clusters name.

var (
	errNoReplicaAddress = errors.New("ReadReplicas with one server requires the addresses of its replicas: replica=HOST:PORT in the URL, or rueidis.ClientOption.Standalone.ReplicaAddress")
	errReplicaAddress   = errors.New("a cluster names its replicas: remove replica from the URL, or rueidis.ClientOption.Standalone.ReplicaAddress")
)

// CheckReplicas returns an error if the servers of w need the addresses of replicas and addrs
// is empty, or need none.
func CheckReplicas(w rueidis.Client, addrs []string) error {
	one := w.Mode() == rueidis.ClientModeStandalone
	switch {
	case one && len(addrs) == 0:
		return Own(errNoReplicaAddress)
	case !one && len(addrs) > 0:
		return Own(errReplicaAddress)
	}
	return nil
}

// dial connects to the replicas of opt. In a cluster it returns an error if the user may not
// send READONLY: rueidis ignores that, and each read would be redirected to the primary.
func (r *Replicas) dial(opt *rueidis.ClientOption) (rueidis.Client, error) {
	client, err := rueidis.NewClient(*opt)
	if err != nil {
		CloseClient(client)
		return nil, err
	}
	if client.Mode() != rueidis.ClientModeCluster {
		return client, nil
	}
	ctx, cancel := r.link.Deadlines.Begin(r.link.Life)
	defer cancel()
	for _, node := range client.Nodes() {
		if err := node.Do(ctx, node.B().Readonly().Build()).Error(); IsDenied(err) {
			client.Close()
			return nil, err
		}
	}
	return client, nil
}

// replicaCause returns why a replica could not be used.
func replicaCause(err error) error {
	var reply *rueidis.RedisError
	switch {
	case errors.As(err, &reply):
		return ReplyCause(reply.Error(), err)
	case isTimeout(err):
		return ErrTimeout
	}
	return err
}

// DialReplica connects to one replica, for [Link] users that look at it. The caller closes the
// client.
func (c *Link) DialReplica(ctx context.Context, addr string) (rueidis.Client, error) {
	opt := c.Opt
	opt.InitAddress, opt.Sentinel = []string{addr}, rueidis.SentinelOption{}
	client, err := c.dialOne(ctx, opt)
	if err != nil {
		return nil, redisdial.Explain(&opt, err, c.causeOf(ctx, err))
	}
	return client, nil
}

// dialOne connects to the server of opt.
func (c *Link) dialOne(ctx context.Context, opt rueidis.ClientOption) (rueidis.Client, error) {
	opt.ForceSingleClient, opt.DisableCache, opt.AlwaysPipelining = true, true, true
	opt.DialCtxFn = c.Dial
	type dialled struct {
		client rueidis.Client
		err    error
	}
	done := make(chan dialled, 1)
	go func() {
		client, err := rueidis.NewClient(opt)
		if err != nil {
			CloseClient(client)
		}
		done <- dialled{client, err}
	}()
	select {
	case d := <-done:
		return d.client, d.err
	case <-ctx.Done():
		go func() {
			if d := <-done; d.err == nil {
				d.client.Close()
			}
		}()
		return nil, ctx.Err()
	}
}

// ReplicaAddrs returns the addresses of the replicas of each primary that sentinels, or the nodes
// of a cluster, name. The primary behind sentinels is "".
func (c *Link) ReplicaAddrs(ctx context.Context, w rueidis.Client) (map[string][]string, error) {
	if w.Mode() == rueidis.ClientModeCluster {
		return c.clusterReplicas(ctx, w)
	}
	err := fmt.Errorf("%w: no sentinel", store.ErrUnavailable)
	for _, addr := range c.Opt.InitAddress {
		var addrs []string
		if addrs, err = c.sentinelReplicas(ctx, addr); err == nil {
			return map[string][]string{"": addrs}, nil
		}
	}
	return nil, err
}

func (c *Link) clusterReplicas(ctx context.Context, w rueidis.Client) (map[string][]string, error) {
	err := fmt.Errorf("%w: %w", store.ErrUnavailable, errNoHost)
	for addr, node := range w.Nodes() {
		call, cancel := c.Deadlines.Begin(ctx)
		var all map[string][]string
		all, err = replicasOf(c.Canonical(addr), node.Do(call, node.B().ClusterSlots().Build()))
		cancel()
		if err == nil || ctx.Err() != nil {
			return all, err
		}
	}
	return nil, err
}

// replicasOf reads the replicas from the reply to CLUSTER SLOTS of the node at addr.
func replicasOf(addr string, r rueidis.RedisResult) (map[string][]string, error) {
	reply, err := r.ToArray()
	if err != nil {
		return nil, err
	}
	all := make(map[string][]string)
	for _, r := range reply {
		part, err := r.ToArray()
		if err != nil || len(part) < 3 {
			return nil, ErrBadReply
		}
		primary := ""
		for i := range part[2:] {
			node, err := nodeAddr(addr, &part[2+i])
			if err != nil {
				return nil, err
			}
			if i == 0 {
				primary = node
				all[primary] = slices.Clip(all[primary])
			} else if !slices.Contains(all[primary], node) {
				all[primary] = append(all[primary], node)
			}
		}
	}
	return all, nil
}

// sentinelReplicas asks the sentinel at addr.
func (c *Link) sentinelReplicas(ctx context.Context, addr string) ([]string, error) {
	of := &c.Opt.Sentinel
	sentinel, err := c.dialOne(ctx, rueidis.ClientOption{
		InitAddress: []string{addr}, Dialer: of.Dialer, TLSConfig: of.TLSConfig, Username: of.Username, Password: of.Password, ClientName: of.ClientName,
		ConnWriteTimeout: c.Opt.ConnWriteTimeout, ClientSetInfo: c.Opt.ClientSetInfo,
	})
	if err != nil {
		return nil, err
	}
	defer sentinel.Close()
	call, cancel := c.Deadlines.Begin(ctx)
	defer cancel()
	reply, err := sentinel.Do(call, sentinel.B().SentinelReplicas().Master(of.MasterSet).Build()).ToArray()
	if err != nil {
		return nil, err
	}
	found := make(map[string]bool)
	for i := range reply {
		m, err := reply[i].AsStrMap()
		if err != nil {
			return nil, err
		}
		found[redisdial.WithHost(&c.Opt, m["ip"]+":"+m["port"])] = true
	}
	return slices.Sorted(maps.Keys(found)), nil
}

// ReplicaWait returns how long a read waits for a replica at most.
func (c *Link) ReplicaWait() time.Duration { return replicaWait(c.Life, c.Deadlines.Timeout) }
