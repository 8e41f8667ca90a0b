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

// DefaultBreakAfter is how many operations in a row may fail where nothing else is said.
const DefaultBreakAfter = 5

// DefaultMaxDisconnected is how long Redis may be silent where nothing else is said.
const DefaultMaxDisconnected = 2 * time.Second

// defaultMaxStale is the MaxStale of a [Dialer] with NoTracking that does not set it.
const defaultMaxStale = time.Second

// A Dialer holds the settings of a [Client] that rueidis does not have. The zero
// Dialer is what [Dial] uses.
type Dialer struct {
	// Timeout bounds every operation of the client and of the stores that do
	// not say otherwise, and each attempt to connect. Zero or less:
	// 1 s. An operation may end up to an eighth of it later.
	Timeout time.Duration

	// MaxDisconnected is how long Redis may be silent before a tier in front of a
	// store (see [Store.Watch]) trusts its copies no longer. While there is one,
	// each primary is asked four times as often, by deleting a key that does
	// not exist: the prefix of the Tags of the first such store and "heartbeat". To
	// test that pushes arrive, a key with ":push" behind that is set and deleted.
	// Zero: DefaultMaxDisconnected. Negative: Redis is not asked, and a connection
	// that died without a sign is noticed after about 4 s.
	MaxDisconnected time.Duration

	// Broadcast is the prefixes of keys of which Redis notifies this client at every
	// change, whether it has read the key or not. They must not overlap, and must
	// cover the prefixes of all stores of the client and of their [Tags]: a store
	// that is not covered cannot read (see [Store.Watch]). "" is all keys. The
	// same prefixes behind an exclamation mark are included. All processes that
	// share tags, or Clear a store, must be notified in one way. Nil: Redis
	// remembers which keys were read through the client, and notifies it of those.
	//
	// It costs Redis no memory, where remembering takes some 70 to 100 bytes for
	// each key and process, but about 5 us of processor time for each change and
	// process, of which a load makes two (its lease and its value), and each
	// process the handling of changes of keys that it does not have. So it suits
	// a few processes that keep many keys, up to some 20,000 changes a second
	// times processes. What a process loads itself takes it one more exchange.
	Broadcast []string

	// NoTracking does without CLIENT TRACKING and RESP3, for a proxy or a service that does
	// not pass them on. The client is then not notified of the changes of other processes. A
	// copy of an entry in a tier in front of a store is valid for MaxStale after it was read,
	// and is then revalidated with one exchange that does not move the value. Strict reads
	// ask Redis whether the store was cleared, and whether a tag of the entry was
	// invalidated: that costs a command more, and with tags one exchange more. Not together
	// with Broadcast.
	NoTracking bool

	// MaxStale bounds how long copies are served with NoTracking that another process has
	// changed. All processes should have it alike. Zero: 1 s. It requires
	// NoTracking.
	MaxStale time.Duration

	// PubSub is a channel on which clients with NoTracking publish the keys that they change,
	// for a service that has no CLIENT TRACKING but has PUBLISH and SUBSCRIBE. A copy is then
	// dropped as soon as the message of its change arrives. Messages may be late or lost:
	// MaxStale bounds what is served then, as without PubSub. All processes must have the
	// same channel. Each change costs a message, which changes at the same time share, to
	// every process. Empty: none. It requires NoTracking.
	PubSub string

	// WaitReplicas is how many replicas must have confirmed what a store changes
	// before the call returns: Set, Delete, InvalidateTags and all others but what
	// readers do (Fill, FillLeased). If fewer have within a quarter of Timeout, the
	// error is store.ErrReplicas; the change stands on the primary. Writes
	// that come while others wait are sent together, so that it costs each the
	// way to the replicas and back, or twice that. In a cluster, that many of each
	// primary. Zero or less: none are waited for.
	WaitReplicas int

	// ReadReplicas takes load off primaries that send large values: reads of more than 1 KiB
	// get the value from a replica, after the primary has sent the first 1 KiB and so the
	// identity of the current value. A replica that has another value, or does not answer
	// within an eighth of Timeout, costs time: the primary then sends the value. Reads with a
	// primary alone are those of smaller values, of [Plain] stores, and strict ones of the
	// tier in front. Sentinels and clusters name their replicas; for one server set
	// rueidis.ClientOption.Standalone.ReplicaAddress. False: all is read from primaries.
	// It cannot be combined with NoTracking.
	ReadReplicas bool

	// BreakAfter is how many operations in a row may fail, because Redis does not
	// answer in time or cannot be connected to, before it is not asked any more:
	// operations then fail at once, as ErrUnavailable. That Redis was silent for
	// MaxDisconnected does the same. It is asked whether it is there four times in
	// MaxDisconnected, and sooner at first, or where that is not done, with some of the
	// operations after 0.1 s and then ever later, up to 5 s. Once it has answered, three
	// operations at a time go there until three have succeeded. In a cluster this is so
	// for each node; but reads, while one of them does not answer, fail for all. What
	// ends because the context of its caller does, and what is answered by an error,
	// is no failure. Zero: DefaultBreakAfter. Negative: Redis is always asked.
	BreakAfter int

	// Logger receives a line when Redis is not asked any more because it does not answer, when
	// invalidations stop to arrive, when it may have lost writes, and when the first two are
	// over. nil: no lines.
	Logger *slog.Logger

	// Lazy makes Dial return a client even if Redis cannot be reached.
	// Operations are ErrUnavailable until it can be, which each of them tries.
	Lazy bool
}

// Dial connects as opt says and returns when the server has answered. It is
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

// Dial connects as opt says and returns when the server has answered, or with an
// error that is ErrUnavailable, or [store.ErrAuth], or says which settings of opt do
// not work here and why.
//
// Addresses, credentials, TLS, the database, sentinels, cluster options and the
// dial functions of opt are used as they are. Where opt has no
// ConnWriteTimeout it is 2 s, and where it has no Dialer.KeepAlive 1 s: a dead
// connection is then noticed within about 4 s. The sentinels, if any, are asked
// for the primary every 5 s, because an announcement may be missed.
//
// The caller closes the client.
func (d *Dialer) Dial(opt rueidis.ClientOption) (*Client, error) {
	return d.DialContext(context.Background(), opt)
}

// DialContext is [Dialer.Dial] that waits no longer than ctx allows: then the error is that
// of ctx and store.ErrUnavailable, or, with Lazy, nil if the deadline of ctx has passed.
// ctx does not concern the client that it returns.
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
