package strata_test

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"reflect"
	"slices"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/redis/rueidis"

	"github.com/lokroom/strata"
	"github.com/lokroom/strata/codec"
	"github.com/lokroom/strata/internal/redistest"
	"github.com/lokroom/strata/ratelimit"
	"github.com/lokroom/strata/ratelimit/redislimit"
	"github.com/lokroom/strata/store"
	"github.com/lokroom/strata/store/redisstore"
)

// never is a timeout that does not expire within a test: a call that returns obeys its
// context.
const never = time.Hour

// whileHoled runs each of calls with a context that ends soon, while link drops everything.
// It fails for calls that have not returned after a generous time; only then link passes
// the held data.
func whileHoled(t *testing.T, link *redistest.Proxy, calls map[string]func(context.Context)) {
	t.Helper()
	link.Hole(true)
	ctx, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
	defer cancel()
	var mu sync.Mutex
	late := slices.Collect(maps.Keys(calls))
	var wg sync.WaitGroup
	for name, call := range calls {
		wg.Go(func() {
			call(ctx)
			mu.Lock()
			defer mu.Unlock()
			late = slices.DeleteFunc(late, func(n string) bool { return n == name })
		})
	}
	all := make(chan struct{})
	go func() {
		wg.Wait()
		close(all)
	}()
	select {
	case <-all:
	case <-time.After(10 * time.Second):
		mu.Lock()
		t.Errorf("these have not returned, though their context has ended: %q", late)
		mu.Unlock()
	}
	link.Hole(false)
	<-all
}

// methodsOf returns a call of every exported method of v whose first parameter is a context,
// with arguments made for their types.
func methodsOf(v any) map[string]func(context.Context) (results []reflect.Value) {
	calls := make(map[string]func(context.Context) []reflect.Value)
	value := reflect.ValueOf(v)
	for i := range value.NumMethod() {
		method, f := value.Type().Method(i), value.Method(i)
		in := f.Type()
		if in.NumIn() == 0 || in.In(0) != reflect.TypeFor[context.Context]() {
			continue
		}
		calls[fmt.Sprintf("%T.%s", v, method.Name)] = func(ctx context.Context) []reflect.Value {
			args := []reflect.Value{reflect.ValueOf(ctx)}
			for p := 1; p < in.NumIn(); p++ {
				args = append(args, argument(in.In(p)))
			}
			if in.IsVariadic() {
				return f.CallSlice(args)
			}
			return f.Call(args)
		}
	}
	return calls
}

// methodsWithContext adds methodsOf v to calls.
func methodsWithContext(calls map[string]func(context.Context), v any) {
	for name, call := range methodsOf(v) {
		calls[name] = func(ctx context.Context) { call(ctx) }
	}
}

// argument returns a value of t that a method accepts: one element, the key "k", a minute.
func argument(t reflect.Type) reflect.Value {
	v := reflect.New(t).Elem()
	switch {
	case t == reflect.TypeFor[time.Duration]():
		v.SetInt(int64(time.Minute))
	case t == reflect.TypeFor[error]():
		v.Set(reflect.ValueOf(errors.New("the source fails")))
	case t.Kind() == reflect.String:
		v.SetString("k")
	case v.CanInt():
		v.SetInt(1)
	case v.CanUint():
		v.SetUint(1)
	case t.Kind() == reflect.Slice:
		v = reflect.Append(v, argument(t.Elem()))
	case t.Kind() == reflect.Map:
		v.Set(reflect.MakeMap(t))
		v.SetMapIndex(argument(t.Key()), argument(t.Elem()))
	case t.Kind() == reflect.Pointer:
		v.Set(reflect.New(t.Elem()))
	case t.Kind() == reflect.Func:
		v.Set(reflect.MakeFunc(t, func(args []reflect.Value) []reflect.Value { return called(t, args) }))
	}
	return v
}

// called acts as a function of type t: an iterator yields one element; other functions
// return zero values.
func called(t reflect.Type, args []reflect.Value) (results []reflect.Value) {
	if t.NumIn() == 1 && t.In(0).Kind() == reflect.Func {
		args[0].Call([]reflect.Value{argument(t.In(0).In(0))})
	}
	for i := range t.NumOut() {
		results = append(results, reflect.Zero(t.Out(i)))
	}
	return results
}

