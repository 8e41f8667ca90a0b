package redisstore

import (
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/lokroom/strata/codec"
	"github.com/lokroom/strata/internal/redistest"
	"github.com/lokroom/strata/store"
	"github.com/redis/rueidis"
)

// TestBroadcast_notified: what was never read is notified as well, and so are the keys that
// a store keeps for itself; what others have is not.
func TestBroadcast_notified(t *testing.T) {
	srv := redistest.Start(t, nil)
	c, err := (&Dialer{Timeout: 20 * time.Second, Broadcast: []string{"p:", "q:"}}).Dial(rueidis.ClientOption{InitAddress: []string{srv.Addr()}})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(c.Close)
	var mu sync.Mutex
	var ofS, ofAll []string
	note := func(keys *[]string) func(store.Invalidation) {
		return func(inv store.Invalidation) {
			mu.Lock()
			defer mu.Unlock()
			*keys = append(*keys, inv.Keys...)
		}
	}
	told := func(keys *[]string, key string) bool {
		mu.Lock()
		defer mu.Unlock()
		return slices.Contains(*keys, key)
	}
	stop, err := New(c, &Options[string]{Prefix: "p:sub:", Codec: codec.String()}).Watch(store.Watching{Changed: note(&ofS)})
	if err != nil {
		t.Fatal(err)
	}
	defer stop()
	defer c.watchers.Watch("", nil, note(&ofAll))() // no store can have all keys with these broadcasts
	for _, key := range []string{"p:sub:k", "other:k", "!other:k", "q:k", "!p:another", "!q:fence"} {
		if _, err := srv.Do("SET", key, "v"); err != nil {
			t.Fatal(err)
		}
	}
	redistest.WaitFor(t, "the last key to be notified", func() bool { return told(&ofAll, "!q:fence") })
	redistest.WaitFor(t, "the store to be notified", func() bool { return told(&ofS, "k") })
	for key, want := range map[string]bool{"p:sub:k": true, "q:k": true, "!p:another": true, "other:k": false, "!other:k": false} {
		if told(&ofAll, key) != want {
			t.Errorf("notified of %q: %v, want %v", key, !want, want)
		}
	}
	info, err := srv.Info("stats")
	if err != nil || info["tracking_total_keys"] != "0" {
		t.Errorf("the server remembers %s keys, %v", info["tracking_total_keys"], err)
	}
}
