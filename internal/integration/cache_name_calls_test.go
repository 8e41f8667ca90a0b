package integration_test

import (
	"context"
	"errors"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/lokroom/strata"
	"github.com/lokroom/strata/layered"
	"github.com/lokroom/strata/store"
)

// A hardID has no key if it begins with "!".
type hardID struct{ text string }

func (id hardID) MarshalText() ([]byte, error) {
	if strings.HasPrefix(id.text, "!") {
		return nil, errors.New("no such id")
	}
	return []byte(id.text), nil
}

func (id *hardID) UnmarshalText(text []byte) error { id.text = string(text); return nil }

// second returns another id of the same kind.
func (id hardID) second() hardID { return hardID{id.text + "2"} }

type namedCache = strata.Cache[hardID, int]

// A namedCall is an operation of a cache on one id with one value. Its name is that of the
// method, with the type before it unless that is Cache.
type namedCall struct {
	name string
	do   func(ctx context.Context, c *namedCache, id hardID, v int) error
}

// ignoring drops the first result of an operation that has two.
func ignoring[R any](_ R, err error) error { return err }

// namedWrites change an id, and have a value.
var namedWrites = []namedCall{
	{"Set", func(ctx context.Context, c *namedCache, id hardID, v int) error { return c.Set(ctx, id, v) }},
	{"SetFor", func(ctx context.Context, c *namedCache, id hardID, v int) error {
		return c.SetFor(ctx, id, v, time.Minute)
	}},
	{"SetMany", func(ctx context.Context, c *namedCache, id hardID, v int) error {
		return c.SetMany(ctx, map[hardID]int{id: v, id.second(): v})
	}},
	{"SetIfNewer", func(ctx context.Context, c *namedCache, id hardID, v int) error {
		return ignoring(c.SetIfNewer(ctx, id, v, 1))
	}},
	{"Add", func(ctx context.Context, c *namedCache, id hardID, v int) error { return ignoring(c.Add(ctx, id, v)) }},
	{"Store SetIfAbsent", func(ctx context.Context, c *namedCache, id hardID, v int) error {
		return ignoring(c.Tiers().SetIfAbsent(ctx, id.text, store.Entry[any]{Value: v}))
	}},
	{"Write CommitSet", func(ctx context.Context, c *namedCache, id hardID, v int) error {
		w, err := c.BeginWrite(ctx, time.Second, id)
		if err != nil {
			return err
		}
		return w.CommitSet(ctx, map[hardID]int{id: v})
	}},
	{"Store Set", func(ctx context.Context, c *namedCache, id hardID, v int) error {
		return c.Tiers().Set(ctx, id.text, c.Tiers().NewEntry(v, time.Minute))
	}},
	{"Store SetMany", func(ctx context.Context, c *namedCache, id hardID, v int) error {
		return c.Tiers().SetMany(ctx, map[string]store.Entry[any]{id.text: {Value: v}, id.second().text: {Value: v}})
	}},
	{"Store SetNewer", func(ctx context.Context, c *namedCache, id hardID, v int) error {
		return ignoring(c.Tiers().SetNewer(ctx, id.text, store.Entry[any]{Value: v, Revision: 1}))
	}},
}

// namedChanges change an id without a value.
var namedChanges = []namedCall{
	{"Delete", func(ctx context.Context, c *namedCache, id hardID, _ int) error {
		return c.Delete(ctx, id, id.second())
	}},
	{"DeleteAndWait", func(ctx context.Context, c *namedCache, id hardID, _ int) error { return c.DeleteAndWait(ctx, id) }},
	{"DeleteHolding", func(ctx context.Context, c *namedCache, id hardID, _ int) error {
		return c.DeleteHolding(ctx, time.Second, id)
	}},
	{"DeleteOlder", func(ctx context.Context, c *namedCache, id hardID, _ int) error {
		return c.DeleteOlder(ctx, time.Second, 1, id, id.second())
	}},
	{"MarkStale", func(ctx context.Context, c *namedCache, id hardID, _ int) error { return c.MarkStale(ctx, id) }},
	{"SetTTL", func(ctx context.Context, c *namedCache, id hardID, _ int) error {
		return found(c.SetTTL(ctx, id, time.Minute))
	}},
	{"Touch", func(ctx context.Context, c *namedCache, id hardID, _ int) error { return found(c.Touch(ctx, id)) }},
	{"BeginWrite", func(ctx context.Context, c *namedCache, id hardID, _ int) error {
		return ignoring(c.BeginWrite(ctx, time.Second, id, id.second()))
	}},
	{"Write Commit", func(ctx context.Context, c *namedCache, id hardID, _ int) error {
		w, err := c.BeginWrite(ctx, time.Second, id)
		if err != nil {
			return err
		}
		return w.Commit(ctx)
	}},
	{"Store Delete", func(ctx context.Context, c *namedCache, id hardID, _ int) error {
		return c.Tiers().Delete(ctx, id.text)
	}},
	{"Store DeleteAndWait", func(ctx context.Context, c *namedCache, id hardID, _ int) error {
		return c.Tiers().DeleteAndWait(ctx, id.text)
	}},
	{"Store DeleteHolding", func(ctx context.Context, c *namedCache, id hardID, _ int) error {
		return c.Tiers().DeleteHolding(ctx, store.Hold{For: time.Second, Revision: 1}, id.text)
	}},
	{"Store MarkStale", func(ctx context.Context, c *namedCache, id hardID, _ int) error {
		return c.Tiers().MarkStale(ctx, id.text, id.second().text)
	}},
	{"Store BeginWrite", func(ctx context.Context, c *namedCache, id hardID, _ int) error {
		return ignoring(c.Tiers().BeginWrite(ctx, time.Second, id.text))
	}},
	{"Store Expire", func(ctx context.Context, c *namedCache, id hardID, _ int) error {
		return found(c.Tiers().Expire(ctx, id.text, time.Minute))
	}},
	{"Store Add", func(ctx context.Context, c *namedCache, id hardID, _ int) error {
		return ignoring(c.Tiers().Add(ctx, "counter "+id.text, 1, 0))
	}},
}