// Every exported method with a context returns when that ends, while Redis drops everything
// and no timeout of the client expires.
func TestContexts_methods(t *testing.T) {
	link := redistest.StartProxy(t, redistest.Start(t, nil).Addr())
	opt := rueidis.ClientOption{InitAddress: []string{link.Addr()}, ConnWriteTimeout: never}
	opt.Dialer.Timeout, opt.Dialer.KeepAlive = never, never
	client, err := (&redisstore.Dialer{Timeout: never, BreakAfter: -1}).Dial(opt)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(client.Close)
	b := backend(t, &strata.Config{Redis: client, Prefix: "a:"})
	load := func(_ context.Context, id string) (string, error) { return id, nil }
	c, err := strata.New(b, "c", load, &strata.Options[string, string]{Tags: func(string, string) []string { return []string{"k"} }})
	if err != nil {
		t.Fatal(err)
	}
	written, err := c.BeginWrite(t.Context(), time.Minute, "written")
	if err != nil {
		t.Fatal(err)
	}
	bracket, err := c.Tiers().BeginWrite(t.Context(), time.Minute, "bracket")
	if err != nil {
		t.Fatal(err)
	}
	single := redisstore.New(client, &redisstore.Options[string]{Prefix: "s:", Codec: codec.String()})
	plain := redisstore.NewPlain(client, &redisstore.PlainOptions[string]{Prefix: "p:", Codec: codec.String()})
	counter, err := strata.NewCounter[string](b, "counter", 0)
	if err != nil {
		t.Fatal(err)
	}
	calls := make(map[string]func(context.Context))
	for _, v := range []any{b, c, written, c.Tiers(), bracket, counter, client, single, plain, redisstore.NewTags(client, "t:")} {
		methodsWithContext(calls, v)
	}
	for _, v := range limiters(t, link.Addr()) {
		methodsWithContext(calls, v)
	}
	if _, err := c.Get(t.Context(), "k"); err != nil {
		t.Fatal(err)
	}
	t.Logf("%d methods", len(calls))
	whileHoled(t, link, calls)
}

// limiters returns a limiter of rates, one of concurrency and a lease of it.
func limiters(t *testing.T, addr string) []any {
	t.Helper()
	opt := rueidis.ClientOption{InitAddress: []string{addr}, ConnWriteTimeout: never}
	opt.Dialer.Timeout, opt.Dialer.KeepAlive = never, never
	client, err := redislimit.Dial(opt)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(client.Close)
	o := &redislimit.Options{Timeout: never, OnFailure: redislimit.FailClosed}
	rate, err := redislimit.New(client, o, ratelimit.Policy{Name: "p", Algorithm: ratelimit.GCRA, Limit: 9, Window: time.Minute})
	if err != nil {
		t.Fatal(err)
	}
	slots, err := redislimit.New(client, o, ratelimit.Policy{Name: "s", Algorithm: ratelimit.Concurrency, Limit: 9, Window: time.Minute})
	if err != nil {
		t.Fatal(err)
	}
	lease, _, err := slots.Acquire(t.Context(), "k")
	if err != nil {
		t.Fatal(err)
	}
	return []any{rate, slotsOnly{slots}, lease}
}

// slotsOnly has the methods of a concurrency limiter under a separate name.
type slotsOnly struct{ *redislimit.Limiter }

// Open and the dial functions return when their context ends, before Redis has answered and
// before any timeout of the settings.
func TestContexts_connect(t *testing.T) {
	link := redistest.StartProxy(t, redistest.Start(t, nil).Addr())
	url := fmt.Sprintf("redis://%s?dial_timeout=%v&write_timeout=%v", link.Addr(), never, never)
	calls := make(map[string]func(context.Context))
	for _, optional := range []bool{false, true} {
		calls[fmt.Sprintf("Open, optional %v", optional)] = func(ctx context.Context) {
			b, err := strata.Open(ctx, &strata.Config{RedisURL: url, RedisOptional: optional})
			if !optional && (!errors.Is(err, context.DeadlineExceeded) || !errors.Is(err, store.ErrUnavailable)) || optional && err != nil {
				t.Errorf("Open, optional %v: %v", optional, err)
			}
			if b != nil {
				b.Close()
			}
		}
		calls[fmt.Sprintf("DialURLContext, lazy %v", optional)] = func(ctx context.Context) {
			c, err := (&redisstore.Dialer{Lazy: optional, Timeout: never}).DialURLContext(ctx, url)
			if (err == nil) != optional {
				t.Errorf("DialURLContext, lazy %v: %v", optional, err)
			}
			if c != nil {
				c.Close()
			}
		}
	}
	whileHoled(t, link, calls)
}

// TestContexts_endedBefore checks that a read with a context that has already ended starts
// no load, and that L1 still answers.
func TestContexts_endedBefore(t *testing.T) {
	with(t, func(t *testing.T, cfg *strata.Config) {
		var loads atomic.Int64
		c, err := strata.New(backend(t, cfg), "n", func(_ context.Context, id int) (int, error) { loads.Add(1); return id, nil }, nil)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := c.Get(t.Context(), 1); err != nil {
			t.Fatal(err)
		}
		ctx, cancel := context.WithCancel(t.Context())
		cancel()
		if v, err := c.Get(ctx, 1); (cfg == nil || cfg.Memory >= 0) && (v != 1 || err != nil) {
			t.Errorf("what L1 has: %d, %v", v, err)
		}
		for id := 2; id < 200; id++ {
			if _, err := c.Get(ctx, id); !errors.Is(err, context.Canceled) {
				t.Errorf("Get returned %v", err)
			}
			if m, err := c.GetMany(ctx, []int{id, id + 1000}); len(m) > 0 || !errors.Is(err, context.Canceled) {
				t.Errorf("GetMany returned %v, %v", m, err)
			}
		}
		if n := loads.Load(); n != 1 {
			t.Errorf("%d loads, want the first", n)
		}
	})
}
