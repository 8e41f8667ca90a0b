// Package load drives the marketplace with requests, and measures the answers.
package load

import (
	"context"
	"errors"
	"math/rand/v2"
	"net/http"
	"sync"
	"time"
)

// A Generator sends requests to processes of the marketplace. It sends them at a fixed rate, whether
// or not earlier ones are answered, and counts latencies from the time at which a request was due:
// a slow answer does not hide the wait of those that should have followed.
type Generator struct {
	Targets  []string // the URLs of the processes
	Rate     int      // requests a second
	Listings int      // how many there are
	Clients  int      // IP addresses, sent as X-Forwarded-For

	client   *http.Client
	versions versions
	once     sync.Once
}

// A kind is one kind of request.
type kind struct {
	name   string
	weight int // of 100
	write  bool
	do     func(ctx context.Context, c *caller) answer
}

// kinds are mostly reads, as in a marketplace: of 100 requests 4 write.
var kinds = []kind{
	{"GET /api/listings/{id}", 44, false, getListing},
	{"GET /api/search", 15, false, search},
	{"GET /api/listings/{id}/reviews", 12, false, getReviews},
	{"GET /api/amenities", 10, false, getAmenities},
	{"GET /api/bookings", 8, false, getBookings},
	{"GET /api/users/{id}", 5, false, getUser},
	{"GET /api/users?email=", 2, false, getUserByEmail},
	{"PUT /api/listings/{id}", 2, true, putListing},
	{"POST /api/listings/{id}/reviews", 1, true, postReview},
	{"POST /api/bookings", 1, true, postBooking},
}

// Kinds returns the names of the endpoints, in the order of a report.
func Kinds() (names []string) {
	for _, k := range kinds {
		names = append(names, k.name)
	}
	return names
}

func isWrite(name string) bool {
	for _, k := range kinds {
		if k.name == name {
			return k.write
		}
	}
	return false
}

// pick returns a kind by its weight.
func pick(r *rand.Rand) kind {
	n := r.IntN(100)
	for _, k := range kinds {
		if n -= k.weight; n < 0 {
			return k
		}
	}
	panic("load: the weights of kinds do not sum up to 100")
}

// Run sends requests for d. Every Run of one seed sends the same ones.
func (g *Generator) Run(ctx context.Context, d time.Duration, seed uint64) (*Report, error) {
	g.once.Do(func() {
		g.client = &http.Client{
			Timeout:   10 * time.Second,
			Transport: &http.Transport{MaxIdleConnsPerHost: 512},
		}
	})
	before, err := g.counts(ctx)
	if err != nil {
		return nil, err
	}
	random := rand.New(rand.NewPCG(seed, 0))
	ids := rand.NewZipf(random, 1.1, 10, uint64(g.Listings-1))
	report := newReport()
	var wg sync.WaitGroup
	start := time.Now()
	for i := range int(d.Seconds() * float64(g.Rate)) {
		due := start.Add(time.Duration(i) * time.Second / time.Duration(g.Rate))
		select {
		case <-time.After(time.Until(due)):
		case <-ctx.Done():
			wg.Wait()
			return nil, ctx.Err()
		}
		k, c := pick(random), g.caller(random, int64(ids.Uint64())+1)
		wg.Go(func() {
			a := k.do(ctx, c)
			report.add(k.name, a, time.Since(due))
		})
	}
	wg.Wait()
	after, err := g.counts(ctx)
	report.Reads, report.Unreadable = after.reads-before.reads, after.unreadable-before.unreadable
	return report, errors.Join(err, ctx.Err())
}

// caller returns one that sends a request about a listing. What it draws does not depend on answers.
func (g *Generator) caller(r *rand.Rand, id int64) *caller {
	return &caller{
		g: g, id: id,
		target: g.Targets[r.IntN(len(g.Targets))],
		random: rand.New(rand.NewPCG(r.Uint64(), r.Uint64())),
	}
}
