package redisstore

import (
	"context"
	"hash/maphash"
	"strconv"
	"strings"
	"sync/atomic"

	"github.com/lokroom/strata/internal/oneline"
	"github.com/lokroom/strata/store"
)

// counters are what a store counts by itself.
type counters struct {
	hits, misses, sets, deletes, corrupt, errors atomic.Uint64

	known atomic.Pointer[[64]atomic.Uint64] // hashes of corrupt values; nil: there was none
}

// hashes is the seed of the hashes of corrupt values.
var hashes = maphash.MakeSeed()

// observeCorrupt gives the Observer the error of bytes that are no entry, which callers see as a
// miss: as an operation "decode", whichever way they were read.
func (s *Store[T]) observeCorrupt(ctx context.Context, full string, err error) {
	key := strings.TrimPrefix(full, s.prefix)
	_, end := store.Observe(ctx, s.observer, store.Op{Store: storeName, Name: "decode", Key: key, Keys: 1})
	end(0, &store.Error{Store: storeName, Op: "decode", Key: key, Err: err})
}

// corruptValue counts the value of this version under full, once: a load reads it more
// than once. Each value has one place that it shares with others: what is forgotten by
// that is counted again. A version of 0 is not known, and always counted.
func (c *counters) corruptValue(full string, version uint64) {
	known := c.known.Load()
	if known == nil {
		c.known.CompareAndSwap(nil, new([64]atomic.Uint64))
		known = c.known.Load()
	}
	hash := maphash.String(hashes, full)
	if version == 0 || known[hash%uint64(len(known))].Swap(hash^version) != hash^version {
		c.corrupt.Add(1)
	}
}

// Stats returns the counters of this store, and what the primaries tell of
// themselves, whoever uses them.
func (s *Store[T]) Stats(ctx context.Context) (store.Stats, error) {
	st := store.Stats{
		Hits: s.stats.hits.Load(), Misses: s.stats.misses.Load(), Sets: s.stats.sets.Load(),
		Deletes: s.stats.deletes.Load(), Corrupt: s.stats.corrupt.Load(), Errors: s.stats.errors.Load(),
	}
	server, err := s.serverStats(ctx)
	if err != nil {
		err = s.fail(ctx, "stats", "", err)
	}
	st.Server = server
	return st, err
}

func (s *Store[T]) serverStats(ctx context.Context) (*store.ServerStats, error) {
	call, cancel := s.deadlines.Begin(ctx)
	defer cancel()
	l, err := s.client.reach(call)
	if err != nil {
		return nil, err
	}
	nodes, err := l.primaries(call)
	errs := []error{err}
	sum := &store.ServerStats{}
	for _, node := range nodes {
		info, err := node.Do(call, node.B().Info().Build()).ToString()
		switch {
		case err != nil && s.client.maxStale > 0 && lacks(err): // a proxy need not have it
			continue
		case err != nil:
			errs = append(errs, err)
			continue
		}
		addInfo(sum, info)
	}
	if sum.Nodes == 0 {
		sum = nil
	}
	return sum, oneline.Join(errs...)
}

// addInfo adds what a node says in reply to INFO.
func addInfo(sum *store.ServerStats, info string) {
	sum.Nodes++
	for line := range strings.Lines(info) {
		name, value, _ := strings.Cut(strings.TrimSpace(line), ":")
		if strings.HasPrefix(name, "db") { // db0:keys=2,expires=0,avg_ttl=0
			first, _, _ := strings.Cut(value, ",")
			if keys, ok := strings.CutPrefix(first, "keys="); ok {
				n, _ := strconv.ParseInt(keys, 10, 64)
				sum.Keys += n
			}
			continue
		}
		n, err := strconv.ParseInt(value, 10, 64)
		if err != nil {
			continue
		}
		switch name {
		case "used_memory":
			sum.Bytes += n
		case "maxmemory":
			sum.MaxBytes += n
		case "keyspace_hits":
			sum.Hits += uint64(n)
		case "keyspace_misses":
			sum.Misses += uint64(n)
		case "evicted_keys":
			sum.Evictions += uint64(n)
		case "expired_keys":
			sum.Expired += uint64(n)
		}
	}
}

// Ping is that of the client.
func (s *Store[T]) Ping(ctx context.Context) error { return s.client.Ping(ctx) }
