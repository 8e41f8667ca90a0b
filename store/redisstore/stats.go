package redisstore

import (
	"context"
	"strconv"
	"strings"

	"github.com/lokroom/strata/internal/oneline"
	"github.com/lokroom/strata/store"
	"github.com/lokroom/strata/store/redisstore/internal/link"
)

// Stats returns the counters of this store and of the primaries, which include other programs.
func (s *view) Stats(ctx context.Context) (store.Stats, error) {
	st := store.Stats{
		Hits: s.stats.hits.Load(), Misses: s.stats.misses.Load(), Sets: s.stats.sets.Load(),
		Deletes: s.stats.deletes.Load(), Corrupt: s.stats.corrupt.Load(), Errors: s.stats.errors.Load(),
	}
	call, cancel := s.deadlines.Begin(ctx)
	defer cancel()
	server, err := s.client.serverStats(call)
	if err != nil {
		err = s.fail(ctx, "stats", "", err)
	}
	st.Server = server
	return st, err
}

// ServerStats returns what the primaries report of themselves. What one of them does not answer
// is missing, and the error says so. nil: none has answered.
func (c *Client) ServerStats(ctx context.Context) (*store.ServerStats, error) {
	call, cancel := c.link.Deadlines.Begin(ctx)
	defer cancel()
	st, err := c.serverStats(call)
	if err != nil {
		err = &store.Error{Store: link.StoreName, Op: "stats", Err: c.link.Cause(ctx, err)}
	}
	return st, err
}

func (c *Client) serverStats(call context.Context) (*store.ServerStats, error) {
	l, err := c.link.Reach(call)
	if err != nil {
		return nil, err
	}
	nodes, err := c.link.Primaries(call, l)
	errs := []error{err}
	sum := &store.ServerStats{}
	for _, node := range nodes {
		info, err := node.Do(call, node.B().Info().Build()).ToString()
		switch {
		case err != nil && c.link.MaxStale > 0 && link.Lacks(err): // a proxy need not have it
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
func (s *view) Ping(ctx context.Context) error { return s.client.Ping(ctx) }
