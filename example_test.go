package strata_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log"
	"os"
	"slices"
	"sync/atomic"
	"time"

	"github.com/lokroom/strata"
	"github.com/lokroom/strata/keys"
	"github.com/lokroom/strata/ratelimit"
	"github.com/lokroom/strata/store"
)

// A Listing is what the examples cache.
type Listing struct {
	ID    int64
	Title string
	Price int
}

// A shop is a source: the examples read it as programs read a database.
type shop map[int64]Listing

func newShop() shop {
	return shop{
		1: {ID: 1, Title: "Loft by the canal", Price: 120},
		2: {ID: 2, Title: "Room with a view", Price: 45},
		3: {ID: 3, Title: "Boathouse", Price: 80},
	}
}

// ListingByID is a loader: it fits New as it is.
func (s shop) ListingByID(_ context.Context, id int64) (Listing, error) {
	l, ok := s[id]
	if !ok {
		return Listing{}, fmt.Errorf("listing %d: %w", id, store.ErrNotFound)
	}
	fmt.Println("loading", id)
	return l, nil
}

// ListingsByID is one query for many.
func (s shop) ListingsByID(_ context.Context, ids []int64) (map[int64]Listing, error) {
	fmt.Println("loading", len(ids), "at once")
	found := make(map[int64]Listing)
	for _, id := range ids {
		if l, ok := s[id]; ok {
			found[id] = l
		}
	}
	return found, nil
}

func Example() {
	ctx := context.Background()
	repo := newShop()

	// One per process. With RedisURL there is a second tier that all processes share.
	b, err := strata.Open(ctx, &strata.Config{Memory: 64 << 20})
	if err != nil {
		log.Fatal(err)
	}
	defer b.Close()

	// One per kind of value. The types are those of the loader.
	listings, err := strata.New(b, "listing", repo.ListingByID, &strata.Options[int64, Listing]{
		TTL: keys.Medium,
	})
	if err != nil {
		log.Fatal(err)
	}

	for range 3 {
		l, err := listings.Get(ctx, 2)
		fmt.Println(l.Title, l.Price, err)
	}

	// After a change of the source, delete the cached value.
	repo[2] = Listing{ID: 2, Title: "Room with a view", Price: 50}
	if err := listings.Delete(ctx, 2); err != nil {
		log.Print(err) // other processes may serve the old value for a while
	}
	l, err := listings.Get(ctx, 2)
	fmt.Println(l.Title, l.Price, err)
	// Output:
	// loading 2
	// Room with a view 45 <nil>
	// Room with a view 45 <nil>
	// Room with a view 45 <nil>
	// loading 2
	// Room with a view 50 <nil>
}

func ExampleOpen() {
	// With RedisURL: "redis://localhost:6379" there are two tiers, and nothing
	// else changes.
	b, err := strata.Open(context.Background(), &strata.Config{
		Memory: 128 << 20,
		Engine: strata.Otter,
	})
	if err != nil {
		log.Fatal(err)
	}
	defer b.Close()
	fmt.Println(b.Ping(context.Background()))

	_, err = strata.Open(context.Background(), &strata.Config{Engine: 7, RedisPassword: "secret"})
	fmt.Println(err)
	// Output:
	// <nil>
	// strata: Config.RedisPassword requires RedisURL; Config.Engine is unknown: Engine(7)
}

func ExampleFromEnv() {
	os.Setenv("STRATA_MEMORY", "256MiB")
	os.Setenv("STRATA_ENGINE", "ristretto")
	defer os.Unsetenv("STRATA_MEMORY")
	defer os.Unsetenv("STRATA_ENGINE")

	c, err := strata.FromEnv()
	if err != nil {
		log.Fatal(err)
	}
	fmt.Println(c.Memory>>20, c.Engine)

	os.Setenv("STRATA_MEMORY", "a lot")
	_, err = strata.FromEnv()
	fmt.Println(err)
	// Output:
	// 256 ristretto
	// strata: STRATA_MEMORY="a lot": want bytes like "67108864", "64MiB" or "1GB", or "off"
}

