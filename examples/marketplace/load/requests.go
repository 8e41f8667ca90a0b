package load

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"time"

	"github.com/lokroom/strata/examples/marketplace/source"
	"github.com/lokroom/strata/examples/marketplace/web"
)

// A caller sends one request.
type caller struct {
	g      *Generator
	id     int64 // of the listing, by popularity
	target string
	random *rand.Rand
}

// An answer is what came back.
type answer struct {
	err     error
	limited bool
	reads   int           // of the database
	stale   time.Duration // how long a newer revision had been confirmed; 0: the answer is current
}

// send sends a request and decodes the body of the answer into v. Statuses other than those of ok
// are errors.
func (c *caller) send(ctx context.Context, method, path string, body, v any, ok ...int) answer {
	var content io.Reader
	if body != nil {
		b, err := json.Marshal(body)
		if err != nil {
			return answer{err: err}
		}
		content = bytes.NewReader(b)
	}
	r, err := http.NewRequestWithContext(ctx, method, c.target+path, content)
	if err != nil {
		return answer{err: err}
	}
	client := c.random.IntN(max(c.g.Clients, 1))
	r.Header.Set("X-Forwarded-For", fmt.Sprintf("10.%d.%d.%d", client>>16&255, client>>8&255, client&255))
	resp, err := c.g.client.Do(r)
	if err != nil {
		return answer{err: err}
	}
	defer resp.Body.Close()
	b, err := io.ReadAll(resp.Body)
	a := answer{err: err, limited: resp.StatusCode == http.StatusTooManyRequests}
	if a.err != nil || a.limited {
		return a
	}
	if !slices.Contains(append(ok, http.StatusOK), resp.StatusCode) {
		a.err = fmt.Errorf("%s: %s", resp.Status, b[:min(len(b), 200)])
		return a
	}
	if resp.StatusCode == http.StatusOK && v != nil {
		a.err = json.Unmarshal(b, v)
	}
	reads, err := strconv.Atoi(resp.Header.Get("X-Source-Reads"))
	a.err, a.reads = errors.Join(a.err, err), reads
	return a
}

// getListing checks that the answer has the newest revision that was confirmed before it was asked
// for.
func getListing(ctx context.Context, c *caller) answer {
	_, a := c.listing(ctx)
	return a
}

func (c *caller) listing(ctx context.Context) (l source.Listing, a answer) {
	floor := c.g.versions.floor(c.id)
	a = c.send(ctx, "GET", fmt.Sprintf("/api/listings/%d", c.id), nil, &l)
	if a.err == nil && !a.limited && l.Revision < floor.revision {
		a.stale = time.Since(floor.at)
	}
	return l, a
}

func search(ctx context.Context, c *caller) answer {
	q := url.Values{"city": {source.Cities[c.random.IntN(len(source.Cities))]}}
	if c.random.IntN(3) == 0 {
		q.Set("max", strconv.Itoa(100+50*c.random.IntN(3)))
	}
	if page := c.random.IntN(6); page > 2 { // most look at the first page only
		q.Set("page", strconv.Itoa(page-1))
	}
	return c.send(ctx, "GET", "/api/search?"+q.Encode(), nil, nil)
}

func getReviews(ctx context.Context, c *caller) answer {
	return c.send(ctx, "GET", fmt.Sprintf("/api/listings/%d/reviews", c.id), nil, nil)
}

func getAmenities(ctx context.Context, c *caller) answer {
	return c.send(ctx, "GET", "/api/amenities", nil, nil)
}

// user returns an active user: a few hundred are.
func (c *caller) user() int64 { return 1 + c.random.Int64N(int64(min(300, c.g.Listings/10))) }

func getBookings(ctx context.Context, c *caller) answer {
	return c.send(ctx, "GET", fmt.Sprintf("/api/bookings?user=%d", c.user()), nil, nil)
}

func getUser(ctx context.Context, c *caller) answer {
	return c.send(ctx, "GET", fmt.Sprintf("/api/users/%d", c.user()), nil, nil)
}

func getUserByEmail(ctx context.Context, c *caller) answer {
	return c.send(ctx, "GET", fmt.Sprintf("/api/users?email=user%d@example.com", c.user()), nil, nil)
}

// putListing reads a listing and changes its price, as a host does.
func putListing(ctx context.Context, c *caller) answer {
	l, a := c.listing(ctx)
	if a.err != nil || a.limited {
		return a
	}
	l.Price = source.Euros(30 + c.random.IntN(300))
	var saved source.Listing
	written := c.send(ctx, "PUT", fmt.Sprintf("/api/listings/%d", c.id), l, &saved)
	if written.err == nil && !written.limited {
		c.g.versions.confirm(c.id, saved.Revision)
	}
	written.stale = a.stale
	return written
}

func postReview(ctx context.Context, c *caller) answer {
	v := source.Review{User: c.user(), Stars: 1 + c.random.IntN(5), Text: "As described."}
	return c.send(ctx, "POST", fmt.Sprintf("/api/listings/%d/reviews", c.id), v, nil, http.StatusCreated)
}

func postBooking(ctx context.Context, c *caller) answer {
	first := time.Date(2031, 1, 1, 0, 0, 0, 0, time.UTC).AddDate(0, 0, c.random.IntN(3000))
	b := source.Booking{Listing: c.id, User: c.user(), FirstNight: first.Format(time.DateOnly), Nights: 2}
	return c.send(ctx, "POST", "/api/bookings", b, nil, http.StatusCreated, http.StatusConflict)
}

// counts are counters of all processes.
type counts struct{ reads, unreadable int64 }

func (g *Generator) counts(ctx context.Context) (n counts, err error) {
	for _, target := range g.Targets {
		r, err := http.NewRequestWithContext(ctx, "GET", target+"/api/stats", nil)
		if err != nil {
			return n, err
		}
		resp, err := g.client.Do(r)
		if err != nil {
			return n, err
		}
		var s web.Stats
		err = json.NewDecoder(resp.Body).Decode(&s)
		_ = resp.Body.Close()
		if err != nil {
			return n, fmt.Errorf("%s: %s: %w", target, resp.Status, err)
		}
		for _, reads := range s.Reads {
			n.reads += reads
		}
		n.unreadable += s.Unreadable
	}
	return n, nil
}
