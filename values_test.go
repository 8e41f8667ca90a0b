package strata_test

import (
	"bytes"
	"context"
	"errors"
	"log/slog"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/lokroom/strata"
	"github.com/lokroom/strata/codec"
	"github.com/lokroom/strata/internal/redistest"
	"github.com/lokroom/strata/store"
)

// A money round-trips with JSON, and not with MessagePack.
type money struct{ cents int64 }

func (m money) MarshalJSON() ([]byte, error) { return codec.JSON[int64]().Append(nil, m.cents) }
func (m *money) UnmarshalJSON(b []byte) (err error) {
	m.cents, err = codec.JSON[int64]().Decode(b)
	return err
}

type item struct{ Price money }

// New rejects a type that the codec does not round-trip if values are encoded, with the
// field, the reason and the remedy; each remedy works.
func TestNew_refusesTypesThatTheCodecChanges(t *testing.T) {
	redis := &strata.Config{RedisURL: redistest.Start(t, nil).URL()}
	const why = `strata: cache "item": item.Price (money) has unexported fields and no MarshalText/MarshalBinary: ` +
		`msgpack would store it empty; add MarshalText and UnmarshalText, use codec.JSON, or set AllowLossy`
	for _, row := range []struct {
		name string
		cfg  *strata.Config
		o    strata.Options[int, item]
		want string
	}{
		{"L1 alone", &strata.Config{}, strata.Options[int, item]{}, ""},
		{"L1 alone, DecodeEach", &strata.Config{}, strata.Options[int, item]{DecodeEach: true}, why},
		{"Redis", redis, strata.Options[int, item]{}, why},
		{"Redis, codec.JSON", redis, strata.Options[int, item]{Codec: codec.JSON[item]()}, ""},
		{"Redis, AllowLossy", redis, strata.Options[int, item]{AllowLossy: true}, ""},
	} {
		t.Run(row.name, func(t *testing.T) {
			b := backend(t, row.cfg)
			_, err := strata.New(b, "item", func(context.Context, int) (item, error) { return item{}, nil }, &row.o)
			if got := text(err); got != row.want {
				t.Errorf("New returned %s\nwant %s", got, row.want)
			}
		})
	}
}

func text(err error) string {
	if err == nil {
		return ""
	}
	return err.Error()
}

// The process that loads a value returns the same times as all others, and the same JSON.
func TestGet_timesAreInUTC(t *testing.T) {
	type show struct {
		Name string
		At   *time.Time
	}
	url := redistest.Start(t, nil).URL()
	at := time.Date(9999, 12, 31, 23, 59, 59, 0, time.UTC).In(time.FixedZone("east", 9*3600))
	loaded := show{"last", &at}
	var texts []string
	for range 2 {
		c, err := strata.New(backend(t, &strata.Config{RedisURL: url}), "show", func(context.Context, int) (show, error) { return loaded, nil }, nil)
		if err != nil {
			t.Fatal(err)
		}
		for range 2 {
			v, err := c.Get(t.Context(), 1)
			if err != nil {
				t.Fatal(err)
			}
			out, err := codec.JSON[show]().Append(nil, v)
			if err != nil {
				t.Error(err)
			}
			texts = append(texts, string(out)+v.At.String())
		}
	}
	for _, got := range texts {
		if got != texts[0] || !strings.Contains(got, "9999-12-31T23:59:59Z") {
			t.Errorf("processes answer with %q", texts)
		}
	}
	if loaded.At.Location() == time.UTC {
		t.Error("the value of the loader was changed")
	}
}

// Verify finds a value that does not round-trip: it is returned and kept in memory, not in
// Redis; the log, Health and the counters report it.
func TestGet_valuesThatDoNotComeBack(t *testing.T) {
	url := redistest.Start(t, nil).URL()
	for name, value := range map[string]map[string]any{
		"another type": {"rooms": 5},
		"unreadable":   {"rooms": map[int]string{1: "secret"}},
	} {
		t.Run(name, func(t *testing.T) {
			for range 2 {
				answersWithoutRedis(t, url, name, value)
			}
		})
	}
}

