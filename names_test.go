package strata_test

import (
	"context"
	"errors"
	"testing"

	"github.com/lokroom/strata"
	"github.com/lokroom/strata/internal/redistest"
	"github.com/lokroom/strata/store"
)

// TestNew_names: no name gives two caches the same key. No cache has a key of a tag, the
// clock, a heartbeat or hot keys, which all begin with an exclamation mark.
func TestNew_names(t *testing.T) {
	b := backend(t, &strata.Config{RedisURL: redistest.Start(t, nil).URL()})
	load := func(context.Context, string) (string, error) { return "", store.ErrNotFound }
	for _, name := range []string{"!", "!t", "!c", "!clock", "!heartbeat", "!h", "!r"} {
		if _, err := strata.New(b, name, load, nil); !errors.Is(err, store.ErrInvalidKey) {
			t.Errorf("a cache called %q: %v", name, err)
		}
	}
	ids := []string{"x", "b:v0:x", ":v0:x", "v0:x", "{b}", "!t:x", "%3A", "\x00"}
	names := []string{"a", "a:v0", "a:b", "a%3Ab", "a{b}", "{a}", "a~", "~", "a\x00", "a!", " !"}
	caches := map[string]*strata.Cache[string, string]{}
	for _, name := range names {
		c, err := strata.New(b, name, load, nil)
		if err != nil {
			t.Fatalf("%q: %v", name, err)
		}
		caches[name] = c
		for _, id := range ids {
			if err := c.Set(t.Context(), id, name+" "+id); err != nil {
				t.Fatal(err)
			}
		}
	}
	if err := b.InvalidateTags(t.Context(), ids...); err != nil {
		t.Fatal(err)
	}
	for name, c := range caches {
		for _, id := range ids {
			if v, err := c.GetFresh(t.Context(), id); v != name+" "+id || err != nil {
				t.Errorf("%q of %q: %q, %v", id, name, v, err)
			}
		}
	}
}
