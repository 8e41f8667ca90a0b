package redisstore_test

import (
	"strconv"
	stdstrings "strings"
	"testing"
	"time"

	"github.com/lokroom/strata/internal/redistest"
	"github.com/lokroom/strata/store"
)

// TestPubSub_refused: a user without the right to the channel tries to subscribe ever less
// often, Health has the words of the server, and messages arrive once the right is granted.
func TestPubSub_refused(t *testing.T) {
	srv := redistest.Start(t, nil)
	rights := append(redistest.DocumentedRights(t, configuration, "untracked"), "+publish", "+subscribe", "~!strata:*")
	srv.Grant(t, "whole", append(rights, "&strata:!changes")...)
	srv.Grant(t, "narrow", append(rights, "resetchannels")...)
	began := time.Now()
	narrow := announcing(t, as("narrow", srv))
	const refusals = 4 // 0.2 s, 0.4 s and 0.8 s lie between them
	redistest.WaitFor(t, "subscriptions to be refused", func() bool { return refusedSubscriptions(t, srv) >= refusals })
	if took, least := time.Since(began), 1400*time.Millisecond; took < least {
		t.Errorf("%d attempts within %v, want at least %v", refusals, took, least)
	}
	if h := narrow.Health(); !stdstrings.Contains(h.LastError, "NOPERM") || !stdstrings.Contains(h.LastError, "channel") {
		t.Errorf("Health: %q", h.LastError)
	}
	srv.Grant(t, "narrow", append(rights, "&strata:!changes")...)
	here, there := strings(narrow, "strata:"), strings(announcing(t, as("whole", srv)), "strata:")
	subscribed(t, srv, 2)
	l := watch(t, here)
	if err := there.Set(ctx, "k", store.Entry[string]{Value: "v"}); err != nil {
		t.Fatal(err)
	}
	l.wait(t, "k")
}

// refusedSubscriptions returns how many SUBSCRIBE the server has refused for lack of rights.
func refusedSubscriptions(t *testing.T, srv *redistest.Server) (n int) {
	t.Helper()
	stats, err := srv.Info("commandstats")
	if err != nil {
		t.Fatal(err)
	}
	for part := range stdstrings.SplitSeq(stats["cmdstat_subscribe"], ",") {
		if text, ok := stdstrings.CutPrefix(part, "rejected_calls="); ok {
			if n, err = strconv.Atoi(text); err != nil {
				t.Fatal(err)
			}
		}
	}
	return n
}
