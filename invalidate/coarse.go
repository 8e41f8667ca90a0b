package invalidate

import (
	"fmt"
	"slices"
)

// coarse returns targets with fewer, larger ones in place of more than MaxIDs ids of a cache.
func (b *Bus) coarse(targets Targets) Targets {
	n := 0
	for i := range targets {
		n += len(targets[i].Texts)
	}
	if n <= b.maxIDs {
		return targets
	}
	var out Targets
	var caches []string
	ids := make(map[string]Targets) // by cache
	for _, t := range targets {
		if t.Cache == "" || t.All || len(t.Tags) > 0 || t.Hold.For != 0 { // a hold outlasts a clear
			out = append(out, t)
			continue
		}
		if ids[t.Cache] == nil {
			caches = append(caches, t.Cache)
		}
		ids[t.Cache] = append(ids[t.Cache], t)
	}
	for _, cache := range caches {
		out = append(out, b.fewer(ids[cache])...)
	}
	return out
}

// fewer returns what invalidates ids, targets of one cache: themselves if they are few, or a
// tag that all of them share, or such a tag for each target that has too many ids on its own,
// or all of the cache.
func (b *Bus) fewer(ids Targets) Targets {
	n := distinct(ids)
	if n <= b.maxIDs {
		return ids
	}
	cache := ids[0].Cache
	if tag := sharedTag(ids); tag != "" {
		why := fmt.Sprintf("%d ids of %s have it, more than %d", n, cache, b.maxIDs)
		return Targets{{Tags: []string{tag}, Why: why, Event: eventOf(ids)}}
	}
	var out, small Targets
	for _, t := range ids {
		if len(ids) > 1 && len(t.Texts) > b.maxIDs {
			out = append(out, b.fewer(Targets{t})...)
		} else {
			small = append(small, t)
		}
	}
	if len(out) == 0 {
		why := fmt.Sprintf("%d ids without a tag in common, more than %d", n, b.maxIDs)
		return Targets{{Cache: cache, All: true, Why: why, Event: eventOf(ids)}}
	}
	if len(small) > 0 {
		out = append(out, b.fewer(small)...)
	}
	return out
}

// distinct returns the number of different ids.
func distinct(ids Targets) int {
	seen := make(map[string]struct{})
	for _, t := range ids {
		for _, text := range t.Texts {
			seen[text] = struct{}{}
		}
	}
	return len(seen)
}

// sharedTag returns the first tag of the definition that all ids have, or "". A definition
// that panics has none.
func sharedTag(ids Targets) (tag string) {
	defer func() {
		if recover() != nil {
			tag = ""
		}
	}()
	var shared []string
	begun := false
	for _, t := range ids {
		if t.tags == nil {
			return ""
		}
		for tags := range t.tags {
			if !begun {
				begun, shared = true, slices.Clone(tags)
			}
			shared = slices.DeleteFunc(shared, func(tag string) bool { return tag == "" || !slices.Contains(tags, tag) })
			if len(shared) == 0 {
				return ""
			}
		}
	}
	return shared[0]
}

// eventOf returns the name of the events of ids, or "" if there are several.
func eventOf(ids Targets) string {
	for _, t := range ids {
		if t.Event != ids[0].Event {
			return ""
		}
	}
	return ids[0].Event
}
