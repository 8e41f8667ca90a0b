package redisstore

import (
	"net"
	"strconv"
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

// A table counts as crowded from the half on, and one that fills in a moment always.
func TestCrowded(t *testing.T) {
	server := redistest.Start(t, nil)
	c, err := Dial(rueidis.ClientOption{InitAddress: []string{server.Addr()}})
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	s := New[int](c, &Options[int]{Prefix: "p:"})
	is := func(limit string) bool {
		t.Helper()
		if _, err := server.Do("CONFIG", "SET", "tracking-table-max-keys", limit); err != nil {
			t.Fatal(err)
		}
		w := c.links.Load().w
		r := w.DoMulti(t.Context(), w.B().Arbitrary("INFO", "stats").Build(), w.B().Arbitrary("CONFIG", "GET", "tracking-table-max-keys").Build())
		return crowded(r[0], r[1])
	}
	read := func(from, to int) {
		t.Helper()
		keys := make([]string, 0, to-from)
		for i := from; i < to; i++ {
			keys = append(keys, strconv.Itoa(i))
		}
		if _, err := s.GetMany(t.Context(), keys); err != nil {
			t.Fatal(err)
		}
	}
	read(0, 9_000)
	if is("1000000") || is("20000") || is("0") { // 0: no limit
		t.Error("9,000 keys are a crowd")
	}
	if !is("19999") {
		t.Error("a small table is none")
	}
	read(9_000, 10_000)
	if !is("20000") {
		t.Error("half of what may be is none")
	}
	if is("0") || is("20200") {
		t.Error("less than half is a crowd, or there is one without a limit")
	}
}
