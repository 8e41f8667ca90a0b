package layered

import (
	"context"

	"github.com/lokroom/strata/store"
)

// Warm is GetManyOrLoad that returns no values, but the keys for which there is no
// answer, each once, and does not count as reading. A nil load loads nothing: then it
// fills L1 with what L2 has, and what is stale there is no answer.
func (s *Store[T]) Warm(ctx context.Context, keys []string, load ManyLoader[T]) (left []string, err error) {
	var found map[string]store.Entry[T]
	if load == nil {
		found, err = s.getMany(ctx, keys, false)
	} else {
		found, err = s.getManyOrLoad(ctx, keys, load, false)
	}
	now := store.Now()
	seen := make(map[string]bool, len(keys)-len(found))
	for _, key := range keys {
		if e, ok := found[key]; ok && !(load == nil && e.Stale(now)) || seen[key] {
			continue
		}
		seen[key] = true
		left = append(left, key)
	}
	return left, err
}
