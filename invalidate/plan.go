package invalidate

import (
	"maps"
	"slices"

	"github.com/lokroom/strata/store"
)

// A plan is what targets amount to, without what is in it twice.
type plan struct {
	texts      map[store.Hold]map[string][]string // by hold and cache
	clears     []string
	everything bool // all caches are cleared
	tags       []string
}

func planOf(targets Targets) plan {
	ids := make(map[string]map[string]store.Hold) // by cache and text
	clears, tags := make(map[string]bool), make(map[string]bool)
	var p plan
	for _, t := range targets {
		switch {
		case t.All && t.Cache == "":
			p.everything = true
		case t.All:
			clears[t.Cache] = true
		case t.Cache != "":
			of := ids[t.Cache]
			if of == nil {
				of = make(map[string]store.Hold)
				ids[t.Cache] = of
			}
			for _, text := range t.Texts {
				of[text] = stronger(of, text, t.Hold)
			}
		}
		for _, tag := range t.Tags {
			tags[tag] = true
		}
	}
	p.clears, p.tags = slices.Sorted(maps.Keys(clears)), slices.Sorted(maps.Keys(tags))
	p.texts = make(map[store.Hold]map[string][]string)
	for cache, of := range ids {
		for text, hold := range of {
			if (p.everything || clears[cache]) && hold.For == 0 { // a hold outlasts a clear
				continue
			}
			if p.texts[hold] == nil {
				p.texts[hold] = make(map[string][]string)
			}
			p.texts[hold][cache] = append(p.texts[hold][cache], text)
		}
	}
	for _, texts := range p.texts {
		for _, of := range texts {
			slices.Sort(of)
		}
	}
	return p
}

// stronger returns the hold of text that covers h and the one that text has.
func stronger(of map[string]store.Hold, text string, h store.Hold) store.Hold {
	have, ok := of[text]
	switch {
	case !ok || have.For == 0:
		return h
	case h.For == 0:
		return have
	}
	both := store.Hold{For: max(have.For, h.For)}
	if have.Revision != 0 && h.Revision != 0 { // a hold without a revision limits all
		both.Revision = max(have.Revision, h.Revision)
	}
	return both
}