func ExampleNew() {
	b, err := strata.Open(context.Background(), nil)
	if err != nil {
		log.Fatal(err)
	}
	defer b.Close()

	listings, err := strata.New(b, "listing", newShop().ListingByID, nil)
	if err != nil {
		log.Fatal(err)
	}
	fmt.Println(listings.Name())

	_, err = strata.New(b, "listing", newShop().ListingByID, nil)
	fmt.Println(err)
	// Output:
	// listing
	// strata: cache "listing": the backend already has a cache with this name
}

func ExampleNew_options() {
	ctx := context.Background()
	b, err := strata.Open(ctx, nil)
	if err != nil {
		log.Fatal(err)
	}
	defer b.Close()

	listings, err := strata.New(b, "listing", newShop().ListingByID, &strata.Options[int64, Listing]{
		TTL:       keys.Long,
		StaleFor:  24 * time.Hour,  // returned for that much longer if the source fails
		AbsentFor: 5 * time.Second, // how long absence is remembered
		TTLOf: func(_ int64, l Listing) time.Duration {
			if l.Price < 50 {
				return keys.Short // cheap ones sell fast
			}
			return 0 // TTL
		},
	})
	if err != nil {
		log.Fatal(err)
	}
	for _, id := range []int64{1, 2} {
		e, err := listings.GetEntry(ctx, id)
		fmt.Println(e.Value.Title, e.StaleAt.Until() <= time.Minute, err)
	}
	// Output:
	// loading 1
	// Loft by the canal false <nil>
	// loading 2
	// Room with a view true <nil>
}

func ExampleCache_Get() {
	ctx := context.Background()
	b, err := strata.Open(ctx, nil)
	if err != nil {
		log.Fatal(err)
	}
	defer b.Close()
	var asked atomic.Int32
	titles, err := strata.New(b, "title", func(_ context.Context, id string) (string, error) {
		asked.Add(1)
		if id != "home" {
			return "", store.ErrNotFound
		}
		return "Welcome", nil
	}, nil)
	if err != nil {
		log.Fatal(err)
	}

	for _, id := range []string{"home", "home", "nowhere", "nowhere"} {
		title, err := titles.Get(ctx, id)
		switch {
		case errors.Is(err, store.ErrNotFound):
			fmt.Println("there is none")
		case err != nil:
			fmt.Println("the source failed:", err)
		default:
			fmt.Println(title)
		}
	}
	fmt.Println("the source was asked", asked.Load(), "times")
	// Output:
	// Welcome
	// Welcome
	// there is none
	// there is none
	// the source was asked 2 times
}

func ExampleCache_GetMany() {
	ctx := context.Background()
	b, err := strata.Open(ctx, nil)
	if err != nil {
		log.Fatal(err)
	}
	defer b.Close()
	repo := newShop()
	listings, err := strata.New(b, "listing", repo.ListingByID, &strata.Options[int64, Listing]{
		LoadMany: repo.ListingsByID,
	})
	if err != nil {
		log.Fatal(err)
	}

	for _, ids := range [][]int64{{1, 2, 99}, {1, 2, 3, 99}} {
		found, err := listings.GetMany(ctx, ids)
		if err != nil {
			log.Fatal(err)
		}
		for _, id := range ids {
			if l, ok := found[id]; ok {
				fmt.Println(id, l.Title)
			}
		}
	}
	// Output:
	// loading 3 at once
	// 1 Loft by the canal
	// 2 Room with a view
	// loading 1 at once
	// 1 Loft by the canal
	// 2 Room with a view
	// 3 Boathouse
}

func ExampleCache_GetEntry() {
	ctx := context.Background()
	b, err := strata.Open(ctx, nil)
	if err != nil {
		log.Fatal(err)
	}
	defer b.Close()
	listings, err := strata.New(b, "listing", newShop().ListingByID, nil)
	if err != nil {
		log.Fatal(err)
	}

	for range 2 {
		e, err := listings.GetEntry(ctx, 3)
		fmt.Println(e.Value.Title, "from", e.Tier, e.Stale, err)
	}
	e, err := listings.GetEntry(ctx, 99)
	fmt.Println(e.Absent, err)
	// Output:
	// loading 3
	// Boathouse from source false <nil>
	// Boathouse from L1 false <nil>
	// true not found
}

