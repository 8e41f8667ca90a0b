package migration

import (
	"context"
	"time"

	engine "github.com/dgraph-io/ristretto"
	"github.com/eko/gocache/lib/v4/cache"
	"github.com/eko/gocache/lib/v4/store"
	ristrettostore "github.com/eko/gocache/store/ristretto/v4"
)

// Gocache is how a service uses gocache.
type Gocache struct {
	listings *cache.LoadableCache[Listing]
	repo     Repo
}

// NewGocache returns it, with one tier.
func NewGocache(e *engine.Cache, repo Repo) *Gocache {
	load := func(ctx context.Context, id any) (Listing, []store.Option, error) {
		l, err := repo.Listing(ctx, id.(int64))
		return l, []store.Option{store.WithExpiration(time.Hour), store.WithCost(1)}, err
	}
	return &Gocache{cache.NewLoadable(load, cache.New[Listing](ristrettostore.NewRistretto(e))), repo}
}

// Listing returns a listing.
func (s *Gocache) Listing(ctx context.Context, id int64) (Listing, error) {
	return s.listings.Get(ctx, id)
}

// Save writes a listing. What Listing has loaded is cached in the background, perhaps after this
// Delete.
func (s *Gocache) Save(ctx context.Context, l Listing) error {
	if err := s.repo.Save(ctx, l); err != nil {
		return err
	}
	return s.listings.Delete(ctx, l.ID)
}
