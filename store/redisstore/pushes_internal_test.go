package redisstore

import (
	"testing"

	"github.com/lokroom/strata/internal/redistest"
	"github.com/redis/rueidis"
)

// A write of another process that is pushed before the first heartbeat has ended counts: Redis
// does not push the next one, because nobody has read the key since.
func TestPushes_beforeTheFirstHeartbeatHasEnded(t *testing.T) {
	srv := redistest.Start(t, nil)
	c, err := Dial(rueidis.ClientOption{InitAddress: []string{srv.Addr()}})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(c.Close)
	New[int](c, nil)
	ctx, p := t.Context(), &c.pulse
	l, err := c.connected(ctx)
	if err != nil {
		t.Fatal(err)
	}
	beat := func(between func(node)) error {
		moves := p.moves.Load()
		p.pushes.begin(moves)
		a, err := p.ask(ctx, false)
		if err != nil || len(a.tests) != 1 {
			t.Fatalf("%d tests, %v", len(a.tests), err)
		}
		between(a.tests[0])
		return p.judge(ctx, a.tests, moves)
	}
	if err := beat(func(n node) {
		if _, err := srv.Do("SET", testKey(n), "", "PX", "10000"); err != nil {
			t.Fatal(err)
		}
		if err := l.t.Do(ctx, l.t.B().Ping().Build()).Error(); err != nil { // answered behind the push
			t.Fatal(err)
		}
	}); err != nil {
		t.Errorf("the first heartbeat: %v", err)
	}
	p.work.Wait() // until this process has written, too, if it does
	if err := beat(func(node) {}); err != nil {
		t.Errorf("the second heartbeat: %v", err)
	}
}
