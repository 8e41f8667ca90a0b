package redisstore

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"time"

	"github.com/lokroom/strata/internal/deadline"
	"github.com/lokroom/strata/internal/mutant"
	"github.com/lokroom/strata/internal/oneline"
	"github.com/lokroom/strata/internal/redisdial"
	"github.com/lokroom/strata/store"
	"github.com/redis/rueidis"
)

// DefaultTimeout bounds an operation where nothing else is said.
const DefaultTimeout = time.Second

// A Dialer holds the settings of a [Client] that rueidis does not have. The zero
// Dialer is what [Dial] uses.
type Dialer struct {
	// Timeout bounds every operation of the client and of the stores that do
	// not say otherwise, and each attempt to connect. Zero or less:
	// DefaultTimeout. An operation may end up to an eighth of it later.
	Timeout time.Duration

	// MaxUnheard is how long Redis may be silent before a tier in front of a
	// store (see [Store.Hear]) trusts its copies no longer. While there is one,
	// each primary is asked four times as often, by deleting a key that does
	// not exist: the prefix of the Tags of the first such store and "pulse". To
	// test that pushes arrive, a key with ":push" behind that is set and deleted.
	// Zero: DefaultMaxUnheard. Negative: Redis is not asked, and a connection
	// that died without a sign is noticed after about 4 s.
	MaxUnheard time.Duration

	// Broadcast is the prefixes of keys whose every change Redis is to tell this
	// client, whether it has read the key or not. They must not overlap, and must
	// cover the prefixes of all stores of the client and of their [Tags]: a store
	// that is not covered cannot read (see [Store.CanWatch]). "" is all keys. The
	// same prefixes behind an exclamation mark are told, too. All processes that
	// share tags, or Clear a store, are to be told in one way. Nil: Redis
	// remembers which keys were read through the client, and tells it of those.
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
	// with Broadcast, nor for a store with Options.ClientSide.
	NoTracking bool

	// MaxStale bounds how long copies are served with NoTracking that another process has
	// changed. All processes should have it alike. Zero: DefaultMaxStale. It requires
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

	// BreakAfter is how many operations in a row may fail, because Redis does not
	// answer in time or cannot be connected to, before it is not asked any more:
	// operations then fail at once, as ErrUnavailable. That Redis was silent for
	// MaxUnheard does the same. It is asked whether it is there four times in
	// MaxUnheard, and sooner at first, or where that is not done, with some of the
	// operations after 0.1 s and then ever later, up to 5 s. Once it has answered, three
	// operations at a time go there until three have succeeded. In a cluster this is so
	// for each node; but reads, while one of them is not heard of, fail for all. What
	// ends because the context of its caller does, and what is answered by an error,
	// is no failure. Zero: DefaultBreakAfter. Negative: Redis is always asked.
	BreakAfter int

	// Logger is told, in a line each, when Redis is not asked any more because it does
	// not answer, and when it is asked again. Nil: nobody is.
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
//	redis://node1:6379?addr=node2:6379&addr=node3:6379          a cluster
//	redis://sentinel1:26379?addr=sentinel2:26379&master_set=m   behind sentinels
//	unix:///run/redis.sock?db=1
//
// Over TLS, ca_file=PATH names the PEM file of the authorities to trust instead of those of
// the system, cert_file=PATH and key_file=PATH those of the client's certificate, which are
// read for each connection, and server_name=NAME the name in the certificates of servers, if
// it is not the host of the URL, or behind sentinels that of each server. rueidis.ParseURL
// describes the other parameters. Unknown ones are refused. Errors do not contain the URL.
func (d *Dialer) DialURL(url string) (*Client, error) {
	return d.DialURLContext(context.Background(), url)
}

// DialURLContext is [Dialer.DialURL] that waits no longer than ctx allows, as
// [Dialer.DialContext] does.
func (d *Dialer) DialURLContext(ctx context.Context, url string) (*Client, error) {
	opt, err := parseURL(url)
	if err != nil {
		return nil, &store.Error{Store: storeName, Op: "dial", Err: err}
	}
	return d.DialContext(ctx, opt)
}

// Dial connects as opt says and returns when the server has answered, or with an
// error that is ErrUnavailable, or [ErrAuth], or says which settings of opt do
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
	told, err := newBroadcast(d.Broadcast)
	maxStale, err2 := d.untracked()
	if err := oneline.Join(checkSettings(&opt), err, err2); err != nil {
		return nil, &store.Error{Store: storeName, Op: "dial", Err: err}
	}
	timeout := d.Timeout
	if timeout <= 0 {
		timeout = DefaultTimeout
	}
	setDefaults(&opt, timeout)
	c := &Client{deadlines: deadline.Pool{Timeout: timeout}, opt: opt, broadcast: told, maxStale: maxStale}
	c.pulse.client, c.pulse.most, c.pulse.key = c, d.MaxUnheard, anyPulse
	c.pulse.hurried = make(chan struct{}, 1)
	c.sizes.turn, c.sizes.limit = make(chan struct{}, 1), defaultSizeLimit
	c.breakers.init(c, d.BreakAfter, d.Logger)
	if d.MaxUnheard == 0 {
		c.pulse.most = DefaultMaxUnheard
	}
	c.commits = newCommitter(c, d.WaitReplicas, timeout)
	c.life, c.abort = context.WithCancel(context.Background())
	c.announcer = newAnnouncer(c, d.PubSub)
	if _, err := c.connect(ctx); err != nil {
		err = c.cause(ctx, err)
		if ctx.Err() != nil {
			err = redisdial.Explain(&c.opt, err, fmt.Errorf("%w: no answer: %w", store.ErrUnavailable, err))
			c.errors.note(err)
		}
		if !d.Lazy || !errors.Is(err, store.ErrUnavailable) || errors.Is(err, context.Canceled) {
			c.Close()
			return nil, &store.Error{Store: storeName, Op: "dial", Err: err}
		}
	}
	return c, nil
}

