package heartbeat

import (
	"testing"
	"time"

	"github.com/lokroom/strata/internal/redistest"
	"github.com/lokroom/strata/store/redisstore/internal/notify"
)

// That Redis was heard of counts from when it was asked: by the time that the answer
// comes, much may have changed that is notified later.
func TestHeartbeat_countsFromTheQuestion(t *testing.T) {
	proxy := redistest.StartProxy(t, redistest.Start(t, nil).Addr())
	p, _ := open(t, proxy.Addr(), time.Minute)
	defer p.Listen(notify.NewListener(func(bool) {}, nil), "p:")()
	if err := p.Sync(t.Context()); err != nil { // the next heartbeat is a quarter of a minute later
		t.Fatal(err)
	}
	until := func() time.Time {
		p.mu.Lock()
		defer p.mu.Unlock()
		return p.connectedUntil
	}
	before := until()
	proxy.HoleReplies(true)
	done := make(chan error, 1)
	go func() { done <- p.Sync(t.Context()) }()
	redistest.WaitFor(t, "an answer to be held", func() bool { return proxy.Held() > 0 })
	asked := time.Now() // or before
	time.Sleep(200 * time.Millisecond)
	proxy.HoleReplies(false)
	if err := <-done; err != nil {
		t.Fatal(err)
	}
	if after := until(); !after.After(before) || after.After(asked.Add(time.Minute)) {
		t.Errorf("Redis, asked at %v, may be silent until %v; it was %v before", asked, after, before)
	}
}
