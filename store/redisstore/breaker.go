package redisstore

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"sync"
	"sync/atomic"
	"time"

	"github.com/lokroom/strata/internal/breaker"
	"github.com/lokroom/strata/store"
	"github.com/redis/rueidis"
)

const (
	// DefaultBreakAfter is how many operations in a row may fail where nothing else is
	// said.
	DefaultBreakAfter = 5

	firstBreak  = 100 * time.Millisecond
	lastBreak   = 5 * time.Second
	breakTrials = 3
)

// errOpen says why Redis was not asked.
var errOpen = fmt.Errorf("%w: not asked, because it did not answer lately (the breaker is open)", store.ErrUnavailable)

// breakers keep operations from waiting for a Redis that does not answer: see
// [Dialer.BreakAfter]. The beats of the pulse are the probes; where there are none, it
// is some of the operations.
//
// Where there is one primary, there is one breaker. In a cluster each node has one,
// for the operations on its keys. Reads depend on all of them, because changes of any
// key may be told by any: the breaker that the others have alone is that of the beats.
type breakers struct {
	client   *Client
	settings breaker.Settings
	off      bool
	log      *slog.Logger // nil: nobody

	uneasy atomic.Bool // one of them is

	whole *breaker.Breaker
	slots atomic.Pointer[[]slotRange] // of a cluster, as far as known

	mu    sync.Mutex
	nodes map[string]*breaker.Breaker // of a cluster, by address
}

func (bs *breakers) init(c *Client, after int, log *slog.Logger) {
	if after == 0 {
		after = DefaultBreakAfter
	}
	bs.client, bs.off, bs.log = c, after < 0, log
	bs.settings = breaker.Settings{Threshold: after, First: firstBreak, Last: lastBreak, Trials: breakTrials}
	bs.whole = bs.make("")
	bs.nodes = make(map[string]*breaker.Breaker)
}

func (bs *breakers) make(addr string) *breaker.Breaker {
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
func (bs *breakers) say(level slog.Level, text, addr string) {
	if bs.log == nil {
		return
	}
	var attrs []slog.Attr
	if addr != "" {
		attrs = append(attrs, slog.String("node", addr))
	}
	if text, _, count := bs.client.errors.get(); level == slog.LevelWarn && text != "" {
		attrs = append(attrs, slog.String("address", bs.client.address()), slog.String("cause", text), slog.Uint64("errors", count))
	}
	bs.log.LogAttrs(context.Background(), level, text, attrs...)
}

// changed has the pulse probe, or what is pending tried.
func (bs *breakers) changed(now breaker.State) {
	if now == breaker.Open {
		bs.client.pulse.hurry()
	} else {
		for _, t := range bs.client.tags.list() {
			t.pending.back()
		}
	}
}

// allow returns errOpen if Redis is not to be asked for keys, whole Redis keys; without
// any it is asked for something of its own. In a cluster an operation on several keys is
// refused only if all of them are: else those fail whose node does not answer. While all
// is well it costs one atomic load.
func (bs *breakers) allow(read bool, keys ...string) error {
	if !bs.uneasy.Load() {
		return nil
	}
	inCluster, probed := bs.inCluster(), bs.client.pulse.beats()
	if (read || !inCluster) && !bs.whole.Allow(probed) {
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

// succeeded says that Redis has answered an operation on key.
func (bs *breakers) succeeded(key string) {
	if !bs.uneasy.Load() {
		return
	}
	bs.whole.Succeeded()
	if b := bs.of(key, bs.inCluster()); b != nil && b != bs.whole {
		b.Succeeded()
	}
	bs.rest()
}

// failed says that it has not.
func (bs *breakers) failed(key string) {
	if b := bs.of(key, bs.inCluster()); b != nil && !bs.off {
		bs.disturb(b.Failed)
	}
}

// beat says what came of asking all primaries. What was answered by an error is no
// failure of Redis to answer.
func (bs *breakers) beat(err error) { bs.probed(bs.whole, err) }

// beatOf is beat for one node of a cluster.
func (bs *breakers) beatOf(addr string, err error) {
	if err == nil && !bs.uneasy.Load() {
		return
	}
	bs.probed(bs.node(addr), err)
}

func (bs *breakers) probed(b *breaker.Breaker, err error) {
	var reply *rueidis.RedisError
	switch {
	case bs.off, errors.Is(err, errMoved), isTimeout(err) && bs.client.pulse.most/2 < bs.client.deadlines.Timeout:
	case err == nil, errors.As(err, &reply), errors.Is(err, errDemoted), errors.Is(err, errApart):
		b.Mended()
		bs.rest()
	default:
		bs.disturb(b.Failing)
	}
}

// silent says that nothing was answered for as long as an operation may take, or longer.
func (bs *breakers) silent() {
	if !bs.off {
		bs.disturb(bs.whole.Trip)
	}
}

// wait returns how long it is until the next probe, if one of them is open.
func (bs *breakers) wait() (d time.Duration, open bool) {
	if !bs.uneasy.Load() {
		return 0, false
	}
	d, open = bs.whole.Wait()
	bs.mu.Lock()
	defer bs.mu.Unlock()
	for _, b := range bs.nodes {
		if e, also := b.Wait(); also && (!open || e < d) {
			d, open = e, true
		}
	}
	return d, open
}

// disturb makes one of them uneasy.
func (bs *breakers) disturb(f func()) {
	bs.uneasy.Store(true)
	f()
	bs.uneasy.Store(true) // if rest has seen the time before
}

// rest looks whether all of them are easy.
func (bs *breakers) rest() {
	if !bs.uneasy.Load() {
		return
	}
	bs.uneasy.Store(false)
	easy := bs.whole.Easy()
	bs.mu.Lock()
	for _, b := range bs.nodes {
		easy = easy && b.Easy()
	}
	bs.mu.Unlock()
	if !easy {
		bs.uneasy.Store(true)
	}
}

func (bs *breakers) inCluster() bool {
	l := bs.client.links.Load()
	return l != nil && l.w.Mode() == rueidis.ClientModeCluster
}

// of returns the breaker for operations on key; nil if it is not known which node has it.
func (bs *breakers) of(key string, inCluster bool) *breaker.Breaker {
	if !inCluster {
		return bs.whole
	}
	ranges := bs.slots.Load()
	if ranges == nil || key == "" {
		return nil
	}
	slot := slotOfTagged(key)
	for _, r := range *ranges {
		if r.first <= slot && slot <= r.last {
			return bs.node(r.addr)
		}
	}
	return nil
}

func (bs *breakers) node(addr string) *breaker.Breaker {
	bs.mu.Lock()
	defer bs.mu.Unlock()
	b := bs.nodes[addr]
	if b == nil {
		b = bs.make(addr)
		bs.nodes[addr] = b
	}
	return b
}

// learn is told which node of a cluster serves which slots. Those that serve none any
// more are forgotten.
func (bs *breakers) learn(ranges []slotRange) {
	bs.slots.Store(&ranges)
	serve := make(map[string]bool, len(ranges))
	for _, r := range ranges {
		serve[r.addr] = true
	}
	bs.mu.Lock()
	for addr := range bs.nodes {
		if !serve[addr] {
			delete(bs.nodes, addr)
		}
	}
	bs.mu.Unlock()
	bs.rest()
}

// reach returns the connections for an operation on keys, unless Redis does not answer.
func (c *Client) reach(ctx context.Context, keys ...string) (*links, error) {
	if err := c.breakers.allow(false, keys...); err != nil {
		return nil, err
	}
	return c.connected(ctx)
}
