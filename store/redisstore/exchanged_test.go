package redisstore_test

import (
	"testing"
	"time"

	"github.com/lokroom/strata/internal/redistest"
	"github.com/lokroom/strata/store/redisstore"
)

// Commands that exchange the data of the server without a sign that a read could find are
// noticed by the next heartbeat, also when they leave everything as it was.
func TestStore_RolledBack_dataExchanged(t *testing.T) {
	srv := redistest.Start(t, &redistest.Options{Config: []string{"enable-debug-command local"}})
	for _, c := range []struct {
		name     string
		commands [][]any
	}{
		{"swapped", [][]any{{"SWAPDB", 0, 1}}},
		{"swapped back", [][]any{{"SWAPDB", 0, 1}}},
		{"swapped there and back", [][]any{{"MULTI"}, {"SWAPDB", 0, 1}, {"SWAPDB", 0, 1}, {"EXEC"}}},
		{"swapped by a script", [][]any{{"EVAL", "redis.call('SWAPDB', 0, 1) return redis.call('SWAPDB', 0, 1)", 0}}},
		{"swapped after the counts were reset", [][]any{{"CONFIG", "RESETSTAT"}, {"SWAPDB", 0, 1}}},
		{"an old file is loaded", [][]any{{"SAVE"}, {"SET", "p:k", "new"}, {"DEBUG", "RELOAD", "NOSAVE"}}},
	} {
		t.Run(c.name, func(t *testing.T) {
			s := strings(dialWith(t, &redisstore.Dialer{Timeout: patience, MaxDisconnected: time.Second}, to(srv)), "p:")
			w := listen(t, s)
			for _, command := range c.commands {
				if _, err := srv.Do(command...); err != nil {
					t.Fatal(err)
				}
			}
			redistest.WaitFor(t, "it to be told", func() bool { return w.count("rewound") == 1 && w.count("all") > 0 })
		})
	}
}

// What exchanges nothing is not taken for it.
func TestStore_RolledBack_nothingExchanged(t *testing.T) {
	srv := redistest.Start(t, nil)
	s := strings(dialWith(t, &redisstore.Dialer{Timeout: patience, MaxDisconnected: 100 * time.Millisecond}, to(srv)), "p:")
	w := listen(t, s)
	for _, command := range [][]any{{"CONFIG", "RESETSTAT"}, {"FLUSHDB"}, {"SELECT", 1}, {"FLUSHDB"}} {
		if _, err := srv.Do(command...); err != nil {
			t.Fatal(err)
		}
	}
	redistest.WaitFor(t, "some heartbeats", func() bool { return calls(t, srv)["time"] > 3 })
	if n := w.count("rewound"); n != 0 {
		t.Errorf("it was told %d times", n)
	}
}
