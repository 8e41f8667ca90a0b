package redisstore

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"time"

	"github.com/lokroom/strata/internal/bypass"
	"github.com/lokroom/strata/internal/oneline"
	"github.com/lokroom/strata/internal/redisdial"
	"github.com/lokroom/strata/store"
	"github.com/lokroom/strata/store/redisstore/internal/heartbeat"
	"github.com/lokroom/strata/store/redisstore/internal/link"
	"github.com/lokroom/strata/store/redisstore/internal/script"
	"github.com/redis/rueidis"
)

// defaultTimeout bounds an operation where nothing else is said.
const defaultTimeout = time.Second

// DefaultBreakAfter is the default of [Dialer].BreakAfter.
const DefaultBreakAfter = 5

// DefaultMaxDisconnected is the default of [Dialer].MaxDisconnected.
const DefaultMaxDisconnected = 2 * time.Second

// defaultMaxStale is the MaxStale of a [Dialer] with NoTracking that does not set it.
const defaultMaxStale = time.Second

// A Dialer has the settings of a [Client] that rueidis does not have. The zero Dialer is the one
// that [Dial] uses.
type Dialer struct {
	// Timeout bounds every operation of the client, and of stores without a Timeout, and each
	// attempt to connect. An operation may take up to an eighth longer. Zero or less: 1 second.
	Timeout time.Duration

	// MaxDisconnected is how long a tier in front of a store (see [Store.Watch]) serves its
	// copies after contact with Redis is lost. While there is such a tier, the client sends each
	// primary four heartbeats in that time. A heartbeat deletes a key that does not exist: the
	// prefix of the Tags of the first such store and "heartbeat". To test that pushes arrive, the
	// client sets and deletes that key with the suffix ":push". Zero: DefaultMaxDisconnected.
	// Negative: no heartbeats; a connection that died unnoticed is then detected after about 4
	// seconds.
	MaxDisconnected time.Duration

	// Broadcast is a list of key prefixes. Redis pushes every change of a key with one of them to
	// this client, whether the client has read the key or not. The prefixes must not overlap, and
	// must cover those of all stores of the client and of their [Tags]: a store that is not
	// covered cannot read (see [Store.Watch]). "" is all keys. The same prefixes after an
	// exclamation mark are included. All processes that share tags, or clear a store, must use
	// the same mode. Nil: Redis remembers which keys the client has read, and pushes their
	// changes.
	//
	// Broadcast costs Redis no memory, where remembering takes 70 to 100 bytes per key and
	// process. Instead each change costs about 5 us of processor time per process, and a load
	// makes two changes: its lease and its value. Each process also handles pushes of keys that
	// it does not have, and a load takes one more exchange. Broadcast suits a few processes that
	// keep many keys, up to about 20,000 changes a second times processes.
	Broadcast []string

	// NoTracking works without CLIENT TRACKING and RESP3, for a proxy or service that does not
	// support them. The client then receives no invalidations. A tier in front of a store serves
	// a copy for MaxStale after it was read, and then revalidates it with one exchange that does
	// not transfer the value. Strict reads ask Redis whether the store was cleared and whether a
	// tag of the entry was invalidated: that takes one more command, and with tags one more
	// exchange. It cannot be combined with Broadcast.
	NoTracking bool

	// MaxStale bounds, with NoTracking, how long copies are served after another process has
	// changed the entry. All processes should use the same value. It requires NoTracking. Zero: 1
	// second.
	MaxStale time.Duration

	// PubSub is a channel on which clients with NoTracking publish the keys that they change, for
	// a service that supports PUBLISH and SUBSCRIBE but not CLIENT TRACKING. A copy is dropped
	// when the message of its change arrives. Messages may be late or lost; MaxStale still bounds
	// how long old copies are served. Each change sends a message to every process, and
	// concurrent changes share one. All processes must use the same channel. It requires
	// NoTracking. Empty: no channel.
	PubSub string

	// WaitReplicas is how many replicas must confirm a change before the call that made it
	// returns. It applies to all writes except those of readers (Fill, FillLeased). If fewer
	// replicas confirm within a quarter of Timeout, the error is store.ErrReplicas, and the
	// primary keeps the change. Writes that arrive while others wait are sent together, so a
	// write takes one or two round trips to the replicas longer. In a cluster the number applies
	// to each primary. Zero or less: none.
	WaitReplicas int

	// ReadReplicas takes load off primaries that send large values. A read of more than 1 KiB
	// gets the value from a replica, after the primary has sent the first 1 KiB, which identifies
	// the current value. If the replica has another value, or does not answer within an eighth of
	// Timeout, the primary sends the value. Smaller values, reads of [Plain] stores, and strict
	// reads of the tier in front use the primary alone. Sentinels and clusters name their
	// replicas; for one server set rueidis.ClientOption.Standalone.ReplicaAddress. It cannot be
	// combined with NoTracking. False: all reads use primaries.
	ReadReplicas bool

	// BreakAfter is how many consecutive operations may fail, because Redis does not answer in
	// time or refuses connections, before the circuit breaker opens. It also opens when Redis did
	// not answer for MaxDisconnected. While it is open, operations fail at once with
	// ErrUnavailable. Heartbeats, or without them some operations, test whether Redis is back:
	// after 0.1 seconds at first, then less often, up to every 5 seconds. After an answer, three
	// operations at a time are let through until three have succeeded. In a cluster each node has
	// a breaker, but reads of all keys fail while one node does not answer. An operation that
	// ends because its own context does is no failure, and neither is an error reply. Zero:
	// DefaultBreakAfter. Negative: the breaker never opens.
	BreakAfter int

	// Logger receives a line when the circuit breaker opens and when it closes, when
	// invalidations stop arriving and when they arrive again, and when Redis may have lost
	// writes. nil: nothing is logged.
	Logger *slog.Logger

	// Lazy makes Dial return a client even if Redis is unreachable. Operations return
	// ErrUnavailable, and each tries to connect, until Redis is reachable.
	Lazy bool
}

