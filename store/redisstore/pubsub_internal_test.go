package redisstore

import (
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/lokroom/strata/internal/redistest"
	"github.com/redis/rueidis"
)

func TestDecodeKeys(t *testing.T) {
	for _, keys := range [][]string{nil, {"a"}, {"", "b"}, {strings.Repeat("k", 300), "\x00"}} {
		id, got, ok := decodeKeys(encodeKeys("01234567", keys))
		if id != "01234567" || !slices.Equal(got, keys) || !ok {
			t.Errorf("%q: %q, %q, %v", keys, id, got, ok)
		}
	}
	for _, message := range []string{"", "0123456", "01234567\x01", "01234567\xff", "01234567\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\x01", "01234567\x01a\x02b"} {
		if _, keys, ok := decodeKeys(message); ok {
			t.Errorf("%q: %q", message, keys)
		}
	}
}

// TestNextWait: subscriptions that are refused at once are tried ever later, and one that
// lasted lets the next attempt come soon.
func TestNextWait(t *testing.T) {
	wait, total := leastResubscribe, time.Duration(0)
	for range 1000 {
		wait = nextWait(wait, time.Millisecond)
		total += wait
	}
	if wait != mostResubscribe || total < 990*mostResubscribe {
		t.Errorf("after 1000 refusals %v, in all %v", wait, total)
	}
	if wait = nextWait(wait, time.Minute); wait != leastResubscribe {
		t.Errorf("after a minute: %v", wait)
	}
}

// TestAnnouncer_lasted: a subscription lasts from its confirmation on. One that is refused has
// not lasted, however long connecting took.
func TestAnnouncer_lasted(t *testing.T) {
	srv := redistest.Start(t, nil)
	for _, user := range []string{"may", "may-not"} {
		srv.Grant(t, user, "+@all", "~*", "resetchannels")
	}
	srv.Grant(t, "may", "+@all", "~*", "&c")
	for user, killed := range map[string]bool{"may": true, "may-not": false} {
		c, err := (&Dialer{NoTracking: true}).Dial(rueidis.ClientOption{InitAddress: []string{srv.Addr()}, Username: user, Password: "secret"})
		if err != nil {
			t.Fatal(err)
		}
		defer c.Close()
		a := &announcer{link: c.link, watchers: &c.watchers, channel: "c"}
		ended := make(chan time.Duration)
		go func() {
			lasted, _ := a.subscribe(c.link.Life)
			ended <- lasted
		}()
		if killed {
			redistest.WaitFor(t, "the subscription to be killed", func() bool {
				n, err := srv.Do("CLIENT", "KILL", "TYPE", "pubsub")
				return err == nil && n == int64(1)
			})
		}
		if lasted := <-ended; lasted > 0 != killed {
			t.Errorf("%s: the subscription lasted %v", user, lasted)
		}
	}
}

// TestAnnouncer_bound: while nothing can be published, so many keys wait at most.
func TestAnnouncer_bound(t *testing.T) {
	a := &announcer{busy: true}
	for range 3 {
		a.announce(make([]string, mostAnnounced*2/3))
	}
	if n := len(a.waiting); n != mostAnnounced {
		t.Errorf("%d keys wait, want %d", n, mostAnnounced)
	}
}
