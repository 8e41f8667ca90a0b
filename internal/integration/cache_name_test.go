package integration_test

import (
	"context"
	"errors"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/lokroom/strata"
	"github.com/lokroom/strata/codec"
	"github.com/lokroom/strata/internal/redistest"
	"github.com/lokroom/strata/store"
)

// newNamedCache returns a cache called "listing" with a client of url, or with memory only
// if url is empty.
func newNamedCache(t *testing.T, url string) (*strata.Backend, *namedCache) {
	t.Helper()
	b, err := strata.Open(t.Context(), &strata.Config{RedisURL: url})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { b.Close() })
	c, err := strata.New[hardID](b, "listing", nil, &strata.Options[hardID, int]{Codec: pickyCodec{codec.Msgpack[int]()}, DecodeEach: url == ""})
	if err != nil {
		t.Fatal(err)
	}
	return b, c
}

// A namedFault makes operations of a cache fail.
type namedFault struct {
	name  string
	want  error
	redis bool
	calls []namedCall // those that fail
	pass  []string    // names of those among calls that do not fail
	ctx   func(context.Context) context.Context
	id    hardID
	v     int
	cause func(*namedCache, *redistest.Server)
}

func canceled(ctx context.Context) context.Context {
	ctx, cancel := context.WithCancel(ctx)
	cancel()
	return ctx
}

// isOfKey reports whether a call takes keys, all of which are valid, instead of ids.
func isOfKey(call namedCall) bool { return strings.HasPrefix(call.name, "Store ") }

// needRedis are operations that require Redis.
var needRedis = []string{
	"DeleteHolding", "DeleteOlder", "Expire", "SaveHot", "WarmHot", "Store DeleteHolding",
	"Store MarkStale", "Store Add", "Store SaveHot", "Store SavedHot", "Refresh", "Store Refresh",
}

// Every error of an operation of a cache is one line that names the cache once.
func TestCacheName_errors(t *testing.T) {
	a, long := hardID{"a"}, hardID{strings.Repeat("a", 1<<20)}
	most := slices.Concat(namedReads, namedChanges, namedWrites, namedWholes)
	all := slices.Concat(most, namedRefreshes)
	closes := func(c *namedCache, _ *redistest.Server) { c.Close() }
	pauses := func(_ *namedCache, s *redistest.Server) {
		if err := s.Pause(); err != nil {
			t.Error(err)
		}
	}
	for _, f := range []namedFault{
		{name: "Redis down", want: store.ErrUnavailable, redis: true, calls: most, pass: []string{"Hottest", "Store Hottest"}, id: a,
			cause: func(_ *namedCache, s *redistest.Server) { s.Kill() }},
		{name: "cache closed", want: store.ErrClosed, redis: true, calls: all, id: a, cause: closes},
		{name: "cache without Redis closed", want: store.ErrClosed, calls: all, id: a, cause: closes},
		{name: "invalid id", want: store.ErrInvalidKey, redis: true, calls: slices.DeleteFunc(slices.Concat(namedReads, namedChanges, namedWrites), isOfKey), id: hardID{"!a"}},
		{name: "key too large", want: store.ErrTooLarge, redis: true, calls: slices.Concat(namedReads, namedChanges, namedWrites), id: long},
		{name: "context canceled", want: context.Canceled, redis: true, calls: most, pass: []string{"Hottest", "Store Hottest"}, ctx: canceled, id: a,
			cause: pauses}, // otherwise a read may be answered before it checks its context
		{name: "value without an encoding", want: store.ErrUnstorable, redis: true, calls: namedWrites, id: a, v: -2},
		{name: "value without an encoding, in memory", want: store.ErrUnstorable, calls: namedWrites, id: a, v: -2},
		{name: "no Redis", want: errors.ErrUnsupported, calls: slices.DeleteFunc(slices.Clone(all), func(call namedCall) bool {
			return !slices.Contains(needRedis, call.name)
		}), id: a},
	} {
		t.Run(f.name, func(t *testing.T) { f.run(t) })
	}
}

