package link

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/lokroom/strata/internal/breaker"
	"github.com/lokroom/strata/store"
	"github.com/redis/rueidis"
)

const (
	firstBreak  = 100 * time.Millisecond
	lastBreak   = 5 * time.Second
	breakTrials = 3
)

// errOpen says why Redis was not asked.
var errOpen = fmt.Errorf("%w: not asked, because it did not answer lately (the breaker is open)", store.ErrUnavailable)

// Breakers keep operations from waiting for a Redis that does not answer: see
// Settings.BreakAfter. Heartbeats are the probes; where there are none, it
// is some of the operations.
//
// Where there is one primary, there is one breaker. In a cluster each node has one,
// for the operations on its keys. Reads depend on all of them, because changes of any
// key may be pushed by any: the breaker that the others have alone is that of heartbeats.
type Breakers struct {
	link     *Link
	settings breaker.Settings
	off      bool
	most     time.Duration // that a heartbeat may take, twice
	Log      *slog.Logger  // nil: nobody

	Troubled atomic.Bool // one of them is

	Whole *breaker.Breaker
	slots atomic.Pointer[[]SlotRange] // of a cluster, as far as known

	mu    sync.Mutex
	nodes map[string]*breaker.Breaker // of a cluster, by address
}

func (bs *Breakers) init(c *Link, s Settings) {
	after := s.BreakAfter
	bs.link, bs.off, bs.Log, bs.most = c, after < 0, s.Log, s.Silence
	bs.settings = breaker.Settings{Threshold: after, First: firstBreak, Last: lastBreak, Trials: breakTrials}
	bs.Whole = bs.make("")
	bs.nodes = make(map[string]*breaker.Breaker)
}

func (bs *Breakers) make(addr string) *breaker.Breaker {
	s := bs.settings
	var down atomic.Bool
	s.Changed = func(now breaker.State) {
		bs.changed(now)
		switch {
		case now == breaker.Open && !down.Swap(true):
			bs.say(slog.LevelWarn, "strata: Redis does not answer and is not asked", addr)
		case now == breaker.Closed && down.Swap(false):
			bs.say(slog.LevelInfo, "strata: Redis answers again", addr)
		}
	}
	return breaker.New(s)
}

// say writes a line into the log. addr is empty where there is one primary.
func (bs *Breakers) say(level slog.Level, text, addr string) {
	if bs.Log == nil {
		return
	}
	var attrs []slog.Attr
	if addr != "" {
		attrs = append(attrs, slog.String("node", addr))
	}
	if text, _, count := bs.link.Errors.Get(); level == slog.LevelWarn && text != "" {
		attrs = append(attrs, slog.String("address", bs.link.Address()), slog.String("cause", text), slog.Uint64("errors", count))
	}
	bs.Log.LogAttrs(context.Background(), level, text, attrs...)
}

// changed has Redis probed, or the retry queues tried.
func (bs *Breakers) changed(now breaker.State) {
	if now == breaker.Open {
		bs.link.hooks.Opened()
	} else {
		bs.link.hooks.Mended()
	}
}

// Allow returns errOpen if Redis is not to be asked for keys, whole Redis keys; without
// any it is asked for something of its own. In a cluster an operation on several keys is
// refused only if all of them are: else those fail that another node would answer. While all
// is well it costs one atomic load.
func (bs *Breakers) Allow(read bool, keys ...string) error {
	if !bs.Troubled.Load() {
		return nil
	}
	inCluster, probed := bs.inCluster(), bs.link.hooks.Probes()
	if (read || !inCluster) && !bs.Whole.Allow(probed) {
		return errOpen
	}
	if !inCluster || len(keys) == 0 {
		return nil
	}
	if len(keys) == 1 {
		if b := bs.of(keys[0], true); b != nil && !b.Allow(probed) {
			return errOpen
		}
		return nil
	}
	for _, key := range keys {
		if b := bs.of(key, true); b == nil || b.Status().State != breaker.Open {
			return nil
		}
	}
	return errOpen
}

// Succeeded says that Redis has answered an operation on key.
func (bs *Breakers) Succeeded(key string) {
	if !bs.Troubled.Load() {
		return
	}
	bs.Whole.Succeeded()
	if b := bs.of(key, bs.inCluster()); b != nil && b != bs.Whole {
		b.Succeeded()
	}
	bs.settle()
}

// Failed says that it has not.
func (bs *Breakers) Failed(key string) {
	if b := bs.of(key, bs.inCluster()); b != nil && !bs.off {
		bs.trouble(b.Failed)
	}
}

