package e2e

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"net/http"
	"net/http/httptest"
	"strconv"
	"sync"
	"testing"
	"time"

	"github.com/lokroom/strata"
	"github.com/lokroom/strata/admin"
	"github.com/lokroom/strata/internal/redistest"
	"github.com/lokroom/strata/ratelimit"
	"github.com/lokroom/strata/store"
)

// A service is a program with two caches, a limiter and the page, under a prefix.
type service struct {
	redis   *redistest.Server
	url     string // of the page
	backend *strata.Backend
	users   *strata.Cache[string, string]
	orders  *strata.Cache[int, string]
	limiter ratelimit.Limiter
}

func newService(t *testing.T, o *admin.Options) *service {
	t.Helper()
	server := redistest.Start(t, nil)
	b, err := strata.Open(t.Context(), &strata.Config{RedisURL: server.URL(), Memory: 2 << 20})
	if err != nil {
		t.Fatal(err)
	}
	s := &service{redis: server, backend: b}
	if s.users, err = strata.New(b, "users", s.loadUser, &strata.Options[string, string]{
		TTL: time.Minute, Tags: func(id, _ string) []string { return []string{"team-" + id[:1]} },
	}); err != nil {
		t.Fatal(err)
	}
	if s.orders, err = strata.New(b, "orders", s.loadOrder, &strata.Options[int, string]{
		TTL: 20 * time.Second, StaleFor: time.Minute, StaleWhileRevalidate: true,
	}); err != nil {
		t.Fatal(err)
	}
	h, err := admin.New(b, o)
	if err != nil {
		t.Fatal(err)
	}
	local, err := ratelimit.New(ratelimit.Policy{Name: "api", Limit: 40, Window: time.Second})
	if err != nil {
		t.Fatal(err)
	}
	s.limiter = h.Limiter(local)
	mux := http.NewServeMux()
	mux.Handle("/debug/cache/", h)
	web := httptest.NewServer(mux)
	s.url = web.URL + "/debug/cache/"
	t.Cleanup(func() {
		h.Close()
		web.Close()
		if err := b.Close(); err != nil && !errors.Is(err, store.ErrUnavailable) {
			t.Error(err)
		}
	})
	return s
}

func (s *service) loadUser(ctx context.Context, id string) (string, error) {
	return "user " + id, pause(ctx, 3*time.Millisecond)
}

func (s *service) loadOrder(ctx context.Context, id int) (string, error) {
	if id%97 == 0 {
		return "", errors.New("the source refuses this one")
	}
	return fmt.Sprintf("order %d %02000d", id, id), pause(ctx, 20*time.Millisecond)
}

func pause(ctx context.Context, d time.Duration) error {
	select {
	case <-time.After(time.Duration(float64(d) * (.5 + rand.ExpFloat64()))):
	case <-ctx.Done():
	}
	return ctx.Err()
}

// work reads as many clients do, until stop is called.
func (s *service) work(t *testing.T) (stop func()) {
	ctx, cancel := context.WithCancel(context.Background())
	var work sync.WaitGroup
	for range 4 {
		work.Go(func() {
			zipf := rand.NewZipf(rand.New(rand.NewPCG(1, 2)), 1.3, 8, 30_000)
			for ctx.Err() == nil {
				s.round(ctx, int(zipf.Uint64()))
			}
		})
	}
	return func() {
		cancel()
		work.Wait()
	}
}

// round is what one client does. Errors are those of the source, or of the end.
func (s *service) round(ctx context.Context, n int) {
	id := string(rune('a'+n%26)) + strconv.Itoa(n)
	s.limiter.Allow(ctx, "client-"+strconv.Itoa(n%3))
	s.users.Get(ctx, id)
	s.orders.Get(ctx, n)
	switch {
	case n%40 == 7:
		s.users.Delete(ctx, id)
	case n%9 == 0:
		pause(ctx, time.Millisecond)
	}
}
