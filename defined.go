package strata

import (
	"cmp"
	"context"
	"errors"
	"slices"

	"github.com/lokroom/strata/keys"
)

// NewDefined is New for the ids of d, which also has the name of the cache. Where o leaves
// TTL, L1TTL, StaleFor, AbsentFor or Jitter zero, the class of d sets them. Values have the
// tags of d, and those of Options.Tags. Ids that the source does not have are remembered with
// the tags of d. o may be nil.
func NewDefined[K comparable, V any](b *Backend, d *keys.Definition[K], load func(context.Context, K) (V, error), o *Options[K, V]) (*Cache[K, V], error) {
	if d == nil {
		return nil, errors.New("strata: the definition of the cache is nil")
	}
	var opts Options[K, V]
	if o != nil {
		opts = *o
	}
	class := d.Class()
	opts.TTL = cmp.Or(opts.TTL, class.TTL)
	opts.L1TTL = cmp.Or(opts.L1TTL, class.L1TTL)
	opts.StaleFor = cmp.Or(opts.StaleFor, class.StaleFor)
	opts.AbsentFor = cmp.Or(opts.AbsentFor, class.AbsentFor)
	opts.Jitter = cmp.Or(opts.Jitter, class.Jitter)
	more := opts.Tags
	opts.Tags = func(id K, v V) []string {
		tags := d.Tags(id)
		if more != nil {
			tags = slices.Concat(tags, more(id, v))
		}
		return tags
	}
	return newCache(b, d.Name(), load, &opts, idTexts[K]{key: d.Text, id: d.Parse, tags: d.Tags})
}