// Readers do not see a failing source: values are kept for
// StaleFor beyond their TTL.
func ExampleCache_GetEntry_stale() {
	ctx := context.Background()
	b, err := strata.Open(ctx, nil)
	if err != nil {
		log.Fatal(err)
	}
	defer b.Close()
	var down atomic.Bool
	prices, err := strata.New(b, "price", func(_ context.Context, id int) (int, error) {
		if down.Load() {
			return 0, errors.New("connection refused")
		}
		return 100 * id, nil
	}, &strata.Options[int, int]{TTL: time.Millisecond, StaleFor: time.Hour})
	if err != nil {
		log.Fatal(err)
	}

	e, err := prices.GetEntry(ctx, 7)
	fmt.Println(e.Value, e.Stale, err)
	down.Store(true)
	for !e.Stale { // until the millisecond is over
		e, err = prices.GetEntry(ctx, 7)
	}
	fmt.Println(e.Value, e.Stale, err)
	fmt.Println("because of:", e.Cause)
	// Output:
	// 700 false <nil>
	// 700 true <nil>
	// because of: connection refused
}

// A cache without a loader holds values that were Set.
func ExampleCache_Set() {
	ctx := context.Background()
	b, err := strata.Open(ctx, nil)
	if err != nil {
		log.Fatal(err)
	}
	defer b.Close()
	sessions, err := strata.New[string, []string](b, "session", nil, nil)
	if err != nil {
		log.Fatal(err)
	}

	if err := sessions.Set(ctx, "abc", []string{"ada", "admin"}); err != nil {
		log.Fatal(err)
	}
	fmt.Println(sessions.Get(ctx, "abc"))
	fmt.Println(sessions.Get(ctx, "xyz"))
	// Output:
	// [ada admin] <nil>
	// [] not found
}

func ExampleCache_Delete() {
	ctx := context.Background()
	b, err := strata.Open(ctx, nil)
	if err != nil {
		log.Fatal(err)
	}
	defer b.Close()
	repo := newShop()
	listings, err := strata.New(b, "listing", repo.ListingByID, nil)
	if err != nil {
		log.Fatal(err)
	}
	before, err := listings.Get(ctx, 1)
	fmt.Println(before.Price, err)

	repo[1] = Listing{ID: 1, Title: "Loft by the canal", Price: 99} // first the source,
	if err := listings.Delete(ctx, 1); err != nil {                 // then the cache
		log.Fatal(err)
	}
	after, err := listings.Get(ctx, 1)
	fmt.Println(after.Price, err)
	// Output:
	// loading 1
	// 120 <nil>
	// loading 1
	// 99 <nil>
}

func ExampleCache_Clear() {
	ctx := context.Background()
	b, err := strata.Open(ctx, nil)
	if err != nil {
		log.Fatal(err)
	}
	defer b.Close()
	caches := make([]*strata.Cache[int, string], 2)
	for i := range caches {
		caches[i], err = strata.New[int, string](b, fmt.Sprint("cache", i), nil, nil)
		if err != nil {
			log.Fatal(err)
		}
		if err := caches[i].Set(ctx, 1, "kept"); err != nil {
			log.Fatal(err)
		}
	}

	if err := caches[0].Clear(ctx); err != nil {
		log.Fatal(err)
	}
	for _, c := range caches {
		fmt.Println(c.Get(ctx, 1))
	}
	// Output:
	//  not found
	// kept <nil>
}