// namedReads have no loader that answers instead of Redis.
var namedReads = []namedCall{
	{"Store Inspect", func(ctx context.Context, c *namedCache, id hardID, _ int) error {
		_, _, err := c.Tiers().Inspect(ctx, id.text)
		return err
	}},
	{"Store Count", func(ctx context.Context, c *namedCache, id hardID, _ int) error {
		return found(ignoring(c.Tiers().Count(ctx, "counter "+id.text)))
	}},
	{"Get", func(ctx context.Context, c *namedCache, id hardID, _ int) error {
		return found(ignoring(c.Get(ctx, id)))
	}},
	{"Has", func(ctx context.Context, c *namedCache, id hardID, _ int) error { return ignoring(c.Has(ctx, id)) }},
	{"Peek", func(ctx context.Context, c *namedCache, id hardID, _ int) error {
		return found(ignoring(c.Peek(ctx, id)))
	}},
	{"TTL", func(ctx context.Context, c *namedCache, id hardID, _ int) error {
		_, _, err := c.TTL(ctx, id)
		return found(err)
	}},
	{"GetEntry", func(ctx context.Context, c *namedCache, id hardID, _ int) error {
		return found(ignoring(c.GetEntry(ctx, id)))
	}},
	{"GetFresh", func(ctx context.Context, c *namedCache, id hardID, _ int) error {
		return found(ignoring(c.GetFresh(ctx, id)))
	}},
	{"GetMany", func(ctx context.Context, c *namedCache, id hardID, _ int) error {
		return ignoring(c.GetMany(ctx, []hardID{id, id.second()}))
	}},
	{"GetManyEntries", func(ctx context.Context, c *namedCache, id hardID, _ int) error {
		return ignoring(c.GetManyEntries(ctx, []hardID{id, id.second()}))
	}},
	{"Warm", func(ctx context.Context, c *namedCache, id hardID, _ int) error {
		return ignoring(c.Warm(ctx, slices.Values([]hardID{id, id.second()}), nil))
	}},
	{"Store Get", func(ctx context.Context, c *namedCache, id hardID, _ int) error {
		return found(ignoring(c.Tiers().Get(ctx, id.text)))
	}},
	{"Store GetOrLoad", func(ctx context.Context, c *namedCache, id hardID, _ int) error {
		return found(ignoring(c.Tiers().GetOrLoad(ctx, id.text, nil)))
	}},
	{"Store Find", func(ctx context.Context, c *namedCache, id hardID, _ int) error {
		return found(ignoring(c.Tiers().Find(ctx, id.text, layered.Source[any]{})))
	}},
	{"Store FindFresh", func(ctx context.Context, c *namedCache, id hardID, _ int) error {
		return found(ignoring(c.Tiers().FindFresh(ctx, id.text, layered.Source[any]{})))
	}},
	{"Store FindAfter", func(ctx context.Context, c *namedCache, id hardID, _ int) error {
		return found(ignoring(c.Tiers().FindAfter(ctx, id.text, layered.Lookup[any]{}, layered.Source[any]{})))
	}},
	{"Store FindMany", func(ctx context.Context, c *namedCache, id hardID, _ int) (err error) {
		c.Tiers().FindMany(ctx, []string{id.text}, layered.Source[any]{}, func(_ int, _ *layered.Found[any], e error) { err = found(e) })
		return err
	}},
	{"Store FindManyFresh", func(ctx context.Context, c *namedCache, id hardID, _ int) (err error) {
		c.Tiers().FindManyFresh(ctx, []string{id.text}, layered.Source[any]{}, func(_ int, _ *layered.Found[any], e error) { err = found(e) })
		return err
	}},
	{"Store GetMany", func(ctx context.Context, c *namedCache, id hardID, _ int) error {
		return ignoring(c.Tiers().GetMany(ctx, []string{id.text, id.second().text}))
	}},
	{"Store GetManyOrLoad", func(ctx context.Context, c *namedCache, id hardID, _ int) error {
		return ignoring(c.Tiers().GetManyOrLoad(ctx, []string{id.text, id.second().text}, nil))
	}},
	{"Store Warm", func(ctx context.Context, c *namedCache, id hardID, _ int) error {
		return ignoring(c.Tiers().Warm(ctx, []string{id.text}, layered.Source[any]{}))
	}},
	{"Store TTL", func(ctx context.Context, c *namedCache, id hardID, _ int) error {
		return found(ignoring(c.Tiers().TTL(ctx, id.text)))
	}},
	{"Store Exists", func(ctx context.Context, c *namedCache, id hardID, _ int) error {
		return ignoring(c.Tiers().Exists(ctx, id.text))
	}},
}

