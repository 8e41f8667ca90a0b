package link

import (
	"net"
	"sync/atomic"
	"testing"
	"time"

	"github.com/lokroom/strata/internal/redistest"
	"github.com/redis/rueidis"
)

// TestTracked_dialNotifies shows that a dial beside an open connection counts as a loss.
func TestTracked_dialNotifies(t *testing.T) {
	server := redistest.Start(t, nil)
	var lost atomic.Int64
	c := New(rueidis.ClientOption{InitAddress: []string{server.Addr()}}, Settings{Timeout: 20 * time.Second, Silence: -1, BreakAfter: -1}, Hooks{
		Pushed: func([]string) {}, Lost: func() { lost.Add(1) }, Replaced: func() {},
		Probes: func() bool { return false }, Opened: func() {}, Mended: func() {}, Denied: func() {},
	})
	defer c.Close()
	if _, err := c.Connected(t.Context()); err != nil {
		t.Fatal(err)
	}
	before := lost.Load()
	nc, err := c.dialTracked(t.Context(), server.Addr(), &net.Dialer{}, nil)
	if err != nil {
		t.Fatal(err)
	}
	defer nc.Close()
	if lost.Load() == before {
		t.Error("no loss was reported")
	}
}

func TestTracked_dialling(t *testing.T) {
	var tr tracked
	step := func(what, addr string, want bool) {
		t.Helper()
		if got := tr.dialling(addr); got != want {
			t.Errorf("%s: dialling(%s) = %v, want %v", what, addr, got, want)
		}
	}
	step("an address that is new", "a", true)
	step("it could not be reached", "a", false)
	tr.opened("a")
	step("another one", "b", true)
	step("the first seems open", "a", true)
	tr.opened("a")
	tr.closed("a")
	step("one of two is closed", "a", true)
	tr.closed("a")
	step("both are", "a", false)
}

// A table counts as crowded from the half on, and one that fills in a moment always.
