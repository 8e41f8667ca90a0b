package redisstore_test

import (
	"errors"
	"os"
	stdstrings "strings"
	"sync/atomic"
	"testing"

	"github.com/lokroom/strata/internal/redistest"
	"github.com/lokroom/strata/store"
	"github.com/lokroom/strata/store/redisstore"
	"github.com/redis/rueidis"
)

// announcing connects a client that publishes what it changes.
func announcing(t testing.TB, opt rueidis.ClientOption) *redisstore.Client {
	t.Helper()
	return dialWith(t, &redisstore.Dialer{Timeout: patience, NoTracking: true, PubSub: "strata:!changes"}, opt)
}

func announcingPair(t *testing.T) (srv *redistest.Server, here, there *redisstore.Store[string]) {
	srv = redistest.Start(t, nil)
	opt := rueidis.ClientOption{InitAddress: []string{redistest.StartUntracked(t, srv.Addr()).Addr()}}
	return srv, strings(announcing(t, opt), "strata:"), strings(announcing(t, opt), "strata:")
}

// subscribed waits until so many clients hear what is published.
func subscribed(t *testing.T, srv *redistest.Server, n int64) {
	t.Helper()
	redistest.WaitFor(t, "the clients to subscribe", func() bool {
		reply, err := srv.Do("PUBLISH", "strata:!changes", "")
		return err == nil && reply == n
	})
}

// TestPubSub_arrives: a change by another process is notified of, once, and the own one is not
// notified of again by its own message.
func TestPubSub_arrives(t *testing.T) {
	srv, here, there := announcingPair(t)
	subscribed(t, srv, 2)
	l, own := watch(t, here), watch(t, there)
	for _, key := range []string{"a", "b"} {
		if err := there.Set(ctx, key, store.Entry[string]{Value: "v"}); err != nil {
			t.Fatal(err)
		}
		l.wait(t, key)
	}
	if err := there.Delete(ctx, "c"); err != nil {
		t.Fatal(err)
	}
	l.wait(t, "c")
	for _, key := range []string{"a", "b", "c"} {
		if n := own.count(key); n != 1 {
			t.Errorf("the writer is notified of %s %d times", key, n)
		}
	}
}

// TestPubSub_lost: after a lost connection, and after messages that mean nothing, the next
// ones are heard again.
func TestPubSub_lost(t *testing.T) {
	srv, here, there := announcingPair(t)
	subscribed(t, srv, 2)
	l := watch(t, here)
	for _, message := range []string{"", "short", "12345678\xff", "12345678\x05abc"} {
		if _, err := srv.Do("PUBLISH", "strata:!changes", message); err != nil {
			t.Fatal(err)
		}
	}
	if n, err := srv.Do("CLIENT", "KILL", "TYPE", "pubsub"); err != nil || n != int64(2) {
		t.Fatalf("%v clients killed, %v", n, err)
	}
	subscribed(t, srv, 2)
	if err := there.Set(ctx, "k", store.Entry[string]{Value: "v"}); err != nil {
		t.Fatal(err)
	}
	l.wait(t, "k")
}

// TestPubSub_many: more keys than fit into a message.
func TestPubSub_many(t *testing.T) {
	srv, here, there := announcingPair(t)
	subscribed(t, srv, 2)
	l := watch(t, here)
	entries := map[string]store.Entry[string]{}
	for _, a := range "abcdefghij" {
		for i := range 200 {
			entries[string(a)+stdstrings.Repeat("x", i)] = store.Entry[string]{Value: "v"}
		}
	}
	if err := there.SetMany(ctx, entries); err != nil {
		t.Fatal(err)
	}
	for key := range entries {
		l.wait(t, key)
	}
}

// TestPubSub_rights: the documented rights are enough, and one that is missing is named.
func TestPubSub_rights(t *testing.T) {
	page, err := os.ReadFile("../../docs/configuration.md")
	if err != nil {
		t.Fatal(err)
	}
	more := "+publish +subscribe &strata:!changes"
	if !stdstrings.Contains(string(page), "`"+more+"`") {
		t.Errorf("docs/configuration.md does not grant %q", more)
	}
	srv := redistest.Start(t, nil)
	line := redistest.DocumentedRights(t, configuration, "untracked")
	all := append(line, stdstrings.Fields(more)...)
	srv.Grant(t, "whole", append(all, "~!strata:*")...)
	here, there := strings(announcing(t, as("whole", srv)), "strata:"), strings(announcing(t, as("whole", srv)), "strata:")
	subscribed(t, srv, 2)
	l := watch(t, here)
	if err := there.Set(ctx, "k", store.Entry[string]{Value: "v"}); err != nil {
		t.Fatal(err)
	}
	l.wait(t, "k")
	if refused := srv.Refusals(t); len(refused) > 0 {
		t.Errorf("refused: %q", refused)
	}
	for grant, without := range map[string][]string{"+publish": {"-publish"}, "&strata:!changes": {"resetchannels"}} {
		srv.Grant(t, "narrow", append(append(append([]string{}, all...), "~!strata:*"), without...)...)
		c := announcing(t, as("narrow", srv))
		strings(c, "strata:")
		if err := c.Ping(ctx); !errors.Is(err, store.ErrAuth) || !stdstrings.Contains(err.Error(), "grant "+grant) {
			t.Errorf("without %s: %v", grant, err)
		}
	}
}

func TestDial_pubSubNeedsNoTracking(t *testing.T) {
	_, err := (&redisstore.Dialer{PubSub: "c"}).Dial(to(server(t)))
	if err == nil || !stdstrings.Contains(err.Error(), "Dialer.PubSub requires NoTracking") {
		t.Error(err)
	}
}

// TestPubSub_closed: Close ends what hears and publishes. TestMain looks for what is left.
func TestPubSub_closed(t *testing.T) {
	c := announcing(t, to(server(t)))
	s := strings(c, "strata:")
	done := make(chan struct{})
	var sets atomic.Int64
	go func() {
		defer close(done)
		for s.Set(ctx, "k", store.Entry[string]{Value: "v"}) == nil {
			sets.Add(1)
		}
	}()
	redistest.WaitFor(t, "some changes", func() bool { return sets.Load() > 10 })
	c.Close()
	<-done
}
