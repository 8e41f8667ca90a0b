package redisstore_test

import (
	"fmt"
	"sync/atomic"
	"testing"
	"time"

	"github.com/lokroom/strata/codec"
	"github.com/lokroom/strata/store"
	"github.com/lokroom/strata/store/redisstore"
	"github.com/redis/rueidis"
)

// A listing is about half a kilobyte in msgpack.
type listing struct {
	ID, Owner            int64
	Title, City, Country string
	Text                 string
	Price, Deposit       float64
	Beds, Baths, Guests  int
	Pets, Instant        bool
	Photos               []string
	Created, Updated     time.Time
}

func aListing() listing {
	now := time.UnixMilli(1_700_000_000_000).UTC()
	return listing{
		ID: 42, Owner: 7, Title: "A quiet flat near the river", City: "Paris", Country: "France",
		Text:  "Two rooms on the third floor, with a view of the courtyard. Five minutes on foot to the metro, ten to the market.",
		Price: 129.5, Deposit: 300, Beds: 2, Baths: 1, Guests: 4, Instant: true,
		Photos:  []string{"https://img.example.com/1.jpg", "https://img.example.com/2.jpg", "https://img.example.com/3.jpg"},
		Created: now, Updated: now,
	}
}

// callers runs op in n goroutines for each processor's worth that b asks for.
func callers(b *testing.B, n int, op func() error) {
	b.Helper()
	b.ReportAllocs()
	b.SetParallelism(max(1, n/2))
	b.RunParallel(func(pb *testing.PB) {
		for pb.Next() {
			if err := op(); err != nil {
				b.Error(err)
				return
			}
		}
	})
}

// BenchmarkGet compares a hit with the least that a client of rueidis could do:
// GET and the same decoding.
func BenchmarkGet(b *testing.B) {
	c := dial(b, to(server(b)))
	s := redisstore.New(c, &redisstore.Options[listing]{Prefix: prefix()})
	if err := s.Set(ctx, "k", store.Entry[listing]{Value: aListing(), ExpiresAt: store.In(time.Hour)}); err != nil {
		b.Fatal(err)
	}
	opt := to(server(b))
	opt.PipelineMultiplex, opt.AlwaysPipelining, opt.DisableCache = -1, true, true
	raw, err := rueidis.NewClient(opt)
	if err != nil {
		b.Fatal(err)
	}
	defer raw.Close()
	m := codec.Msgpack[listing]()
	blob, err := m.Append(nil, aListing())
	if err != nil {
		b.Fatal(err)
	}
	key := prefix()
	if err := raw.Do(ctx, raw.B().Set().Key(key).Value(rueidis.BinaryString(blob)).Build()).Error(); err != nil {
		b.Fatal(err)
	}
	for _, n := range []int{1, 64, 256} {
		b.Run(fmt.Sprintf("redisstore/callers=%d", n), func(b *testing.B) {
			callers(b, n, func() error { _, err := s.Get(ctx, "k"); return err })
		})
		b.Run(fmt.Sprintf("GET and decode/callers=%d", n), func(b *testing.B) {
			callers(b, n, func() error {
				blob, err := raw.Do(ctx, raw.B().Get().Key(key).Build()).AsBytes()
				if err == nil {
					_, err = m.Decode(blob)
				}
				return err
			})
		})
		b.Run(fmt.Sprintf("PTTL, GET and decode/callers=%d", n), func(b *testing.B) {
			callers(b, n, func() error {
				r := raw.DoMulti(ctx, raw.B().Pttl().Key(key).Build(), raw.B().Get().Key(key).Build())
				blob, err := r[1].AsBytes()
				if err == nil {
					_, err = m.Decode(blob)
				}
				return err
			})
		})
	}
}

func BenchmarkSet(b *testing.B) {
	s := redisstore.New(dial(b, to(server(b))), &redisstore.Options[listing]{Prefix: prefix()})
	e := store.Entry[listing]{Value: aListing(), ExpiresAt: store.In(time.Hour)}
	for _, n := range []int{1, 64} {
		b.Run(fmt.Sprintf("callers=%d", n), func(b *testing.B) {
			var i atomic.Int64
			callers(b, n, func() error { return s.Set(ctx, fmt.Sprint(i.Add(1)%1000), e) })
		})
	}
}

func BenchmarkGetMany(b *testing.B) {
	s := redisstore.New(dial(b, to(server(b))), &redisstore.Options[listing]{Prefix: prefix()})
	entries := map[string]store.Entry[listing]{}
	var keys []string
	for i := range 100 {
		keys = append(keys, fmt.Sprint(i))
		entries[keys[i]] = store.Entry[listing]{Value: aListing(), ExpiresAt: store.In(time.Hour)}
	}
	if err := s.SetMany(ctx, entries); err != nil {
		b.Fatal(err)
	}
	b.ReportAllocs()
	for b.Loop() {
		if found, err := store.GetMap(ctx, s, keys); err != nil || len(found) != 100 {
			b.Fatal(len(found), err)
		}
	}
}

// BenchmarkTags compares a hit, a Set and a load of an entry with tags with those of one
// without.
func BenchmarkTags(b *testing.B) {
	s := redisstore.New(dial(b, to(server(b))), &redisstore.Options[listing]{Prefix: prefix()})
	for name, tags := range map[string][]string{"none": nil, "three": {"city:paris", "owner:7", "listing:42"}} {
		e := store.Entry[listing]{Value: aListing(), ExpiresAt: store.In(time.Hour), Tags: tags}
		if err := s.Set(ctx, name, e); err != nil {
			b.Fatal(err)
		}
		for op, f := range map[string]func() error{
			"hit": func() error { _, err := s.Get(ctx, name); return err },
			"set": func() error { return s.Set(ctx, name, e) },
			"load": func() error {
				g, err := s.Lease(ctx, name+" loaded", time.Minute, 0)
				if err != nil {
					return err
				}
				loaded := e
				loaded.Stamp = g.Stamp
				if _, _, err = s.FillLeased(ctx, name+" loaded", g.Lease, loaded); err != nil {
					return err
				}
				return s.Delete(ctx, name+" loaded")
			},
		} {
			b.Run("op="+op+"/tags="+name, func(b *testing.B) {
				b.ReportAllocs()
				for b.Loop() {
					if err := f(); err != nil {
						b.Fatal(err)
					}
				}
			})
		}
	}
}
