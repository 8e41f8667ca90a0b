package migration

import (
	"context"
	"encoding/json"
	"errors"
	"time"

	"github.com/redis/go-redis/v9"
)

// ClientSide is how a service uses the client-side cache of go-redis: values are decoded at
// each read, and callers that miss at once all load.
type ClientSide struct {
	rdb  *redis.Client // redis.NewClient(&redis.Options{Protocol: 3, ClientSideCacheConfig: &redis.ClientSideCacheConfig{}})
	repo Repo
}

// Listing returns a listing.
func (s *ClientSide) Listing(ctx context.Context, id int64) (l Listing, err error) {
	data, err := s.rdb.Get(ctx, key(id)).Bytes()
	if err == nil {
		return l, json.Unmarshal(data, &l)
	}
	if !errors.Is(err, redis.Nil) {
		return l, err
	}
	if l, err = s.repo.Listing(ctx, id); err != nil {
		return l, err
	}
	if data, err = json.Marshal(l); err != nil {
		return l, err
	}
	return l, s.rdb.Set(ctx, key(id), data, time.Hour).Err()
}

// Save writes a listing.
func (s *ClientSide) Save(ctx context.Context, l Listing) error {
	if err := s.repo.Save(ctx, l); err != nil {
		return err
	}
	return s.rdb.Del(ctx, key(l.ID)).Err()
}