// Heartbeat notes what came of asking all primaries. What was answered by an error is no
// failure of Redis to answer.
func (bs *Breakers) Heartbeat(err error) { bs.probed(bs.Whole, err) }

// HeartbeatOf is Heartbeat for one node of a cluster.
func (bs *Breakers) HeartbeatOf(addr string, err error) {
	if err == nil && !bs.Troubled.Load() {
		return
	}
	bs.probed(bs.node(addr), err)
}

func (bs *Breakers) probed(b *breaker.Breaker, err error) {
	var reply *rueidis.RedisError
	switch {
	case bs.off, errors.Is(err, ErrReplaced), isTimeout(err) && bs.most/2 < bs.link.Deadlines.Timeout:
	case err == nil, errors.As(err, &reply), errors.Is(err, ErrDemoted), errors.Is(err, ErrApart):
		b.Mended()
		bs.settle()
	default:
		bs.trouble(b.Failing)
	}
}

// silent says that nothing was answered for as long as an operation may take, or longer.
func (bs *Breakers) Unanswered() {
	if !bs.off {
		bs.trouble(bs.Whole.Trip)
	}
}

// Wait returns how long it is until the next probe, if one of them is open.
func (bs *Breakers) Wait() (d time.Duration, open bool) {
	if !bs.Troubled.Load() {
		return 0, false
	}
	d, open = bs.Whole.Wait()
	bs.mu.Lock()
	defer bs.mu.Unlock()
	for _, b := range bs.nodes {
		if e, also := b.Wait(); also && (!open || e < d) {
			d, open = e, true
		}
	}
	return d, open
}

// trouble notes that one of them is not closed, or has failures.
func (bs *Breakers) trouble(f func()) {
	bs.Troubled.Store(true)
	f()
	bs.Troubled.Store(true) // if rest has seen the time before
}

// settle looks whether all of them are closed and without failures.
func (bs *Breakers) settle() {
	if !bs.Troubled.Load() {
		return
	}
	bs.Troubled.Store(false)
	easy := bs.Whole.Easy()
	bs.mu.Lock()
	for _, b := range bs.nodes {
		easy = easy && b.Easy()
	}
	bs.mu.Unlock()
	if !easy {
		bs.Troubled.Store(true)
	}
}

func (bs *Breakers) inCluster() bool {
	l := bs.link.Pair.Load()
	return l != nil && l.W.Mode() == rueidis.ClientModeCluster
}

// of returns the breaker for operations on key; nil if it is not known which node has it.
func (bs *Breakers) of(key string, inCluster bool) *breaker.Breaker {
	if !inCluster {
		return bs.Whole
	}
	ranges := bs.slots.Load()
	if ranges == nil || key == "" {
		return nil
	}
	slot := SlotOf(key)
	for _, r := range *ranges {
		if r.First <= slot && slot <= r.Last {
			return bs.node(r.Addr)
		}
	}
	return nil
}

func (bs *Breakers) node(addr string) *breaker.Breaker {
	bs.mu.Lock()
	defer bs.mu.Unlock()
	b := bs.nodes[addr]
	if b == nil {
		b = bs.make(addr)
		bs.nodes[addr] = b
	}
	return b
}

// Learn notes which node of a cluster serves which slots. Those that serve none any
// more are forgotten.
func (bs *Breakers) Learn(ranges []SlotRange) {
	bs.slots.Store(&ranges)
	serve := make(map[string]bool, len(ranges))
	for _, r := range ranges {
		serve[r.Addr] = true
	}
	bs.mu.Lock()
	for addr := range bs.nodes {
		if !serve[addr] {
			delete(bs.nodes, addr)
		}
	}
	bs.mu.Unlock()
	bs.settle()
}

// NodeState is of a node of a cluster with a breaker that is not closed.
type NodeState struct {
	Addr, State string
	Since       time.Time
}

// Health returns the nodes with breakers that are not closed.
func (bs *Breakers) Health() (nodes []NodeState) {
	bs.mu.Lock()
	defer bs.mu.Unlock()
	for addr, b := range bs.nodes {
		if s := b.Status(); s.State != breaker.Closed {
			nodes = append(nodes, NodeState{addr, s.State.String(), s.Since})
		}
	}
	slices.SortFunc(nodes, func(a, b NodeState) int { return strings.Compare(a.Addr, b.Addr) })
	return nodes
}
