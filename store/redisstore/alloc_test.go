//go:build !race

package redisstore_test

import (
	"testing"
	"time"

	"github.com/lokroom/strata/codec"
	"github.com/lokroom/strata/store"
	"github.com/lokroom/strata/store/redisstore"
	"github.com/redis/rueidis"
)

// allocs returns how often f allocates, on average: what goes on beside it, or lies in
// a pool, makes it a little more or less.
func allocs(f func()) float64 {
	const runs = 500
	return testing.AllocsPerRun(1, func() {
		for range runs {
			f()
		}
	}) / runs
}

// TestStore_allocations bounds what Get and Set allocate beyond the same commands
// of rueidis: the Redis key, and for Get the list of two commands.
func TestStore_allocations(t *testing.T) {
	p := prefix()
	s := redisstore.New(dial(t, to(server(t))), &redisstore.Options[[]byte]{Prefix: p, Codec: codec.Bytes()})
	e := store.Entry[[]byte]{Value: make([]byte, 500)}
	if err := s.Set(ctx, "k", e); err != nil {
		t.Fatal(err)
	}
	opt := to(server(t))
	opt.PipelineMultiplex, opt.AlwaysPipelining, opt.DisableCache = -1, true, true
	raw, err := rueidis.NewClient(opt)
	if err != nil {
		t.Fatal(err)
	}
	defer raw.Close()
	key := p + "k"
	m := codec.Bytes()
	get := allocs(func() {
		r := raw.DoMulti(ctx, raw.B().Pttl().Key(key).Build(), raw.B().Get().Key(key).Build())
		blob, _ := r[1].AsBytes()
		m.Decode(blob)
	})
	set := allocs(func() {
		raw.Do(ctx, raw.B().Set().Key(key+"2").Value("v").Build())
	})
	if n := allocs(func() { s.Get(ctx, "k") }); n > get+1.5 {
		t.Errorf("Get allocates %v times, PTTL and GET with the same decoding %v", n, get)
	}
	if n := allocs(func() { s.Set(ctx, "k", e) }); n > set+4.5 { // the arguments of a script
		t.Errorf("Set allocates %v times, SET %v", n, set)
	}
}

// TestTags_allocations: a hit allocates for its tags what takes them out of the record.
func TestTags_allocations(t *testing.T) {
	s := redisstore.New(dial(t, to(server(t))), &redisstore.Options[[]byte]{Prefix: prefix(), Codec: codec.Bytes()})
	tags := []string{"city:paris", "owner:7"}
	for key, tags := range map[string][]string{"plain": nil, "tagged": tags} {
		if err := s.Set(ctx, key, store.Entry[[]byte]{Value: make([]byte, 500), ExpiresAt: store.In(time.Hour), Tags: tags}); err != nil {
			t.Fatal(err)
		}
	}
	plain := allocs(func() { s.Get(ctx, "plain") })
	if n := allocs(func() { s.Get(ctx, "tagged") }); n > plain+1+float64(len(tags))+0.5 {
		t.Errorf("Get of an entry with %d tags allocates %v times, of one without %v", len(tags), n, plain)
	}
}
