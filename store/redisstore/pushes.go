package redisstore

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
	"github.com/redis/rueidis"
)

// The heartbeat tests that pushes arrive. A proxy may pass on every command and reply and
// drop the pushes, of which it knows nothing: then no answer says that something is wrong.
//
// So the heartbeat reads a key on T, the same in all processes, and a write of that key
// over W must be pushed. The write is sent after the heartbeat has been answered, and is
// judged by the next one: replies and pushes share one order on the wire. It adds no round
// trip, and it is left out when a write of another process has been pushed meanwhile.

// errNoPushes says that Redis answers, but invalidations do not arrive.
var errNoPushes = fmt.Errorf("%w: pushes do not arrive: something between this process and Redis drops them, or Redis does not send them", store.ErrUnavailable)

// pushTests are those of the primaries, by the key that is written. The map is replaced
// and never changed, so that a push takes no lock.
type pushTests struct {
	byKey atomic.Pointer[map[string]*pushTest]
}

// A pushTest is of one key, so of one primary.
type pushTest struct {
	node   node
	pushed atomic.Bool // the key was, since the last heartbeat

	mu       sync.Mutex
	round    uint64 // counts the writes
	moves    uint64 // the connection generation of the last write
	answered bool   // Redis has answered the last write
	due      bool   // it had, when this heartbeat was sent
	lost     bool   // its push did not arrive
}

// testKey returns the key that is written to see whether pushes of n arrive.
func testKey(n node) string { return n.key + ":push" }

// hear notes that key was pushed.
func (ts *pushTests) hear(key string) {
	if m := ts.byKey.Load(); m != nil {
		if t := (*m)[key]; t != nil {
			t.pushed.Store(true)
		}
	}
}

// begin is called before a heartbeat is sent: what was answered by then is judged by it.
func (ts *pushTests) begin(moves uint64) {
	m := ts.byKey.Load()
	if m == nil {
		return
	}
	for _, t := range *m {
		t.mu.Lock()
		t.due = t.answered && t.moves == moves
		t.mu.Unlock()
	}
}

// add makes the test of n before its key is read: what is pushed from then on counts.
func (ts *pushTests) add(n node) {
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
func (ts *pushTests) of(nodes []node) map[string]*pushTest {
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

// judge ends a heartbeat that nodes have answered, in which T has read their keys. It
// returns errNoPushes, with the addresses, if pushes of one do not arrive.
func (p *pulse) judge(beating context.Context, nodes []node, moves uint64) error {
	var lost []string
	for _, t := range p.pushes.of(nodes) {
		again, round := t.judge(moves)
		if again {
			p.work.Go(func() { p.provoke(beating, t, round) })
		}
		if t.lost { // only heartbeats change it
			lost = append(lost, t.node.addr)
		}
	}
	if len(lost) == 0 {
		return nil
	}
	slices.Sort(lost)
	if where := strings.Join(lost, ", "); where != "" {
		return fmt.Errorf("%w (%s)", errNoPushes, where)
	}
	return errNoPushes
}

// judge reports whether the key is to be written again, and in which round.
func (t *pushTest) judge(moves uint64) (again bool, round uint64) {
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
	t.moves, t.answered = moves, false
	return !pushed, t.round
}

// provoke makes Redis push the key of t. Nothing of it stays in Redis.
func (p *pulse) provoke(beating context.Context, t *pushTest, round uint64) {
	ctx, cancel := p.client.deadlines.Begin(beating)
	defer cancel()
	l, err := p.client.connected(ctx)
	if err != nil {
		return
	}
	c, n := l.w, t.node
	if n.addr != "" {
		if c, err = nodeOf(ctx, l.w, n.addr, n.key); err != nil {
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
func (p *pulse) testable(n node, r []rueidis.RedisResult) bool {
	if len(p.client.broadcast) > 0 {
		return p.client.broadcast.sees("heartbeat", testKey(n)) == nil
	}
	err := r[5].Error()
	return err == nil || rueidis.IsRedisNil(err)
}
