package redisstore

import (
	"testing"
	"time"

	"github.com/lokroom/strata/internal/redistest"
	"github.com/redis/rueidis"
)

// That Redis was heard of counts from when it was asked: by the time that the answer
// comes, much may have changed that is told later.
func TestPulse_countsFromTheQuestion(t *testing.T) {
	proxy := redistest.StartProxy(t, redistest.Start(t, nil).Addr())
	c, err := (&Dialer{MaxUnheard: time.Minute}).Dial(rueidis.ClientOption{InitAddress: []string{proxy.Addr()}})
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	defer New[int](c, nil).Hear(func(bool) {})()
	if err := c.Sync(t.Context()); err != nil { // nothing beats for a quarter of MaxUnheard then
		t.Fatal(err)
	}
	until := func() time.Time {
		c.pulse.mu.Lock()
		defer c.pulse.mu.Unlock()
		return c.pulse.until
	}
	before := until()
	proxy.HoleReplies(true)
	done := make(chan error, 1)
	go func() { done <- c.Sync(t.Context()) }()
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