func answersWithoutRedis(t *testing.T, url, name string, value map[string]any) {
	t.Helper()
	var log bytes.Buffer
	b := backend(t, &strata.Config{RedisURL: url, Logger: slog.New(slog.NewTextHandler(&log, nil))})
	var loads atomic.Int64
	c, err := strata.New(b, name, func(context.Context, int) (map[string]any, error) { loads.Add(1); return value, nil }, nil)
	if err != nil {
		t.Fatal(err)
	}
	for range 5 {
		if v, err := c.Get(t.Context(), 1); err != nil || v["rooms"] == nil {
			t.Errorf("got %v, %v", v, err)
		}
		redistest.WaitFor(t, "the counter", func() bool { return c.Stats().EncodeErrors == 1 })
	}
	if n := loads.Load(); n != 1 {
		t.Errorf("%d loads", n)
	}
	h := b.Health()
	if h.Values[name].Count == 0 || !errors.Is(h.Err(), store.ErrUnstorable) || !strings.Contains(h.Err().Error(), name) {
		t.Errorf("Health is %+v, %v", h.Values, h.Err())
	}
	if lines := strings.Count(log.String(), "\n"); lines != 1 || !strings.Contains(log.String(), name) || strings.Contains(log.String(), "secret") {
		t.Errorf("logged %q", log.String())
	}
}

// With DecodeEach a value that does not round-trip is not kept, which is counted; an
// interface type is rejected.
func TestDecodeEach_valuesThatDoNotComeBack(t *testing.T) {
	b := backend(t, nil)
	if _, err := strata.New(b, "any", func(context.Context, int) (any, error) { return 5, nil },
		&strata.Options[int, any]{DecodeEach: true}); err == nil || !strings.Contains(err.Error(), "AllowLossy") {
		t.Errorf("New returned %v", err)
	}
	c, err := strata.New(b, "rooms", func(context.Context, int) (map[string]any, error) { return map[string]any{"n": 5}, nil },
		&strata.Options[int, map[string]any]{DecodeEach: true})
	if err != nil {
		t.Fatal(err)
	}
	for range 3 {
		if v, err := c.Get(t.Context(), 1); err != nil || v["n"] != 5 {
			t.Errorf("got %v, %v", v, err)
		}
	}
	if n := c.Stats().EncodeErrors; n != 3 || !errors.Is(b.Health().Err(), store.ErrUnstorable) {
		t.Errorf("%d encode errors, Health %v", n, b.Health().Err())
	}
}

// A process with a changed V does not read older values, unless the Schema is set.
func TestSchema_isPartOfTheKey(t *testing.T) {
	type before struct{ Price int64 }
	type after struct{ Price string }
	url := redistest.Start(t, nil).URL()
	if got := stored(t, url, "price", before{5}, ""); got.Price != 5 {
		t.Errorf("got %v", got)
	}
	if got := stored(t, url, "price", after{"6"}, ""); got.Price != "6" {
		t.Errorf("got %v", got)
	}
	if got := stored(t, url, "price", before{7}, ""); got.Price != 5 {
		t.Errorf("got %v, want what is stored", got)
	}
	type more struct {
		Price int64
		Note  string
	}
	if got := stored(t, url, "pinned", before{5}, "1"); got.Price != 5 {
		t.Errorf("got %v", got)
	}
	if got := stored(t, url, "pinned", more{7, "new"}, "1"); got != (more{Price: 5}) {
		t.Errorf("got %v, want what the other type has stored", got)
	}
}

// stored returns the value of a new process with a loader that returns v, and waits until
// it is in Redis.
func stored[V any](t *testing.T, url, name string, v V, schema string) V {
	t.Helper()
	b := backend(t, &strata.Config{RedisURL: url})
	c, err := strata.New(b, name, func(context.Context, int) (V, error) { return v, nil }, &strata.Options[int, V]{Schema: schema})
	if err != nil {
		t.Fatal(err)
	}
	got, err := c.Get(t.Context(), 1)
	if err != nil {
		t.Fatal(err)
	}
	redistest.WaitFor(t, "the value to be in Redis", func() bool {
		e, err := c.GetFresh(t.Context(), 1)
		_ = e
		s := c.Stats()
		return err == nil && s.L2Hits > 0
	})
	return got
}
