package flight_test

import (
	"context"
	"testing"
	"testing/synctest"
	"time"

	"github.com/lokroom/strata/internal/flight"
)

func TestOffer(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var g flight.Group[int]
		c, _ := g.Begin(t.Context(), "k")
		if _, _, stands := c.Offered(); stands {
			t.Error("something was offered before the first Offer")
		}
		early := c.Offers()
		select {
		case <-early:
			t.Error("closed before the first Offer")
		default:
		}
		began := time.Now()
		c.Offer(1)
		<-early
		<-c.Offers()
		time.Sleep(time.Second)
		c.Offer(2)
		if v, since, stands := c.Offered(); v != 2 || !stands || !since.Equal(began) {
			t.Errorf("offered %d since %v, %v; want 2 since the first", v, since, stands)
		}
		g.Forget("k")
		if v, _, stands := c.Offered(); v != 2 || stands {
			t.Errorf("after Forget: %d, %v; want 2 that does not stand", v, stands)
		}
		c.Renew()
		if _, _, stands := c.Offered(); stands {
			t.Error("Renew is about the work, not about what was offered before")
		}
		c.Finish(3, nil)
		if v, err := c.Wait(t.Context()); v != 3 || err != nil {
			t.Errorf("got %d, %v", v, err)
		}
	})
}

// What is offered by a call that was forgotten before does not stand either.
func TestOffer_afterForget(t *testing.T) {
	var g flight.Group[int]
	c, _ := g.Begin(t.Context(), "k")
	defer c.Finish(0, nil)
	g.Block("k")
	g.Unblock("k")
	c.Offer(1)
	<-c.Offers() // asked for after it was made
	if _, _, stands := c.Offered(); stands {
		t.Error("it stands")
	}
}

func TestDetach(t *testing.T) {
	for _, detached := range []bool{false, true} {
		var g flight.Group[int]
		ctx, cancel := context.WithCancel(t.Context())
		c, _ := g.Begin(ctx, "k")
		g.Begin(ctx, "k")
		if detached {
			c.Detach()
		}
		c.Quit()
		if c.Context().Err() != nil {
			t.Error("cancelled while somebody waits")
		}
		cancel()
		c.Wait(ctx)
		if (c.Context().Err() == nil) != detached {
			t.Errorf("detached %v: nobody waits, and the work has %v", detached, c.Context().Err())
		}
		if _, lead := g.Begin(t.Context(), "k"); lead == detached {
			t.Errorf("detached %v: a newcomer leads: %v", detached, lead)
		}
		select {
		case <-c.Done():
			t.Error("done before Finish")
		default:
		}
		c.Finish(1, nil)
		<-c.Done()
	}
}