// Dial connects to the servers of opt and returns when one has answered. It is
// (&Dialer{}).Dial(opt).
func Dial(opt rueidis.ClientOption) (*Client, error) { return (&Dialer{}).Dial(opt) }

// DialURL is [Dial] with a URL. It is (&Dialer{}).DialURL(url).
func DialURL(url string) (*Client, error) { return (&Dialer{}).DialURL(url) }

// DialURL connects to a server named by a URL:
//
//	redis://user:password@host:6379/0
//	rediss://host:6379                                          over TLS
//	valkey://host:6379, valkeys://host:6379                     the same two under other names
//	redis://node1:6379?addr=node2:6379&addr=node3:6379          a cluster
//	redis://sentinel1:26379?addr=sentinel2:26379&master_set=m   behind sentinels
//	redis://host:6379?replica=host2:6379&replica=host3:6379     with [Dialer.ReadReplicas]
//	unix:///run/redis.sock?db=1
//
// Sentinels that require a password are given sentinel_password=PASSWORD, and for a user of their
// own sentinel_user=NAME; the user and password before the host are those of the servers.
//
// Over TLS, ca_file=PATH names the PEM file of the authorities to trust instead of those of
// the system, cert_file=PATH and key_file=PATH those of the client's certificate, which are
// read for each connection, and server_name=NAME the name in the certificates of servers, if
// it is not the host of the URL, or behind sentinels and with replicas that of each server. rueidis.ParseURL
// describes the other parameters. Unknown ones are refused; replica is ignored without
// ReadReplicas, because programs that read primaries alone may share the URL. Errors do not contain the URL.
func (d *Dialer) DialURL(url string) (*Client, error) {
	return d.DialURLContext(context.Background(), url)
}

// DialURLContext is [Dialer.DialURL] that waits no longer than ctx allows, as
// [Dialer.DialContext] does.
func (d *Dialer) DialURLContext(ctx context.Context, url string) (*Client, error) {
	opt, err := parseURL(url)
	if err != nil {
		return nil, &store.Error{Store: link.StoreName, Op: "dial", Err: err}
	}
	if !d.ReadReplicas {
		opt.Standalone.ReplicaAddress = nil
	}
	return d.DialContext(ctx, opt)
}

