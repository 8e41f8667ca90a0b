package heartbeat

import (
	"context"
	"strconv"
	"testing"
	"time"

	"github.com/lokroom/strata/internal/redistest"
	"github.com/lokroom/strata/store/redisstore/internal/link"
	"github.com/lokroom/strata/store/redisstore/internal/notify"
	"github.com/redis/rueidis"
)

// open returns a heartbeat over a link to addr, and the connections.
func open(t *testing.T, addr string, most time.Duration) (*Heartbeat, *link.Pair) {
	t.Helper()
	var p *Heartbeat
	ws := &notify.Fanout{}
	l := link.New(rueidis.ClientOption{InitAddress: []string{addr}}, link.Settings{Timeout: time.Second, Silence: most, BreakAfter: 5}, link.Hooks{
		Pushed: func(keys []string) { p.Pushed(keys); ws.Changed(keys, nil) },
		Lost:   ws.All, Replaced: func() { p.Replaced() }, Probes: func() bool { return p.Running() }, Opened: func() { p.Hurry() },
		Mended: func() {}, Denied: func() {},
	})
	t.Cleanup(l.Close)
	p = New(l, ws, most, Hooks{After: func(context.Context, error) {}, Touch: func(context.Context) {}})
	t.Cleanup(p.Stop)
	conns, err := l.Connected(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	return p, conns
}

func TestCrowded(t *testing.T) {
	server := redistest.Start(t, nil)
	_, l := open(t, server.Addr(), time.Minute)
	is := func(limit string) bool {
		t.Helper()
		if _, err := server.Do("CONFIG", "SET", "tracking-table-max-keys", limit); err != nil {
			t.Fatal(err)
		}
		r := l.W.DoMulti(t.Context(), l.W.B().Arbitrary("INFO", "stats").Build(), l.W.B().Arbitrary("CONFIG", "GET", "tracking-table-max-keys").Build())
		return crowded(r[0], r[1])
	}
	read := func(from, to int) {
		t.Helper()
		for i := from; i < to; i += 500 {
			keys := make([]string, 0, 500)
			for j := i; j < min(i+500, to); j++ {
				keys = append(keys, "p:"+strconv.Itoa(j))
			}
			if err := l.T.Do(t.Context(), l.T.B().Mget().Key(keys...).Build()).Error(); err != nil {
				t.Fatal(err)
			}
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
