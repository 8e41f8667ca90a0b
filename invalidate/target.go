package invalidate

import (
	"fmt"
	"iter"
	"slices"
	"strings"
	"time"

	"github.com/lokroom/strata/store"
)

// Targets are what an event invalidates.
type Targets []Target

// A Target is one thing that an event invalidates: ids of a cache, tags, or all of a cache.
// [IDs], [Tags] and [All] return one.
type Target struct {
	Cache string   // the name of the cache; empty: Tags are the target
	Texts []string // the texts of the ids
	All   bool     // all values of the cache
	Tags  []string // tags, in all caches

	// Hold is for ids. See [Target.Older].
	Hold store.Hold

	Why   string // see [Target.Because]
	Event string // the name of the event; set by Explain

	err  error              // an id has no text
	tags iter.Seq[[]string] // the tags of each id by the definition of the cache; nil: unknown
}

// Named is a cache, as *strata.Cache and *keys.Definition are.
type Named interface{ Name() string }

// Cache is a cache with ids of type K, as *strata.Cache and *keys.Definition are.
type Cache[K comparable] interface {
	Named
	Text(id K) (string, error)
}

// IDs returns the target of the values of ids in c. Of a *keys.Definition, the cache must be
// one that strata.NewDefined has opened, so that its entries have the tags of the definition:
// see BusOptions.MaxIDs.
func IDs[K comparable](c Cache[K], ids ...K) Target {
	t := Target{Cache: c.Name()}
	for _, id := range ids {
		text, err := c.Text(id)
		if err != nil {
			t.err = fmt.Errorf("invalidate: cache %q: %w", c.Name(), err)
			continue
		}
		t.Texts = append(t.Texts, text)
	}
	if d, ok := c.(interface{ Tags(id K) []string }); ok && len(ids) > 0 {
		ids = slices.Clone(ids)
		t.tags = func(yield func([]string) bool) {
			for _, id := range ids {
				if !yield(d.Tags(id)) {
					return
				}
			}
		}
	}
	return t
}

// Tags returns the target of all values that carry one of tags, in all caches.
func Tags(tags ...string) Target { return Target{Tags: tags} }

// All returns the target of all values of c.
func All(c Named) Target { return Target{Cache: c.Name(), All: true} }

// Because returns t with a reason for people, which Explain shows.
func (t Target) Because(why string) Target {
	t.Why = why
	return t
}

// Older returns t, the target of ids, for a change that has produced revision at the source.
// While hold lasts, a loaded value with an older revision is cached only until the hold
// ends: see strata.Cache.DeleteOlder. With revision 0 that applies to all values. It suits
// loaders that read from a replica that lags, and requires Redis.
func (t Target) Older(revision uint64, hold time.Duration) Target {
	t.Hold = store.Hold{For: hold, Revision: revision}
	return t
}

// String returns a line such as
//
//	listing "42": its page (ListingChanged)
func (t Target) String() string {
	var b strings.Builder
	switch {
	case t.All:
		b.WriteString("all of " + t.Cache)
	case t.Cache != "":
		b.WriteString(t.Cache)
		quoted(&b, t.Texts)
	default:
		b.WriteString("tag")
		quoted(&b, t.Tags)
	}
	if t.Why != "" {
		b.WriteString(": " + t.Why)
	}
	if t.Event != "" {
		b.WriteString(" (" + t.Event + ")")
	}
	return b.String()
}

func quoted(b *strings.Builder, texts []string) {
	for i, text := range texts {
		if i > 0 {
			b.WriteByte(',')
		}
		fmt.Fprintf(b, " %q", text)
	}
}
