package heartbeat

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"strings"
	"sync"
	"sync/atomic"

	"github.com/lokroom/strata/internal/mutant"
	"github.com/lokroom/strata/store"
	"github.com/lokroom/strata/store/redisstore/internal/link"
	"github.com/redis/rueidis"
)

// The heartbeat tests that pushes arrive. A proxy may pass on every command and reply and
// drop the pushes, of which it knows nothing: then no answer says that something is wrong.
//
// So the heartbeat reads a key on T, the same in all processes, and a write of that key
// over W must be pushed. The write is sent after the heartbeat has been answered, and is
// judged by the next one: replies and pushes share one order on the wire. It adds no round
// trip, and it is left out when a write of another process has been pushed meanwhile.

// ErrNoPushes says that Redis answers, but invalidations do not arrive.
var ErrNoPushes = fmt.Errorf("%w: pushes do not arrive: something between this process and Redis drops them, or Redis does not send them", store.ErrUnavailable)

// pushTests are those of the primaries, by the key that is written. The map is replaced
// and never changed, so that a push takes no lock.
type pushTests struct {
	byKey atomic.Pointer[map[string]*pushTest]
}

// A pushTest is of one key, so of one primary.
type pushTest struct {
	node   Node
	pushed atomic.Bool // the key was, since the last heartbeat

	mu         sync.Mutex
	round      uint64 // counts the writes
	generation uint64 // the connection generation of the last write
	answered   bool   // Redis has answered the last write
	due        bool   // it had, when this heartbeat was sent
	lost       bool   // its push did not arrive
}

// testKey returns the key that is written to see whether pushes of n arrive.
func testKey(n Node) string { return n.Key + ":push" }

// received notes that keys were pushed.
func (ts *pushTests) received(keys []string) {
	m := ts.byKey.Load()
	if m == nil {
		return
	}
	for _, key := range keys {
		if t := (*m)[key]; t != nil {
			t.pushed.Store(true)
		}
	}
}

// Pushed notes that keys were pushed.
func (p *Heartbeat) Pushed(keys []string) { p.pushes.received(keys) }

// begin is called before a heartbeat is sent: what was answered by then is judged by it.
func (ts *pushTests) begin(generation uint64) {
	m := ts.byKey.Load()
	if m == nil {
		return
	}
	for _, t := range *m {
		t.mu.Lock()
		t.due = t.answered && t.generation == generation
		t.mu.Unlock()
	}
}

// add makes the test of n before its key is read: what is pushed from then on counts.
func (ts *pushTests) add(n Node) {
	for key := testKey(n); ; {
		old := ts.byKey.Load()
		next := make(map[string]*pushTest)
		if old != nil {
			if (*old)[key] != nil {
				return
			}
			maps.Copy(next, *old)
		}
		next[key] = &pushTest{node: n}
		if ts.byKey.CompareAndSwap(old, &next) {
			return
		}
	}
}

// of returns the tests of nodes. Those of others are forgotten.
func (ts *pushTests) of(nodes []Node) map[string]*pushTest {
	old := ts.byKey.Load()
	next := make(map[string]*pushTest, len(nodes))
	for _, n := range nodes {
		next[testKey(n)] = &pushTest{node: n}
		if old != nil && (*old)[testKey(n)] != nil {
			next[testKey(n)] = (*old)[testKey(n)]
		}
	}
	if old == nil || !maps.Equal(*old, next) {
		ts.byKey.Store(&next)
	}
	return next
}

// judgePushes ends a heartbeat that nodes have answered, in which T has read their keys. It
// returns ErrNoPushes, with the addresses, if pushes of one do not arrive.
func (p *Heartbeat) judgePushes(life context.Context, nodes []Node, generation uint64) error {
	var lost []string
	for _, t := range p.pushes.of(nodes) {
		again, round := t.judge(generation)
		if again {
			p.Work.Go(func() { p.provoke(life, t, round) })
		}
		if t.lost { // only heartbeats change it
			lost = append(lost, t.node.Addr)
		}
	}
	if len(lost) == 0 {
		return nil
	}
	slices.Sort(lost)
	if where := strings.Join(lost, ", "); where != "" {
		return fmt.Errorf("%w (%s)", ErrNoPushes, where)
	}
	return ErrNoPushes
}

// judge reports whether the key is to be written again, and in which round.
func (t *pushTest) judge(generation uint64) (again bool, round uint64) {
	t.mu.Lock()
	defer t.mu.Unlock()
	pushed := t.pushed.Swap(false)
	switch {
	case pushed:
		t.lost = false
	case t.due:
		t.lost = !mutant.NoPushTest.Load()
	}
	t.round++ // a write that is still under way has nothing to say any more
	t.generation, t.answered = generation, false
	return !pushed, t.round
}

// provoke makes Redis push the key of t. Nothing of it stays in Redis.
func (p *Heartbeat) provoke(life context.Context, t *pushTest, round uint64) {
	ctx, cancel := p.link.Deadlines.Begin(life)
	defer cancel()
	l, err := p.link.Connected(ctx)
	if err != nil {
		return
	}
	c, n := l.W, t.node
	if n.Addr != "" {
		if c, err = link.NodeOf(ctx, l.W, n.Addr, n.Key); err != nil {
			return
		}
	}
	key := testKey(n)
	r := c.DoMulti(ctx, c.B().Arbitrary("SET").Keys(key).Args("", "PX", "10000").Build(), c.B().Arbitrary("DEL").Keys(key).Build())
	t.mu.Lock()
	defer t.mu.Unlock()
	if r[0].Error() == nil && t.round == round {
		t.answered = true
	}
}

// testable reports whether Redis would push the test key of n: with broadcasts if it has
// one of the prefixes, else if the heartbeat, to which r is the reply, has read it.
func (p *Heartbeat) testable(n Node, r []rueidis.RedisResult) bool {
	if len(p.link.Broadcast) > 0 {
		return p.link.Broadcast.Covers("heartbeat", testKey(n)) == nil
	}
	err := r[5].Error()
	return err == nil || rueidis.IsRedisNil(err)
}