// namedWholes affect the whole cache.
var namedWholes = []namedCall{
	{"Clear", func(ctx context.Context, c *namedCache, _ hardID, _ int) error { return c.Clear(ctx) }},
	{"SaveHot", func(ctx context.Context, c *namedCache, _ hardID, _ int) error { return c.SaveHot(ctx, 10) }},
	{"WarmHot", func(ctx context.Context, c *namedCache, _ hardID, _ int) error {
		return ignoring(c.WarmHot(ctx, 10, nil))
	}},
	{"Hottest", func(_ context.Context, c *namedCache, _ hardID, _ int) error { return ignoring(c.Hottest(10)) }},
	{"Store Clear", func(ctx context.Context, c *namedCache, _ hardID, _ int) error { return c.Tiers().Clear(ctx) }},
	{"Store SaveHot", func(ctx context.Context, c *namedCache, _ hardID, _ int) error { return c.Tiers().SaveHot(ctx, 10) }},
	{"Store SavedHot", func(ctx context.Context, c *namedCache, _ hardID, _ int) error {
		return ignoring(c.Tiers().SavedHot(ctx, 10))
	}},
	{"Store Hottest", func(_ context.Context, c *namedCache, _ hardID, _ int) error { return ignoring(c.Tiers().Hottest(10)) }},
	{"Store InvalidateTags", func(ctx context.Context, c *namedCache, _ hardID, _ int) error {
		return c.Tiers().InvalidateTags(ctx, "tag")
	}},
	{"DeletePattern", func(ctx context.Context, c *namedCache, _ hardID, _ int) error {
		return ignoring(c.DeletePattern(ctx, "*"))
	}},
	{"Store DeletePattern", func(ctx context.Context, c *namedCache, _ hardID, _ int) error {
		return ignoring(c.Tiers().DeletePattern(ctx, "*"))
	}},
	{"Store Ping", func(ctx context.Context, c *namedCache, _ hardID, _ int) error { return c.Tiers().Ping(ctx) }},
	{"Store Stats", func(ctx context.Context, c *namedCache, _ hardID, _ int) error { return ignoring(c.Tiers().Stats(ctx)) }},
}

// namedRefreshes load: their errors are those of loaders, unless the cache is closed.
var namedRefreshes = []namedCall{
	{"Refresh", func(ctx context.Context, c *namedCache, id hardID, _ int) error { return ignoring(c.Refresh(ctx, id)) }},
	{"Store Refresh", func(ctx context.Context, c *namedCache, id hardID, _ int) error {
		return ignoring(c.Tiers().Refresh(ctx, id.text, layered.Source[any]{}))
	}},
}

// found returns err unless it means that there is no value.
func found(err error) error {
	if errors.Is(err, store.ErrNotFound) {
		return nil
	}
	return err
}

// The tables above have every method that returns an error.
func TestCacheName_tablesAreComplete(t *testing.T) {
	var have []string
	for _, call := range slices.Concat(namedWrites, namedChanges, namedReads, namedWholes, namedRefreshes) {
		have = append(have, call.name)
	}
	have = append(have, "Close", "Store Close", "Store RetryQueueErr") // TestCacheName_retryQueue
	have = append(have, "Store Refused", "Text")                       // tests of the root
	for prefix, of := range map[string]reflect.Type{
		"": reflect.TypeFor[*namedCache](), "Write ": reflect.TypeFor[*strata.WriteIntent[hardID, int]](), "Store ": reflect.TypeFor[*layered.Store[int]](),
	} {
		for i := range of.NumMethod() {
			m := of.Method(i)
			if n := m.Type.NumOut(); n == 0 || m.Type.Out(n-1) != reflect.TypeFor[error]() {
				continue
			}
			if !slices.Contains(have, prefix+m.Name) {
				t.Errorf("no table has %s%s", prefix, m.Name)
			}
		}
	}
}