// Dial connects to the servers of opt and returns when one has answered. Otherwise the error
// wraps ErrUnavailable or [store.ErrAuth], or names the settings of opt that cannot be used and
// why.
//
// Addresses, credentials, TLS, the database, sentinels, cluster options and dial functions of opt
// are used as they are. ConnWriteTimeout is 2 seconds if opt has none, and Dialer.KeepAlive 1
// second, so that a dead connection is detected within about 4 seconds. Sentinels, if any, are
// asked for the primary every 5 seconds, because an announcement may be missed.
//
// The caller must close the client.
func (d *Dialer) Dial(opt rueidis.ClientOption) (*Client, error) {
	return d.DialContext(context.Background(), opt)
}

// DialContext is [Dialer.Dial] that waits no longer than ctx allows. Then the error wraps that of
// ctx and store.ErrUnavailable; with Lazy it is nil if the deadline of ctx has passed. The client
// that it returns does not depend on ctx.
func (d *Dialer) DialContext(ctx context.Context, opt rueidis.ClientOption) (*Client, error) {
	broadcast, err := link.NewBroadcast(d.Broadcast)
	maxStale, err2 := d.untracked()
	if err := oneline.Join(link.CheckSettings(&opt, d.ReadReplicas), err, err2); err != nil {
		return nil, &store.Error{Store: link.StoreName, Op: "dial", Err: err}
	}
	if d.ReadReplicas {
		bypass.UseReplicas()
	}
	c := &Client{}
	silence := d.MaxDisconnected
	if silence == 0 {
		silence = DefaultMaxDisconnected
	}
	c.link = link.New(opt, link.Settings{
		Timeout: cmp.Or(max(d.Timeout, 0), defaultTimeout), Broadcast: broadcast, MaxStale: maxStale, Silence: silence, BreakAfter: cmp.Or(d.BreakAfter, DefaultBreakAfter), Log: d.Logger, Replicas: d.ReadReplicas,
	}, link.Hooks{
		Pushed: c.pushed, Lost: c.watchers.All, Replaced: func() { c.heartbeat.Replaced() }, Probes: func() bool { return c.heartbeat.Running() }, Opened: func() { c.heartbeat.Hurry() },
		Mended: c.tags.back, Denied: func() { c.rights.passed.Store(false) },
	})
	c.rights.link, c.rights.waits, c.rights.channel = c.link, d.WaitReplicas > 0, d.PubSub
	c.heartbeat = heartbeat.New(c.link, &c.watchers, silence, heartbeat.Hooks{
		After: func(running context.Context, err error) { c.rights.afterHeartbeat(running, err, &c.heartbeat.Work) }, Touch: c.touch,
	})
	c.writer = script.NewWriter(c.link, d.WaitReplicas, c.changed)
	c.undo = script.NewUndoQueue(c.link, c.watchers.Released)
	c.announcer = newAnnouncer(c.link, &c.watchers, d.PubSub)
	if _, err := c.link.Connect(ctx); err != nil {
		err = c.link.Cause(ctx, err)
		if ctx.Err() != nil {
			err = redisdial.Explain(&c.link.Opt, err, fmt.Errorf("%w: no answer: %w", store.ErrUnavailable, err))
			c.link.Errors.Note(err)
		}
		if !d.Lazy || !errors.Is(err, store.ErrUnavailable) || errors.Is(err, context.Canceled) {
			c.Close()
			return nil, &store.Error{Store: link.StoreName, Op: "dial", Err: err}
		}
	}
	return c, nil
}

// untracked returns the MaxStale of a client that d dials, or zero.
func (d *Dialer) untracked() (maxStale time.Duration, err error) {
	switch {
	case !d.NoTracking && d.MaxStale != 0:
		return 0, errors.New("Dialer.MaxStale requires NoTracking")
	case !d.NoTracking && d.PubSub != "":
		return 0, errors.New("Dialer.PubSub requires NoTracking")
	case !d.NoTracking:
		return 0, nil
	case len(d.Broadcast) > 0:
		return 0, errors.New("Dialer has both NoTracking and Broadcast")
	case d.ReadReplicas:
		return 0, errors.New("Dialer has both NoTracking and ReadReplicas")
	case d.MaxStale < 0:
		return 0, fmt.Errorf("Dialer.MaxStale %v is negative", d.MaxStale)
	case d.MaxStale == 0:
		return defaultMaxStale, nil
	}
	return d.MaxStale, nil
}
