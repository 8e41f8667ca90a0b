package integration_test

import (
	"context"
	"fmt"
	"sync/atomic"
	"testing"
	"time"

	"github.com/lokroom/strata"
	"github.com/lokroom/strata/codec"
	"github.com/lokroom/strata/internal/redistest"
	"github.com/lokroom/strata/store/redisstore"
)

// An unstorableFleet is two processes, each with a cache of values that Redis cannot hold.
type unstorableFleet struct {
	backends [2]*strata.Backend
	caches   [2]*strata.Cache[int, int]
	loads    [2]atomic.Int64
	value    atomic.Int64 // at the source; the codec cannot encode negative ones
}

func newUnstorableFleet(t *testing.T, tracking strata.Tracking, o strata.Options[int, int]) *unstorableFleet {
	t.Helper()
	f := &unstorableFleet{}
	f.value.Store(-2)
	url := redistest.Start(t, nil).URL()
	o.Codec = pickyCodec{codec.Msgpack[int]()}
	for i := range f.caches {
		b, err := strata.Open(t.Context(), &strata.Config{RedisURL: url, Tracking: tracking})
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { b.Close() })
		f.backends[i] = b
		f.caches[i], err = strata.New(b, "picky", func(context.Context, int) (int, error) {
			f.loads[i].Add(1)
			return int(f.value.Load()), nil
		}, &o)
		if err != nil {
			t.Fatal(err)
		}
	}
	return f
}

// A readOne reads the value of id 1, or the older of those of 1 and 2: each change makes it smaller.
type readOne func(*strata.Cache[int, int], context.Context) (int, error)

var readsOfOne = map[string]readOne{
	"Get": func(c *strata.Cache[int, int], ctx context.Context) (int, error) { return c.Get(ctx, 1) },
	"GetMany": func(c *strata.Cache[int, int], ctx context.Context) (int, error) {
		got, err := c.GetMany(ctx, []int{1, 2})
		return max(got[1], got[2]), err
	},
}

// read reads in both processes, alternately.
func (f *unstorableFleet) read(t *testing.T, read readOne, times int) {
	t.Helper()
	for range times {
		for i, c := range f.caches {
			if v, err := read(c, t.Context()); err != nil || int64(v) != f.value.Load() {
				t.Fatalf("process %d has %d, %v; the source has %d", i, v, err, f.value.Load())
			}
		}
	}
}

// Each process keeps its copy of a value that Redis cannot hold, and loads it once: copies
// of others do not drop it or make it suspect. A change still reaches all of them.
func TestUnstorable_copiesStay(t *testing.T) {
	tagged := strata.Options[int, int]{Tags: func(int, int) []string { return []string{"all"} }}
	changes := map[string]func(f *unstorableFleet, i int) error{
		"Delete":         func(f *unstorableFleet, i int) error { return f.caches[i].Delete(t.Context(), 1, 2) },
		"Clear":          func(f *unstorableFleet, i int) error { return f.caches[i].Clear(t.Context()) },
		"InvalidateTags": func(f *unstorableFleet, i int) error { return f.backends[i].InvalidateTags(t.Context(), "all") },
	}
	for _, tracking := range []strata.Tracking{strata.PerKey, strata.Broadcast, strata.NoTracking} {
		for name, read := range readsOfOne {
			t.Run(fmt.Sprint(tracking, " ", name), func(t *testing.T) {
				t.Parallel()
				f := newUnstorableFleet(t, tracking, tagged)
				// Without tracking, L2 is asked about a copy after MaxStale. A batch asks for the value
				// and loads what L2 does not have.
				counted := tracking != strata.NoTracking || name == "Get"
				f.read(t, read, 20)
				time.Sleep(redisstore.DefaultMaxDisconnected + 200*time.Millisecond) // longer than MaxDisconnected: they are not copies from an outage
				f.read(t, read, 1)
				for i := range f.loads {
					if n := f.loads[i].Load(); n != 1 && name == "Get" {
						t.Errorf("process %d loaded %d times", i, n)
					}
				}
				for what, change := range changes {
					for i := range f.caches { // by either process
						f.value.Add(-2)
						if err := change(f, i); err != nil {
							t.Fatal(err)
						}
						redistest.WaitFor(t, what+" to be seen by both", func() bool {
							a, _ := read(f.caches[0], t.Context())
							b, _ := read(f.caches[1], t.Context())
							return a == b && int64(a) == f.value.Load()
						})
						before := f.loads[0].Load() + f.loads[1].Load()
						f.read(t, read, 5)
						if after := f.loads[0].Load() + f.loads[1].Load(); counted && after != before {
							t.Errorf("after %s there were %d loads more", what, after-before)
						}
					}
				}
			})
		}
	}
}