// checkNamed fails if err, of the operation op, is not want, or does not name the cache and
// its cause correctly.
func checkNamed(t *testing.T, op string, err, want error) {
	t.Helper()
	if !errors.Is(err, want) {
		t.Errorf("%s: %v, want %v", op, err, want)
		return
	}
	text := err.Error()
	for part, most := range map[string]int{"\n": 0, "unavailable": 1, "listing": 1} {
		if n := strings.Count(text, part); n > most {
			t.Errorf("%s: %q has %q %d times", op, text, part, n)
		}
	}
	if !strings.Contains(text, `cache "listing": `) {
		t.Errorf("%s: %q does not name the cache", op, text)
	}
	var of *store.Error
	if !errors.As(err, &of) || of.Cache != "listing" {
		t.Errorf("%s: %v has no store.Error of the cache", op, err)
	}
}

// run makes all calls of f fail.
func (f *namedFault) run(t *testing.T) {
	url, server := "", (*redistest.Server)(nil)
	if f.redis {
		server = redistest.Start(t, nil)
		url = server.URL()
	}
	_, c := newNamedCache(t, url)
	if f.cause != nil {
		f.cause(c, server)
	}
	ctx := t.Context()
	if f.ctx != nil {
		ctx = f.ctx(ctx)
	}
	for _, call := range f.calls {
		err := call.do(ctx, c, f.id, f.v)
		if slices.Contains(f.pass, call.name) {
			if err != nil {
				t.Errorf("%s: %v, want no error", call.name, err)
			}
			continue
		}
		checkNamed(t, call.name, err, f.want)
	}
}

// opCaches counts operations by name and cache.
type opCaches struct {
	mu   sync.Mutex
	seen map[store.Op]int // without Key and Keys
}

func (o *opCaches) Begin(ctx context.Context, op store.Op) context.Context {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.seen[store.Op{Store: op.Store, Cache: op.Cache, Name: op.Name}]++
	return ctx
}

func (o *opCaches) End(context.Context, store.Op, store.Result) {}

// An Observer sees which cache each operation belongs to.
func TestCacheName_ops(t *testing.T) {
	o := &opCaches{seen: make(map[store.Op]int)}
	b, err := strata.Open(t.Context(), &strata.Config{RedisURL: redistest.Start(t, nil).URL(), Observer: o})
	if err != nil {
		t.Fatal(err)
	}
	names := []string{"listing", "user"}
	for _, name := range names {
		c, err := strata.New(b, name, func(context.Context, hardID) (int, error) { return 1, nil }, nil)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := c.Get(t.Context(), hardID{"loaded"}); err != nil {
			t.Fatal(err)
		}
		if _, err := c.GetMany(t.Context(), []hardID{{"loaded"}, {"x"}, {"y"}}); err != nil {
			t.Fatal(err)
		}
		for _, call := range slices.Concat(namedWrites, namedChanges, namedReads, namedWholes) {
			if err := call.do(t.Context(), c, hardID{"a"}, 1); err != nil {
				t.Fatalf("%s: %v", call.name, err)
			}
		}
	}
	if err := b.InvalidateTags(t.Context(), "tag"); err != nil {
		t.Fatal(err)
	}
	b.Close()
	o.mu.Lock()
	defer o.mu.Unlock()
	for op := range o.seen {
		if !slices.Contains(names, op.Cache) {
			t.Errorf("%+v is of no cache", op)
		}
	}
	for _, name := range names {
		for _, op := range []store.Op{
			{Store: "source", Name: "load"}, {Store: "redis", Name: "lease"}, {Store: "redis", Name: "fill"}, {Store: "redis", Name: "get"},
			{Store: "redis", Name: "get many"}, {Store: "redis", Name: "set"}, {Store: "redis", Name: "set many"},
			{Store: "redis", Name: "set newer"}, {Store: "redis", Name: "delete"}, {Store: "redis", Name: "mark stale"},
			{Store: "redis", Name: "begin write"}, {Store: "redis", Name: "end write"}, {Store: "redis", Name: "clear"},
			{Store: "redis", Name: "invalidate tags"}, {Store: "redis", Name: "add"},
		} {
			if op.Cache = name; o.seen[op] == 0 {
				t.Errorf("%+v was not seen among %v", op, o.seen)
			}
		}
	}
}
