package integration_test

import (
	"errors"
	"strings"
	"testing"

	"github.com/lokroom/strata"
	"github.com/lokroom/strata/internal/redistest"
	"github.com/lokroom/strata/layered"
	"github.com/lokroom/strata/store/redisstore"
)

// A value that a process has loaded itself is in its L1, in both modes, and stays there
// until it is changed.
func TestFill_leavesL1Warm(t *testing.T) { inBothModes(t, fillLeavesL1Warm) }

func fillLeavesL1Warm(t *testing.T, build builder) {
	server := redistest.Start(t, nil)
	a, b := build(t, server, nil), build(t, server, nil)
	for v := range 50 {
		want(t, a, now(v), v, layered.Origin)
		want(t, a, now(-1), v, layered.L1)
		if err := b.Delete(t.Context(), "k"); err != nil {
			t.Fatal(err)
		}
		redistest.WaitFor(t, "the change to be notified", func() bool {
			_, ok := a.Local(t.Context(), "k")
			return !ok
		})
	}
}

// A client that receives no invalidations for the keys of a store is rejected when the
// store is used.
func TestBroadcast_uncovered(t *testing.T) {
	server := redistest.Start(t, nil)
	client := dialWith(t, redisstore.Dialer{Broadcast: []string{"a:"}}, server.Addr())
	covered := redisstore.New[int](client, &redisstore.Options[int]{Prefix: "a:b:"})
	tiers(t, nil, covered, nil)
	refused := func(err error) {
		t.Helper()
		if err == nil || !strings.Contains(err.Error(), "Dialer.Broadcast") || errors.Is(err, errors.ErrUnsupported) {
			t.Errorf("got %v", err)
		}
	}
	_, err := layered.New(nil, redisstore.New[int](client, nil), nil)
	refused(err)
	b, err := strata.Open(t.Context(), &strata.Config{Redis: client, Prefix: "c:"})
	if err != nil {
		t.Fatal(err)
	}
	defer b.Close()
	_, err = strata.New[int, int](b, "n", nil, nil)
	refused(err)
}
