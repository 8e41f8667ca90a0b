package main

import (
	"context"
	"maps"
	"slices"
	"strings"

	"github.com/lokroom/strata/keys"
	"github.com/lokroom/strata/store/redisstore"
	"github.com/redis/rueidis"
)

// A space is the prefix of the keys of one cache and one schema version.
type space struct{ cache, prefix string }

// scan calls each with the keys that match a pattern, page by page, on every primary.
func (t *tool) scan(ctx context.Context, pattern string, each func(node rueidis.Client, keys []string) error) error {
	return t.client.Do(ctx, "", func(ctx context.Context, c rueidis.Client) error {
		nodes, err := primaries(ctx, c)
		if err != nil {
			return err
		}
		for _, node := range nodes {
			for cursor := uint64(0); ; {
				page, err := node.Do(ctx, node.B().Scan().Cursor(cursor).Match(pattern).Count(1000).Build()).AsScanEntry()
				if err == nil && len(page.Elements) > 0 {
					err = each(node, page.Elements)
				}
				if err != nil {
					return err
				}
				if cursor = page.Cursor; cursor == 0 {
					break
				}
			}
		}
		return nil
	})
}

// primaries returns a client of each primary.
func primaries(ctx context.Context, c rueidis.Client) ([]rueidis.Client, error) {
	if c.Mode() != rueidis.ClientModeCluster {
		return []rueidis.Client{c}, nil
	}
	nodes := c.Nodes()
	var list []rueidis.Client
	for _, addr := range slices.Sorted(maps.Keys(nodes)) {
		role, err := nodes[addr].Do(ctx, nodes[addr].B().Role().Build()).ToArray()
		if err != nil {
			return nil, err
		}
		if name, err := role[0].ToString(); err != nil {
			return nil, err
		} else if name == "master" {
			list = append(list, nodes[addr])
		}
	}
	return list, nil
}

// spaces returns those that have been in use, by the markers of their last Clear.
func (t *tool) spaces(ctx context.Context) (list []space, err error) {
	markers := t.prefix + "!c:"
	err = t.scan(ctx, keys.Quote(markers)+"*", func(_ rueidis.Client, found []string) error {
		for _, key := range found {
			if prefix, ok := strings.CutPrefix(key, markers); ok && strings.HasPrefix(prefix, t.prefix) {
				list = append(list, space{t.cacheOf(prefix), prefix})
			}
		}
		return nil
	})
	slices.SortFunc(list, func(a, b space) int { return strings.Compare(a.prefix, b.prefix) })
	return slices.Compact(list), err
}

// cacheOf returns the name of the cache that has a key, or a space.
func (t *tool) cacheOf(key string) string {
	name, _, _ := strings.Cut(strings.TrimPrefix(key, t.prefix), ":")
	return name
}

// full returns a key with the prefix of the service.
func (t *tool) full(key string) string {
	if strings.HasPrefix(key, t.prefix) {
		return key
	}
	return t.prefix + key
}

// in returns the space of a Redis key, and the rest of the key.
func in(spaces []space, prefix, full string) (space, rest string) {
	space = prefix
	for _, s := range spaces {
		if strings.HasPrefix(full, s.prefix) && len(s.prefix) > len(space) {
			space = s.prefix
		}
	}
	return space, full[len(space):]
}

// view returns a store of the entries with keys that begin with prefix.
func (t *tool) view(prefix string, r *redisstore.Record) *redisstore.Store[[]byte] {
	if r == nil {
		r = &redisstore.Record{}
	}
	return redisstore.New(t.client, &redisstore.Options[[]byte]{Prefix: prefix, Tags: t.tags, Codec: r.RawCodec()})
}
