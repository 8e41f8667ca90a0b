package redisstore

import (
	"net"
	"sync/atomic"
	"testing"

	"github.com/lokroom/strata/internal/redistest"
	"github.com/lokroom/strata/store"
	"github.com/redis/rueidis"
)

// A dial that replaces a connection which seems open tells of its loss before anything
// can be asked over the new one.
func TestTracked_dialTells(t *testing.T) {
	server := redistest.Start(t, nil)
	c, err := Dial(rueidis.ClientOption{InitAddress: []string{server.Addr()}})
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	var told atomic.Int64
	defer New[int](c, nil).Watch(func(iv store.Invalidation) {
		if iv.All {
			told.Add(1)
		}
	})()
	if err := c.Ping(t.Context()); err != nil {
		t.Fatal(err)
	}
	before := told.Load()
	nc, err := c.dialTracked(t.Context(), server.Addr(), &net.Dialer{}, nil)
	if err != nil {
		t.Fatal(err)
	}
	defer nc.Close()
	if told.Load() == before {
		t.Error("watchers were not told")
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