func ExampleCache_Stats() {
	ctx := context.Background()
	b, err := strata.Open(ctx, nil)
	if err != nil {
		log.Fatal(err)
	}
	defer b.Close()
	squares, err := strata.New(b, "square", func(_ context.Context, n int) (int, error) { return n * n, nil }, nil)
	if err != nil {
		log.Fatal(err)
	}
	for _, n := range slices.Repeat([]int{1, 2, 3}, 10) {
		if _, err := squares.Get(ctx, n); err != nil {
			log.Fatal(err)
		}
	}
	st := squares.Stats()
	fmt.Println(st.L1Hits, "hits,", st.Misses, "misses,", st.Loads, "loads")
	// Output: 27 hits, 3 misses, 3 loads
}

// A readiness endpoint or a log can report the state of Redis, and changes that Redis has
// not acknowledged.
func ExampleBackend_Health() {
	b, err := strata.Open(context.Background(), nil)
	if err != nil {
		fmt.Println(err)
		return
	}
	defer b.Close()
	h := b.Health()
	text, _ := json.Marshal(h)
	fmt.Println(h.Err(), string(text))
	b.Close()
	fmt.Println(b.Health().Err())
	// Output:
	// <nil> {}
	// strata: health: closed
}

// Readers do not wait for a slow source if the cache has a stale value.
func ExampleOptions_softTimeout() {
	ctx := context.Background()
	b, err := strata.Open(ctx, nil)
	if err != nil {
		log.Fatal(err)
	}
	defer b.Close()
	var slow atomic.Bool
	goOn := make(chan struct{})
	prices, err := strata.New(b, "price", func(_ context.Context, id int) (int, error) {
		if slow.Load() {
			<-goOn
			return 101 * id, nil
		}
		return 100 * id, nil
	}, &strata.Options[int, int]{
		TTL:         time.Millisecond,
		StaleFor:    time.Hour,
		SoftTimeout: 10 * time.Millisecond, // how long a page can wait for a price
	})
	if err != nil {
		log.Fatal(err)
	}

	price, err := prices.Get(ctx, 7)
	fmt.Println(price, err)
	slow.Store(true)
	time.Sleep(2 * time.Millisecond)
	e, err := prices.GetEntry(ctx, 7)
	fmt.Println(e.Value, e.Stale, err)
	fmt.Println("because:", e.Cause)
	close(goOn) // the load is still running
	for price == 700 {
		price, err = prices.Get(ctx, 7)
	}
	fmt.Println(price, err)
	// Output:
	// 700 <nil>
	// 700 true <nil>
	// because: the source takes too long
	// 707 <nil>
}

// If nothing is cached and the source fails, a harmless default may be better than an
// error.
func ExampleOptions_default() {
	ctx := context.Background()
	b, err := strata.Open(ctx, nil)
	if err != nil {
		log.Fatal(err)
	}
	defer b.Close()
	limits, err := strata.New(b, "limit", func(context.Context, string) (int, error) {
		return 0, errors.New("connection refused")
	}, &strata.Options[string, int]{
		Default: func(tenant string, err error) (int, bool) { return 10, tenant != "" },
	})
	if err != nil {
		log.Fatal(err)
	}

	limit, err := limits.Get(ctx, "acme")
	fmt.Println(limit, err)
	e, err := limits.GetEntry(ctx, "acme")
	fmt.Println(e.Value, "by", e.Tier, err)
	_, err = limits.Get(ctx, "")
	fmt.Println(err)
	// Output:
	// 10 <nil>
	// 10 by default <nil>
	// connection refused
}

// MaxLoads bounds concurrent loads, and LoadBudget the loads per second: in this process,
// or, with redislimit.New instead of ratelimit.New, in all processes together.
func ExampleOptions_loadBudget() {
	ctx := context.Background()
	b, err := strata.Open(ctx, nil)
	if err != nil {
		log.Fatal(err)
	}
	defer b.Close()
	limiter, err := ratelimit.New(ratelimit.Policy{Name: "loads", Limit: 2, Window: time.Hour})
	if err != nil {
		log.Fatal(err)
	}
	listings, err := strata.New(b, "listing", newShop().ListingByID, &strata.Options[int64, Listing]{
		MaxLoads:   20,
		LoadBudget: func(ctx context.Context) error { return limiter.Wait(ctx, "database", 1) },
	})
	if err != nil {
		log.Fatal(err)
	}

	for id := range int64(3) {
		l, err := listings.Get(ctx, id+1)
		fmt.Println(l.Title, errors.Is(err, store.ErrOverload))
	}
	// Output:
	// loading 1
	// Loft by the canal false
	// loading 2
	// Room with a view false
	//  true
}

