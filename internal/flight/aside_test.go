package flight_test

import (
	"testing"
	"testing/synctest"

	"github.com/lokroom/strata/internal/flight"
)

func TestBeginAside_isJoinedOnlyByItsKind(t *testing.T) {
	var g flight.Group[int]
	defer g.Close()
	aside, lead := g.BeginAside(t.Context(), "k")
	if !lead {
		t.Fatal("nobody else was there")
	}
	c, lead := g.Begin(t.Context(), "k")
	if !lead || c == aside {
		t.Error("Begin joined a call aside")
	}
	if again, lead := g.BeginAside(t.Context(), "k"); lead || again != aside {
		t.Error("BeginAside did not join the call aside")
	}
	c.Finish(1, nil)
	if again, lead := g.BeginAside(t.Context(), "k"); lead || again != aside {
		t.Error("the end of a call ended the one aside")
	}
	aside.Finish(2, nil)
	for c, want := range map[*call]int{c: 1, aside: 2} {
		if v, err := c.Wait(t.Context()); v != want || err != nil {
			t.Errorf("got %d, %v; want %d", v, err, want)
		}
	}
	next, lead := g.BeginAside(t.Context(), "k")
	if !lead {
		t.Error("a call aside that has finished was joined")
	}
	next.Finish(3, nil)
}

func TestBeginAside_isForgottenBlockedAndClosedLikeAnyOther(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var g flight.Group[int]
		for name, forget := range map[string]func(){
			"Forget":    func() { g.Forget("k") },
			"ForgetAll": func() { g.ForgetAll() },
			"Block":     func() { g.Block("k"); g.Unblock("k") },
		} {
			c, _ := g.BeginAside(t.Context(), "k")
			forget()
			if !c.Forgotten() || c.Keep(func() {}) {
				t.Errorf("%s did not reach a call aside", name)
			}
			other, lead := g.BeginAside(t.Context(), "k")
			if !lead {
				t.Errorf("after %s a call aside is joined", name)
			}
			c.Finish(0, nil)
			other.Finish(0, nil)
		}
		c, _ := g.BeginAside(t.Context(), "k") // nobody waits for it
		synctest.Wait()
		if c.Context().Err() != nil {
			t.Error("a call that nobody waits for was cancelled")
		}
		closed := make(chan struct{})
		go func() {
			g.Close()
			close(closed)
		}()
		<-c.Context().Done()
		synctest.Wait()
		select {
		case <-closed:
			t.Error("Close did not wait for a call aside")
		default:
		}
		c.Finish(0, nil)
		<-closed
	})
}
