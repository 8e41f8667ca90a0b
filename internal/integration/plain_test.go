package integration_test

import (
	"context"
	"testing"
	"time"

	"github.com/redis/rueidis"

	"github.com/lokroom/strata/codec"
	"github.com/lokroom/strata/internal/redistest"
	"github.com/lokroom/strata/layered"
	"github.com/lokroom/strata/store"
	"github.com/lokroom/strata/store/memstore"
	"github.com/lokroom/strata/store/redisstore"
)

// Values written by other programs are read, their changes are seen in the memory of this
// process, and they can read values written by it.
func TestPlain_others(t *testing.T) {
	type Listing struct {
		Title string `json:"title"`
	}
	ctx, server, at := t.Context(), redistest.Start(t, nil), "listing:"
	c, err := redisstore.Dial(rueidis.ClientOption{InitAddress: []string{server.Addr()}})
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	l2 := redisstore.NewPlain(c, &redisstore.PlainOptions[Listing]{Prefix: at, Codec: codec.JSON[Listing]()})
	s, err := layered.New(memstore.New[Listing](nil), l2, &layered.Options[Listing]{TTL: time.Minute, Jitter: -1})
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	load := func(context.Context, string) (store.Entry[Listing], error) {
		return store.Entry[Listing]{Value: Listing{"from the source"}}, nil
	}
	want := func(title string, tier layered.Tier) {
		t.Helper()
		redistest.WaitFor(t, title+" from "+tier.String(), func() bool {
			f, err := s.Find(ctx, "1", layered.Source[Listing]{Load: load})
			return err == nil && f.Value.Title == title && f.Tier == tier
		})
	}
	do := func(want any, args ...any) {
		t.Helper()
		if got, err := server.Do(args...); err != nil || got != want {
			t.Fatalf("%v: %v, %v; want %v", args, got, err, want)
		}
	}
	do("OK", "SET", at+"1", `{"title":"by hand"}`)
	want("by hand", layered.L2)
	want("by hand", layered.L1)
	do("OK", "SET", at+"1", `{"title":"changed"}`, "EX", "100")
	want("changed", layered.L1)
	if e, ok := s.Local(ctx, "1"); !ok || e.ExpiresAt.Until() < 90*time.Second || e.ExpiresAt.Until() > 100*time.Second {
		t.Errorf("the entry %+v does not end with the key", e)
	}
	do(int64(1), "DEL", at+"1")
	want("from the source", layered.L1)
	do(`{"title":"from the source"}`, "GET", at+"1")
	if left, err := server.Do("PTTL", at+"1"); err != nil || left.(int64) < 50_000 || left.(int64) > 60_000 {
		t.Errorf("the key ends in %v ms: %v", left, err)
	}
	corrupt := func() uint64 {
		st, err := l2.Stats(ctx)
		if err != nil {
			t.Fatal(err)
		}
		return st.Corrupt
	}
	misses := func(what string, most uint64) {
		t.Helper()
		redistest.WaitFor(t, what+" to be a miss", func() bool {
			f, err := s.Find(ctx, "1", layered.Source[Listing]{Load: load})
			return err == nil && f.Value.Title == "from the source" && corrupt() == most
		})
	}
	before := corrupt()
	do("OK", "SET", at+"1", "not JSON")
	misses("what is not JSON", before+1)
	do(int64(1), "DEL", at+"1")
	do(int64(1), "RPUSH", at+"1", "a list")
	misses("a list", before+2)
}
