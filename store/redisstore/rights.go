package redisstore

import (
	"context"
	"errors"
	"log/slog"
	"maps"
	"slices"
	"sync"
	"sync/atomic"

	"github.com/lokroom/strata/internal/rediserr"
	"github.com/lokroom/strata/internal/redisrights"
	"github.com/redis/rueidis"
)

// needed are the rights without which some operation of a store fails. A script runs with
// the rights of the user, so a command that a script may call is one that the user may send.
var needed = []redisrights.Right{
	redisrights.Script,
	redisrights.Of("eval", "return 1", "1", redisrights.Key),
	redisrights.Of("get", redisrights.Key),
	redisrights.Of("mget", redisrights.Key),
	redisrights.Of("getrange", redisrights.Key, "0", "0"),
	redisrights.Of("strlen", redisrights.Key),
	redisrights.Of("exists", redisrights.Key),
	redisrights.Of("pttl", redisrights.Key),
	redisrights.Of("set", redisrights.Key, "", "XX"),
	redisrights.Of("setrange", redisrights.Key, "0", ""),
	redisrights.Of("del", redisrights.Key),
	redisrights.Of("pexpire", redisrights.Key, "1"),
	redisrights.Of("persist", redisrights.Key),
	redisrights.Of("incrby", redisrights.Key, "none"),
	redisrights.Of("zcard", redisrights.Key),
	redisrights.Of("zincrby", redisrights.Key, "none", "m"),
	redisrights.Of("zremrangebyrank", redisrights.Key, "0", "0"),
	redisrights.Of("zrevrange", redisrights.Key, "0", "0"),
	redisrights.Of("zunionstore", redisrights.Key, "0", "none"),
	redisrights.Of("scan", "0", "COUNT", "1"),
	redisrights.Of("time"),
}

// scriptOnly are those of needed that a proxy may lack: scripts send them, or the heartbeat
// and DeletePattern, which do without or fail alone.
var scriptOnly = []string{"strlen", "exists", "setrange", "pexpire", "persist", "incrby", "zcard", "zincrby", "zremrangebyrank",
	"zrevrange", "zunionstore", "scan", "time"}

// neededInCluster are needed as well in a cluster. ASKING concerns the one command behind it.
var neededInCluster = []redisrights.Right{
	redisrights.Of("asking"),
	redisrights.Of("role"),
	redisrights.Of("cluster|slots"),
}

// neededToWait is needed as well with [Dialer.WaitReplicas].
var neededToWait = redisrights.Of("wait", "0", "1")

// rights are what is known of those of the user. The check is one exchange with each
// primary: [Client.Ping] makes it always, the heartbeat until it has passed, and again after
// Redis has refused anything.
type rights struct {
	passed   atomic.Bool
	checking atomic.Bool // for a heartbeat

	mu       sync.Mutex
	prefixes map[string]bool // of the keys of stores and Tags
	refused  error           // what the last check has found; nil: nothing
}

// use says that keys with this prefix will be read and written.
func (r *rights) use(prefix string) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.prefixes[prefix] {
		return
	}
	if r.prefixes == nil {
		r.prefixes = make(map[string]bool)
	}
	r.prefixes[prefix] = true
	r.passed.Store(false)
}

// used returns the prefixes.
func (r *rights) used() []string {
	r.mu.Lock()
	defer r.mu.Unlock()
	return slices.Sorted(maps.Keys(r.prefixes))
}

// get returns what is refused, or nil.
func (r *rights) get() error {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.refused
}

// found stores the result of a check: a refusal, or nil.
func (r *rights) found(refused error, log *slog.Logger) {
	r.mu.Lock()
	old := r.refused
	r.refused = refused
	r.mu.Unlock()
	switch {
	case log == nil:
	case refused != nil && old == nil:
		log.Warn("strata: Redis refuses what the user needs", slog.String("cause", refused.Error()))
	case refused == nil && old != nil:
		log.Info("strata: Redis permits what the user needs")
	}
}

// checkRights returns a refusal if the user of c lacks rights on a primary. known is one that
// the heartbeat has got, or nil.
func (c *Client) checkRights(ctx context.Context, l *links, known error) error {
	c.rights.passed.Store(true) // a refusal that comes meanwhile counts
	err := c.askRights(ctx, l)
	if err == nil {
		err = known
	}
	if err != nil {
		c.rights.passed.Store(false)
	}
	if err == nil || errors.Is(err, ErrAuth) {
		c.rights.found(err, c.breakers.log)
	}
	return err
}

func (c *Client) askRights(ctx context.Context, l *links) error {
	n := redisrights.Needs{Rights: slices.Clone(needed), Prefixes: c.rights.used()}
	if c.maxStale > 0 {
		n.MayLack = scriptOnly
	}
	if c.commits != nil {
		n.Rights = append(n.Rights, neededToWait)
	}
	if a := c.announcer; a != nil { // an empty message is none
		n.Rights, n.Channel = append(n.Rights, redisrights.Of("publish", a.channel, "")), a.channel
	}
	if l.w.Mode() != rueidis.ClientModeCluster {
		return n.Check(ctx, l.w, c.address())
	}
	n.Rights = append(n.Rights, neededInCluster...)
	ranges, err := c.slotsOf(ctx, l.w)
	if err != nil {
		return err
	}
	checked := make(map[string]bool)
	for _, r := range ranges {
		node := l.w.Nodes()[r.addr]
		if node == nil || checked[r.addr] { // not connected to, or done
			continue
		}
		checked[r.addr] = true
		if err := n.CheckNode(ctx, node, r.addr); err != nil {
			return err
		}
	}
	return nil
}

// noteBeat notes the error of a heartbeat. One that is refused is the answer to reads until
// the next one.
func (c *Client) noteBeat(beating context.Context, err error) {
	var refused *refusedError
	errors.As(err, &refused)
	c.pulse.refused.Store(refused)
	if err != nil && !errors.Is(err, errMoved) {
		_ = c.cause(beating, err) // notes it
	}
}

// afterBeat checks the rights where that is due, for Health. err is that of the heartbeat.
func (c *Client) afterBeat(beating context.Context, err error) {
	l := c.links.Load()
	if c.rights.passed.Load() || l == nil {
		return
	}
	var known error
	switch {
	case err == nil, errors.Is(err, errNoPushes):
	case isRefused(err):
		known = c.cause(beating, err)
	default: // Redis does not answer
		return
	}
	if !c.rights.checking.CompareAndSwap(false, true) {
		return
	}
	c.pulse.work.Go(func() { // the next heartbeat does not wait for it
		defer c.rights.checking.Store(false)
		call, cancel := c.deadlines.Begin(beating)
		defer cancel()
		_ = c.checkRights(call, l, known)
	})
}

// A refusedError is the error reply to a heartbeat that the user may not send.
type refusedError struct{ error }

func (e *refusedError) Unwrap() error { return e.error }

// markRefused returns err as a [refusedError] if it is one.
func markRefused(err error) error {
	if isDenied(err) {
		return &refusedError{err}
	}
	return err
}

func isRefused(err error) bool {
	var refused *refusedError
	return errors.As(err, &refused)
}

// isDenied reports whether err is an error reply that says that the user lacks a right.
func isDenied(err error) bool {
	var reply *rueidis.RedisError
	if !errors.As(err, &reply) {
		return false
	}
	_, denied := rediserr.Denied(reply.Error())
	return denied
}
