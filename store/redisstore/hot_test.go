package redisstore_test

import (
	"errors"
	"math"
	"testing"
	"time"

	"github.com/lokroom/strata/internal/redistest"
	"github.com/lokroom/strata/store"
)

// What is left of the life of the list tells how long ago it was added to: reads fade
// for that time, whoever adds.
func TestStore_AddHot_fades(t *testing.T) {
	srv := redistest.Start(t, nil)
	s := strings(dial(t, to(srv)), "p:")
	add := func(reads float64) {
		t.Helper()
		if err := s.AddHot(ctx, []store.Hot{{Key: "k", Reads: reads}}, 10); err != nil {
			t.Fatal(err)
		}
	}
	const key, week = "!p:h:p:", 7 * 24 * time.Hour
	life := func() time.Duration {
		ms, err := srv.Do("PTTL", key)
		if err != nil {
			t.Fatal(err)
		}
		return time.Duration(ms.(int64)) * time.Millisecond
	}
	add(8)
	if left := life(); left > week || left < week-time.Minute {
		t.Errorf("the list is kept for %v", left)
	}
	for _, want := range []float64{12, 14} {
		if _, err := srv.Do("PEXPIRE", key, (life() - store.HotHalfLife).Milliseconds()); err != nil {
			t.Fatal(err)
		}
		add(8)
		got, err := s.ListHot(ctx, 1)
		if err != nil || len(got) != 1 || math.Abs(got[0].Reads/want-1) > 0.05 {
			t.Errorf("got %v, %v; want %v reads", got, err, want)
		}
	}
	if left := life(); left < week-time.Minute {
		t.Errorf("then the list is kept for %v", left)
	}
}

func TestStore_AddHot_errors(t *testing.T) {
	srv := redistest.Start(t, nil)
	s := strings(dial(t, to(srv)), "p:")
	if _, err := srv.Do("SET", "!p:h:p:", "somebody else's"); err != nil {
		t.Fatal(err)
	}
	if err := s.AddHot(ctx, []store.Hot{{Key: "k", Reads: 1}}, 1); !errors.Is(err, store.ErrWrongType) {
		t.Errorf("AddHot to what is no list: %v", err)
	}
	if _, err := s.ListHot(ctx, 1); !errors.Is(err, store.ErrWrongType) {
		t.Errorf("ListHot of what is no list: %v", err)
	}
	srv.Close()
	if _, err := s.ListHot(ctx, 1); !errors.Is(err, store.ErrUnavailable) {
		t.Errorf("ListHot without a server: %v", err)
	}
}
