package store

import (
	"maps"
	"strconv"
	"strings"
)

// InCache returns err, an error of a store, with the name of the cache that the store
// serves. An [Error] that already has a name keeps it. In a [ManyError] of keys the name
// is added to each error. Any other error is returned as it is, and so is every error if
// cache is empty. It does not change err.
func InCache(err error, cache string) error {
	if cache == "" {
		return err
	}
	switch e := err.(type) {
	case *Error:
		if e.Cache == "" {
			named := *e
			named.Cache = cache
			return &named
		}
	case *ManyError[string]:
		named := maps.Clone(e.Errors)
		for key, err := range named {
			named[key] = InCache(err, cache)
		}
		return &ManyError[string]{Errors: named}
	}
	return err
}

// inText is how texts of errors name a cache; empty if there is none.
func inText(cache string) string {
	if cache == "" {
		return ""
	}
	return "cache " + strconv.Quote(cache) + ": "
}

// onlyFirst removes every occurrence of name from text except the first.
func onlyFirst(text, name string) string {
	before, after, found := strings.Cut(text, name)
	if !found || name == "" {
		return text
	}
	return before + name + strings.ReplaceAll(after, name, "")
}
