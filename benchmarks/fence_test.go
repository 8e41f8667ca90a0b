package benchmarks_test

import (
	"context"
	"testing"

	"github.com/lokroom/strata"
	"github.com/lokroom/strata/layered"
	"github.com/lokroom/strata/store"
	"github.com/lokroom/strata/store/redisstore"
)

// BenchmarkL1HitFences reads hot keys from memory, without an L2 and with one that sends
// invalidations and heartbeats. The difference is the cost of coherence per hit.
func BenchmarkL1HitFences(b *testing.B) {
	for _, c := range fences(b) {
		b.Run("impl="+c.name+"/mode=serial", func(b *testing.B) { benchSerial(b, c) })
		b.Run("impl="+c.name+"/mode=parallel", func(b *testing.B) { benchParallel(b, c) })
	}
}

func fences(t testing.TB) []contender {
	t.Helper()
	remote := redisstore.New(dial(t), &redisstore.Options[listing]{Prefix: prefix()})
	return []contender{
		{"alone", localHit(t, openLayered(t, openL1[listing](t, strata.Otter), nil))},
		{"fenced", localHit(t, openLayered(t, openL1[listing](t, strata.Otter), store.Store[listing](remote)))},
	}
}

// BenchmarkL1HitRefresh reads hot keys from memory, without and with refresh times, none of
// which is reached.
func BenchmarkL1HitRefresh(b *testing.B) {
	for _, c := range refreshes(b) {
		b.Run("impl="+c.name+"/mode=serial", func(b *testing.B) { benchSerial(b, c) })
		b.Run("impl="+c.name+"/mode=parallel", func(b *testing.B) { benchParallel(b, c) })
	}
}

func refreshes(t testing.TB) (contenders []contender) {
	t.Helper()
	for _, c := range []struct {
		name string
		o    layered.Options[listing]
	}{
		{"never", layered.Options[listing]{TTL: life}},
		{"ahead", layered.Options[listing]{TTL: life, RefreshAhead: 0.9}},
		{"drawn", layered.Options[listing]{TTL: life, RefreshBeta: 1}},
	} {
		s, err := layered.New(openL1[listing](t, strata.Otter), nil, &c.o)
		fill(t, err)
		t.Cleanup(func() { s.Close() })
		contenders = append(contenders, contender{c.name, foundHit(t, s)})
	}
	return contenders
}

// foundHit is localHit that also checks whether the value needs a refresh.
func foundHit(t testing.TB, s *layered.Store[listing]) func(int) error {
	t.Helper()
	localHit(t, s)
	load := func(context.Context, string) (store.Entry[listing], error) { return store.Entry[listing]{}, errWrong }
	return func(i int) error {
		if e, err := s.GetOrLoad(ctx, names[i], load); err != nil || e.Value.ID != int64(i) {
			return errWrong
		}
		return nil
	}
}

// localHit loads the hot keys and returns a function that finds them in L1.
func localHit(t testing.TB, s *layered.Store[listing]) func(int) error {
	t.Helper()
	for i, name := range names {
		_, err := s.GetOrLoad(ctx, name, func(context.Context, string) (store.Entry[listing], error) {
			return store.Entry[listing]{Value: newListing(i)}, nil
		})
		fill(t, err)
	}
	return func(i int) error {
		if e, ok := s.Local(ctx, names[i]); !ok || e.Value.ID != int64(i) {
			return errWrong
		}
		return nil
	}
}
