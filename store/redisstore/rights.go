package redisstore

import (
	"context"
	"errors"
	"log/slog"
	"maps"
	"slices"
	"sync"
	"sync/atomic"

	"github.com/lokroom/strata/internal/redisrights"
	"github.com/lokroom/strata/store"
	"github.com/lokroom/strata/store/redisstore/internal/heartbeat"
	"github.com/lokroom/strata/store/redisstore/internal/link"
	"github.com/redis/rueidis"
)

// needed are the rights without which some operation of a store fails. A script runs with
// the rights of the user, so a command that a script may call is one that the user may send.
var needed = []redisrights.Right{
	redisrights.Of("ping"),
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

// scriptOnly are those of needed that a proxy may lack: scripts send them, or the heartbeat, Ping
// and DeletePattern, which do without or fail alone.
var scriptOnly = []string{"ping", "strlen", "exists", "setrange", "pexpire", "persist", "incrby", "zcard", "zincrby", "zremrangebyrank",
	"zrevrange", "zunionstore", "scan", "time"}

// neededInCluster is needed as well in a cluster. ASKING is not: without it the keys of a slot
// that is being moved cannot be used until it has moved: see rightAsking.
var neededInCluster = redisrights.Of("cluster|slots")

// neededToWait is needed as well with [Dialer.WaitReplicas].
var neededToWait = redisrights.Of("wait", "0", "1")

// rights are what is known of those of the user. The check is one exchange with each
// primary: [Client.Ping] makes it always, the heartbeat until it has passed, and again after
// Redis has refused anything.
type rights struct {
	link    *link.Link
	waits   bool   // for replicas
	channel string // of PubSub

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

// check returns a refusal if the user of the client lacks rights on a primary. known is one that
// the heartbeat has got, or nil.
func (r *rights) check(ctx context.Context, l *link.Pair, known error) error {
	r.passed.Store(true) // a refusal that comes meanwhile counts
	err := r.ask(ctx, l)
	if err == nil {
		err = known
	}
	if err != nil {
		r.passed.Store(false)
	}
	if err == nil || errors.Is(err, store.ErrAuth) {
		r.found(err, r.link.Breakers.Log)
	}
	return err
}

func (r *rights) ask(ctx context.Context, l *link.Pair) error {
	n := redisrights.Needs{Rights: slices.Clone(needed), Prefixes: r.used()}
	if r.link.MaxStale > 0 {
		n.MayLack = scriptOnly
	}
	if r.waits {
		n.Rights = append(n.Rights, neededToWait)
	}
	if r.channel != "" { // an empty message is none
		n.Rights, n.Channel = append(n.Rights, redisrights.Of("publish", r.channel, "")), r.channel
	}
	if l.W.Mode() != rueidis.ClientModeCluster {
		return n.Check(ctx, l.W, r.link.Address())
	}
	n.Rights = append(n.Rights, neededInCluster)
	ranges, err := r.link.SlotMap(ctx, l.W)
	if err != nil {
		return err
	}
	checked := make(map[string]bool)
	for _, part := range ranges {
		node := l.W.Nodes()[part.Addr]
		if node == nil || checked[part.Addr] { // not connected to, or done
			continue
		}
		checked[part.Addr] = true
		if err := n.CheckNode(ctx, node, part.Addr); err != nil {
			return err
		}
	}
	return nil
}

// afterHeartbeat checks the rights where that is due, for Health. err is that of the heartbeat.
func (r *rights) afterHeartbeat(running context.Context, err error, work *sync.WaitGroup) {
	l := r.link.Pair.Load()
	if r.passed.Load() || l == nil {
		return
	}
	var known error
	switch {
	case err == nil, errors.Is(err, heartbeat.ErrNoPushes):
	case heartbeat.IsRefused(err):
		known = r.link.Cause(running, err)
	default: // Redis does not answer
		return
	}
	if !r.checking.CompareAndSwap(false, true) {
		return
	}
	work.Go(func() { // the next heartbeat does not wait for it
		defer r.checking.Store(false)
		call, cancel := r.link.Deadlines.Begin(running)
		defer cancel()
		_ = r.check(call, l, known)
	})
}
