package store_test

import (
	"errors"
	"fmt"
	"strings"
	"testing"

	"github.com/lokroom/strata/store"
)

func TestInCache(t *testing.T) {
	boom := errors.New("boom")
	plain := &store.Error{Store: "otter", Op: "set", Key: "k", Err: boom}
	for _, c := range []struct {
		name string
		err  error
		want string
	}{
		{"none", nil, ""},
		{"one without a name", plain, `otter: cache "c": set "k": boom`},
		{"one with a name", &store.Error{Store: "redis", Cache: "other", Op: "get", Err: boom}, `redis: cache "other": get: boom`},
		{"one of a loader", fmt.Errorf("source: %w", plain), `source: otter: set "k": boom`},
		{"many", store.NewManyError(map[string]error{"k": plain}), `k: otter: cache "c": set: boom`},
	} {
		named := store.InCache(c.err, "c")
		if (named == nil) != (c.want == "") || named != nil && (named.Error() != c.want || !errors.Is(named, boom)) {
			t.Errorf("%s: %v, want %s", c.name, named, c.want)
		}
		if unnamed := store.InCache(c.err, ""); unnamed != c.err {
			t.Errorf("%s: without a cache %v", c.name, unnamed)
		}
	}
	if plain.Cache != "" {
		t.Error("InCache has changed the error")
	}
}

// An error that wraps errors of the same cache names it once; another cache keeps its name.
func TestError_namesTheCacheOnce(t *testing.T) {
	get := &store.Error{Store: "redis", Cache: "c", Op: "get", Key: "k", Err: store.ErrUnavailable}
	other := &store.Error{Store: "redis", Cache: "d", Op: "get", Key: "k", Err: get}
	for err, want := range map[error]string{
		&store.Error{Store: "strata", Cache: "c", Op: "warm", Err: get}:   `strata: cache "c": warm: redis: get "k": unavailable`,
		&store.Error{Store: "strata", Cache: "c", Op: "warm", Err: other}: `strata: cache "c": warm: redis: cache "d": get "k": redis: get "k": unavailable`,
	} {
		if err.Error() != want {
			t.Errorf("%v, want %s", err, want)
		}
	}
}

func TestManyError_namesTheCacheOnce(t *testing.T) {
	of := func(key string, cause error) error {
		return &store.Error{Store: "redis", Cache: "c", Op: "get", Key: key, Err: cause}
	}
	err := store.NewManyError(map[string]error{"a": of("a", store.ErrUnavailable), "b\n": of("b\n", store.ErrTooLarge)})
	text := err.Error()
	if strings.Count(text, `cache "c": `) != 1 || strings.Contains(text, "\n") || !errors.Is(err, store.ErrTooLarge) {
		t.Errorf("%q", text)
	}
}
