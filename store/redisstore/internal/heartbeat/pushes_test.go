package heartbeat

import (
	"testing"
	"time"

	"github.com/lokroom/strata/internal/redistest"
)

// A write of another process that is pushed before the first heartbeat has ended counts: Redis
// does not push the next one, because nobody has read the key since.
func TestPushes_beforeTheFirstHeartbeatHasEnded(t *testing.T) {
	srv := redistest.Start(t, nil)
	p, l := open(t, srv.Addr(), time.Minute)
	ctx := t.Context()
	beat := func(between func(Node)) error {
		moves := p.Generation.Load()
		p.pushes.begin(moves)
		a, err := p.ask(ctx, false)
		if err != nil || len(a.tests) != 1 {
			t.Fatalf("%d tests, %v", len(a.tests), err)
		}
		between(a.tests[0])
		return p.judgePushes(ctx, a.tests, moves)
	}
	if err := beat(func(n Node) {
		if _, err := srv.Do("SET", testKey(n), "", "PX", "10000"); err != nil {
			t.Fatal(err)
		}
		if err := l.T.Do(ctx, l.T.B().Ping().Build()).Error(); err != nil { // answered behind the push
			t.Fatal(err)
		}
	}); err != nil {
		t.Errorf("the first heartbeat: %v", err)
	}
	p.Work.Wait() // until this process has written, too, if it does
	if err := beat(func(Node) {}); err != nil {
		t.Errorf("the second heartbeat: %v", err)
	}
}
