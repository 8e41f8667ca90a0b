package redistest_test

import (
	"testing"
	"time"

	"github.com/lokroom/strata/internal/redistest"
)

func TestServer_SetClock(t *testing.T) {
	s := redistest.Start(t, &redistest.Options{OwnClock: true})
	for _, ahead := range []time.Duration{0, time.Hour, -time.Hour, 1500 * time.Millisecond} {
		if err := s.SetClock(ahead); err != nil {
			t.Fatal(err)
		}
		at, err := s.Time()
		if err != nil {
			t.Fatal(err)
		}
		if off := time.Until(at) - ahead; off.Abs() > time.Minute {
			t.Errorf("%v ahead: off by %v", ahead, off)
		}
	}
	if err := redistest.Start(t, nil).SetClock(time.Hour); err == nil {
		t.Error("a server without a clock of its own was set")
	}
}
