package httpcache

import (
	"context"
	"errors"
	"strings"

	"github.com/lokroom/strata/layered"
	"github.com/lokroom/strata/store"
)

// SoftPurge makes what is stored for an absolute URL stale, with all its variants, in every
// process: the next request revalidates it. Unlike after Purge, stale-while-revalidate and
// stale-if-error apply; responses to QUERY, and those stored by No-Vary-Search, are removed.
// If Redis is unreachable, the error wraps store.ErrUnavailable, and
// the call should be repeated.
func (c *Cache) SoftPurge(ctx context.Context, rawURL string) error {
	keys, err := c.keysToPurge(rawURL)
	if err != nil {
		return err
	}
	return c.softPurge(ctx, keys)
}

// SoftPurgeKey makes what is stored for a text of [Route].Key on a host stale, as SoftPurge does.
func (c *Cache) SoftPurgeKey(ctx context.Context, host, text string) error {
	return c.softPurge(ctx, c.keysOfText(host, text))
}

// SoftPurgeTags makes all responses with one of tags stale, in every process, as SoftPurge does.
// Unlike PurgeTags, it concerns this cache only. At least the last 500 tags that were purged softly
// are remembered: when one is forgotten, all responses with tags that were stored before its
// purge are stale.
func (c *Cache) SoftPurgeTags(ctx context.Context, tags ...string) error {
	if len(tags) == 0 {
		return nil
	}
	return c.logSoftly(ctx, tags)
}

// SoftPurgeGroups makes all responses of a host stale that have one of groups in Cache-Groups (RFC
// 9875), as SoftPurgeTags does.
func (c *Cache) SoftPurgeGroups(ctx context.Context, host string, groups ...string) error {
	return c.SoftPurgeTags(ctx, groupTags(host, groups)...)
}

func (c *Cache) softPurge(ctx context.Context, keys []string) error {
	var errs []error
	for _, key := range keys {
		if strings.HasSuffix(key, querySuffix) || strings.HasSuffix(key, searchSuffix) { // a group: what depends on it goes
			errs = append(errs, c.tiers.Delete(ctx, key))
			continue
		}
		_, err := c.tiers.Refresh(ctx, key, c.marking())
		if err == nil || errors.Is(err, errAbsent) {
			_, err = c.tiers.Exists(ctx, key) // if Redis is unreachable, other processes may have it
		}
		errs = append(errs, err)
	}
	return errors.Join(errs...)
}

var errAbsent = errors.New("httpcache: nothing is stored")

// marking is a source that makes what is stored stale, unless somebody else changes it.
func (c *Cache) marking() layered.Source[any] {
	return layered.Source[any]{
		Load: func(context.Context, string) (e store.Entry[any], _ error) { return e, errAbsent },
		Reload: func(_ context.Context, _ string, old store.Entry[any]) (store.Entry[any], error) {
			rec, ok := parseRecord(pageOf(old.Value))
			if !ok {
				return old, errAbsent
			}
			rec.flags |= marked
			rec.soft = newGeneration()
			e := c.entryOf(&rec, old.Tags)
			e.StaleAt = e.LoadedAt
			return e, nil
		},
	}
}
