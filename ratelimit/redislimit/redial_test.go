package redislimit_test

import (
	"testing"
	"time"

	"github.com/redis/rueidis"

	"github.com/lokroom/strata/internal/redistest"
	"github.com/lokroom/strata/ratelimit"
	"github.com/lokroom/strata/ratelimit/redislimit"
)

// The limiter follows an address that leads to another primary after a failover, though
// its connection to the old primary stays open.
func TestDial_addressMoves(t *testing.T) {
	address := redistest.StartAddress(t)
	client, err := redislimit.Dial(rueidis.ClientOption{InitAddress: []string{address.Addr()}})
	if err != nil {
		t.Fatal(err)
	}
	defer client.Close()
	l, err := redislimit.New(client, &redislimit.Options{Timeout: 10 * time.Second}, ratelimit.Policy{Name: "p", Limit: 1_000_000, Window: time.Hour})
	if err != nil {
		t.Fatal(err)
	}
	decided := func() bool {
		r, err := l.Allow(t.Context(), "k")
		return err == nil && r.Source == ratelimit.SourceRedis
	}
	redistest.WaitFor(t, "Redis to decide", decided)
	if err := address.Failover(); err != nil {
		t.Fatal(err)
	}
	if !decided() {
		t.Error("the first call after a failover is not decided by Redis")
	}
	if err := address.Failover(); err != nil { // back
		t.Fatal(err)
	}
	redistest.WaitFor(t, "the first primary to decide again", decided)
}
