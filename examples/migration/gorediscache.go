// Package migration has the same function with another cache and with Strata, side by side:
// see docs/migration.md.
package migration

import (
	"context"
	"time"

	"github.com/go-redis/cache/v9"
	"github.com/lokroom/strata"
)

// A Listing is the value, and a Repo the source of all examples.
type Listing struct {
	ID    int64
	Title string
}

// A Repo reads and writes listings.
type Repo interface {
	Listing(ctx context.Context, id int64) (Listing, error)
	Save(ctx context.Context, l Listing) error
}

// GoRedisCache is how a service uses go-redis/cache.
type GoRedisCache struct {
	cache *cache.Cache // cache.New(&cache.Options{Redis: rdb, LocalCache: cache.NewTinyLFU(10_000, time.Minute)})
	repo  Repo
}

// Listing returns a listing.
func (s *GoRedisCache) Listing(ctx context.Context, id int64) (l Listing, err error) {
	err = s.cache.Once(&cache.Item{
		Ctx: ctx, Key: key(id), Value: &l, TTL: time.Hour,
		Do: func(i *cache.Item) (any, error) { return s.repo.Listing(i.Ctx, id) },
	})
	return l, err
}

// Save writes a listing. The local caches of other processes keep the old one for a minute.
func (s *GoRedisCache) Save(ctx context.Context, l Listing) error {
	if err := s.repo.Save(ctx, l); err != nil {
		return err
	}
	return s.cache.Delete(ctx, key(l.ID))
}

// Strata is the same with Strata. It is what each of the others becomes.
type Strata struct {
	listings *strata.Cache[int64, Listing]
	repo     Repo
}

// NewStrata returns it. Its local copies follow the changes of other processes.
func NewStrata(b *strata.Backend, repo Repo) (*Strata, error) {
	listings, err := strata.New(b, "listing", repo.Listing, &strata.Options[int64, Listing]{TTL: time.Hour})
	return &Strata{listings, repo}, err
}

// Listing returns a listing.
func (s *Strata) Listing(ctx context.Context, id int64) (Listing, error) {
	return s.listings.Get(ctx, id)
}

// Save writes a listing.
func (s *Strata) Save(ctx context.Context, l Listing) error {
	if err := s.repo.Save(ctx, l); err != nil {
		return err
	}
	return s.listings.Delete(ctx, l.ID)
}