// A loader may set the TTL and the tags of a value.
func ExampleLoaded() {
	ctx := context.Background()
	b, err := strata.Open(ctx, nil)
	if err != nil {
		log.Fatal(err)
	}
	defer b.Close()
	repo := newShop()
	listings, err := strata.New(b, "listing", nil, &strata.Options[int64, Listing]{
		LoadEntry: func(ctx context.Context, id int64) (strata.Loaded[Listing], error) {
			if id == 4 { // announced: it will exist soon
				return strata.Loaded[Listing]{Absent: true, TTL: time.Second}, nil
			}
			l, err := repo.ListingByID(ctx, id)
			return strata.Loaded[Listing]{
				Value: l,
				TTL:   keys.Short, // strata.NoStore: do not keep it
				Tags:  []string{"owner:7"},
			}, err
		},
	})
	if err != nil {
		log.Fatal(err)
	}

	e, err := listings.GetEntry(ctx, 1)
	fmt.Println(e.Value.Title, e.Tags, e.ExpiresAt.Until() <= keys.Short, err)
	_, err = listings.Get(ctx, 4)
	fmt.Println(err)
	// Output:
	// loading 1
	// Loft by the canal [owner:7] true <nil>
	// not found
}

// HostByID is a loader of names.
func (s shop) HostByID(_ context.Context, id int64) (string, error) {
	fmt.Println("loading host", id)
	return fmt.Sprintf("%s, %d", s[id].Title, s[id].Price), nil
}

func ExampleCache_Warm() {
	ctx := context.Background()
	b, err := strata.Open(ctx, nil)
	if err != nil {
		log.Fatal(err)
	}
	defer b.Close()
	repo := newShop()
	listings, err := strata.New(b, "listing", repo.ListingByID, &strata.Options[int64, Listing]{LoadMany: repo.ListingsByID})
	if err != nil {
		log.Fatal(err)
	}

	n, err := listings.Warm(ctx, slices.Values([]int64{1, 2, 3}), &strata.WarmOptions{
		Concurrency: 4, // concurrent loads
		Progress:    func(p strata.WarmProgress) { fmt.Println(p.Done, "done,", p.Failed, "failed") },
	})
	fmt.Println(n, err)

	l, err := listings.Get(ctx, 3)
	fmt.Println(l.Title, err)
	// Output:
	// loading 3 at once
	// 3 done, 0 failed
	// 3 <nil>
	// Boathouse <nil>
}

func ExampleConfig_captureDeps() {
	ctx := context.Background()
	b, err := strata.Open(ctx, &strata.Config{CaptureDeps: true})
	if err != nil {
		log.Fatal(err)
	}
	defer b.Close()
	repo := newShop()

	hosts, err := strata.New(b, "host", repo.HostByID, nil)
	pages, err := strata.New(b, "page", func(ctx context.Context, id int64) (string, error) {
		h, err := hosts.Get(ctx, id) // with the context of the load
		return "<h1>" + h + "</h1>", err
	}, nil)
	if err != nil {
		log.Fatal(err)
	}

	for range 2 {
		fmt.Println(pages.Get(ctx, 2))
	}
	repo[2] = Listing{ID: 2, Title: "Room with a view", Price: 50}
	hosts.Delete(ctx, 2)
	fmt.Println(pages.Get(ctx, 2))
	// Output:
	// loading host 2
	// <h1>Room with a view, 45</h1> <nil>
	// <h1>Room with a view, 45</h1> <nil>
	// loading host 2
	// <h1>Room with a view, 50</h1> <nil>
}