// setDefaults completes the settings that both connections have.
func setDefaults(opt *rueidis.ClientOption, timeout time.Duration) {
	for _, d := range []*net.Dialer{&opt.Dialer, &opt.Sentinel.Dialer} {
		if d.Timeout == 0 {
			d.Timeout = timeout
		}
		if d.KeepAlive == 0 {
			d.KeepAlive = time.Second
		}
	}
	if opt.ConnWriteTimeout == 0 {
		opt.ConnWriteTimeout = 2 * time.Second
	}
	if opt.Sentinel.MasterSet != "" && opt.Sentinel.TopologyRefreshInterval == 0 {
		opt.Sentinel.TopologyRefreshInterval = 5 * time.Second
	}
	redisdial.LimitRedirects(opt)
	opt.PipelineMultiplex = -1
	opt.BlockingPipeline = -1 // never leave the one connection
	opt.DisableRetry = true   // rueidis would retry until the context ends
}

// links are the two clients. See the package comment.
type links struct {
	t, w rueidis.Client
}

// open connects both.
func (c *Client) open() (l *links, err error) {
	if c.maxStale > 0 {
		l, err = c.openUntracked()
	} else {
		l, err = c.openTracked()
	}
	if err == nil && c.isSentinel(l.w) {
		l.close()
		return nil, errSentinel
	}
	return l, err
}

func (c *Client) openTracked() (*links, error) {
	opt := c.opt
	opt.ClientTrackingOptions = c.broadcast.options()
	opt.OnInvalidations = c.pushed
	opt.DialCtxFn = c.dialTracked
	t, err := rueidis.NewClient(opt)
	if err != nil {
		if t != nil {
			t.Close()
		}
		return nil, err
	}
	opt = c.opt
	opt.DisableCache = true
	opt.DialCtxFn = c.dialUntracked
	// Without it a caller whose context ends while it is alone on the
	// connection would take the connection with it.
	opt.AlwaysPipelining = true
	w, err := rueidis.NewClient(opt)
	if err != nil {
		if w != nil {
			w.Close()
		}
		t.Close()
		return nil, err
	}
	if mutant.OneLink.Load() {
		w.Close()
		w = t
	}
	return &links{t: t, w: w}, nil
}

// errSentinel says that the address is not one of a server with data.
var errSentinel = errors.New("the server is a sentinel")

// isSentinel reports whether w leads to a sentinel. A user may not be permitted to ask.
func (c *Client) isSentinel(w rueidis.Client) bool {
	if w.Mode() != rueidis.ClientModeStandalone {
		return false
	}
	ctx, cancel := c.deadlines.Begin(c.life)
	defer cancel()
	role, err := w.Do(ctx, w.B().Role().Build()).ToArray()
	if err != nil || len(role) == 0 {
		return false
	}
	name, err := role[0].ToString()
	return err == nil && name == "sentinel"
}
