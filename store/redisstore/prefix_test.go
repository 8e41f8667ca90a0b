package redisstore_test

import (
	"errors"
	stdstrings "strings"
	"testing"
	"time"

	"github.com/lokroom/strata/internal/redistest"
	"github.com/lokroom/strata/store"
	"github.com/lokroom/strata/store/redisstore"
)

// A prefix with which keys of entries could be those of tags is refused by every call that
// names a key, and by those who would watch. Others work, also with an exclamation mark inside
// and with a hash tag.
func TestStore_prefixOfTags(t *testing.T) {
	c := dial(t, to(redistest.Start(t, nil)))
	own := redisstore.NewTags(c, "app:!")
	for _, o := range []redisstore.Options[string]{
		{Prefix: "!"}, {Prefix: "!p:"}, {Prefix: "!p:t:"}, {Prefix: "app:!", Tags: own}, {Prefix: "app:!t:", Tags: own},
	} {
		s := redisstore.New(c, &o)
		plain := redisstore.NewPlain(c, &redisstore.PlainOptions[string]{Prefix: o.Prefix})
		for name, f := range map[string]func() error{
			"Get":           func() error { _, err := s.Get(ctx, "clock"); return err },
			"GetMany":       func() error { _, err := s.GetMany(ctx, []string{"clock"}); return err },
			"Set":           func() error { return s.Set(ctx, "clock", store.Entry[string]{}) },
			"SetMany":       func() error { return s.SetMany(ctx, map[string]store.Entry[string]{"clock": {}}) },
			"Delete":        func() error { return s.Delete(ctx, "clock") },
			"DeletePattern": func() error { _, err := s.DeletePattern(ctx, "*"); return err },
			"Expire":        func() error { return s.Expire(ctx, "clock", time.Hour) },
			"Add":           func() error { _, err := s.Add(ctx, "clock", 1, 0); return err },
			"Lease":         func() error { _, err := s.Lease(ctx, "clock", time.Second, 0); return err },
			"BeginWrite":    func() error { _, err := s.BeginWrite(ctx, time.Second, "clock"); return err },
			"Watch":         func() error { _, err := s.Watch(store.Watching{}); return err },
			"Plain.Set": func() error {
				if !stdstrings.HasPrefix(o.Prefix, "!") { // it knows no other tags
					return store.ErrInvalidKey
				}
				return plain.Set(ctx, "clock", store.Entry[string]{})
			},
		} {
			if err := f(); !errors.Is(err, store.ErrInvalidKey) {
				t.Errorf("prefix %q: %s: %v", o.Prefix, name, err)
			}
		}
	}
	for _, o := range []redisstore.Options[string]{{Prefix: ""}, {Prefix: "p!:"}, {Prefix: "{p}:"}, {Prefix: "app:", Tags: own}, {Prefix: "app:x!:", Tags: own}} {
		s := redisstore.New(c, &o)
		set(t, s, "k", "v")
		get(t, s, "k", "v")
		watching(t, s, store.Watching{})()
	}
}
