package migration

import (
	"context"
	"fmt"
	"time"

	"github.com/dgraph-io/ristretto/v2"
)

func key(id int64) string { return fmt.Sprintf("listing:%d", id) }

// Ristretto is how a service uses ristretto. Callers that miss at once all load, and a load
// that a Save overtakes puts the old listing back.
type Ristretto struct {
	cache *ristretto.Cache[int64, Listing]
	repo  Repo
}

// Listing returns a listing.
func (s *Ristretto) Listing(ctx context.Context, id int64) (Listing, error) {
	if l, ok := s.cache.Get(id); ok {
		return l, nil
	}
	l, err := s.repo.Listing(ctx, id)
	if err == nil {
		s.cache.SetWithTTL(id, l, int64(len(l.Title)), time.Hour)
	}
	return l, err
}

// Save writes a listing.
func (s *Ristretto) Save(ctx context.Context, l Listing) error {
	if err := s.repo.Save(ctx, l); err != nil {
		return err
	}
	s.cache.Del(l.ID)
	return nil
}
