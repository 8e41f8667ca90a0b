package redisstore_test

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/lokroom/strata/codec"
	"github.com/lokroom/strata/internal/redistest"
	"github.com/lokroom/strata/store"
	"github.com/lokroom/strata/store/redisstore"
	"github.com/redis/rueidis"
)

func Example() {
	server, err := redistest.New(nil) // yours is running already
	if err != nil {
		fmt.Println(err)
		return
	}
	defer server.Close()

	client, err := redisstore.DialURL(server.URL())
	if err != nil {
		fmt.Println(err)
		return
	}
	defer client.Close()

	type User struct{ Name string }
	users := redisstore.New(client, &redisstore.Options[User]{Prefix: "user:"})
	ctx := context.Background()

	_, err = users.Get(ctx, "42")
	fmt.Println(errors.Is(err, store.ErrNotFound))

	err = users.Set(ctx, "42", store.Entry[User]{Value: User{Name: "Ada"}, ExpiresAt: store.In(time.Hour)})
	fmt.Println(err)

	e, err := users.Get(ctx, "42")
	fmt.Println(e.Value.Name, err)
	// Output:
	// true
	// <nil>
	// Ada <nil>
}

func ExampleDial() {
	_, err := redisstore.Dial(rueidis.ClientOption{InitAddress: []string{"localhost:6379"}, DisableCache: true, ConnLifetime: time.Minute})
	fmt.Println(err)
	// Output:
	// redis: dial: rueidis.ClientOption.ConnLifetime: replacing a connection loses its pushes and may apply a write twice; rueidis.ClientOption.DisableCache: it switches tracking off
}

func ExampleDialer() {
	client, err := (&redisstore.Dialer{Timeout: 200 * time.Millisecond, Lazy: true}).DialURL("redis://127.0.0.1:1")
	if err != nil {
		fmt.Println(err)
		return
	}
	defer client.Close()
	_, err = redisstore.New[string](client, nil).Get(context.Background(), "k")
	fmt.Println(errors.Is(err, store.ErrUnavailable))
	// Output: true
}

func ExampleStore_Watch() {
	server, err := redistest.New(nil)
	if err != nil {
		fmt.Println(err)
		return
	}
	defer server.Close()
	client, err := redisstore.DialURL(server.URL())
	if err != nil {
		fmt.Println(err)
		return
	}
	defer client.Close()
	names := redisstore.New(client, &redisstore.Options[string]{Prefix: "name:"})

	ctx := context.Background()
	told := make(chan string, 1)
	stop, err := names.Watch(store.Watching{Changed: func(inv store.Invalidation) {
		for _, key := range inv.Keys {
			told <- key // has room: only one key was read
		}
	}})
	if err != nil {
		fmt.Println(err)
		return
	}
	defer stop()

	names.Get(ctx, "42") // from here on, a change of 42 is notified
	server.Do("SET", "name:42", "somebody else was here")
	fmt.Println(<-told)
	// Output: 42
}

// Another program keeps JSON in Redis, and this one reads it.
func ExampleNewPlain() {
	server, err := redistest.New(nil)
	if err != nil {
		fmt.Println(err)
		return
	}
	defer server.Close()
	client, err := redisstore.DialURL(server.URL())
	if err != nil {
		fmt.Println(err)
		return
	}
	defer client.Close()

	type Price struct {
		Cents int `json:"cents"`
	}
	prices := redisstore.NewPlain(client, &redisstore.PlainOptions[Price]{Prefix: "price:", Codec: codec.JSON[Price]()})

	server.Do("SET", "price:42", `{"cents":1995}`)
	e, err := prices.Get(context.Background(), "42")
	fmt.Println(e.Value.Cents, err)
	// Output: 1995 <nil>
}

func ExampleDiagnose() {
	server, err := redistest.New(&redistest.Options{MaxMemory: "64mb"}) // yours is running already
	if err != nil {
		fmt.Println(err)
		return
	}
	defer server.Close()

	found, err := redisstore.Diagnose(context.Background(), rueidis.ClientOption{InitAddress: []string{server.Addr()}}, "strata:")
	if err != nil {
		fmt.Println(err)
		return
	}
	for _, f := range found {
		fmt.Printf("%s (%s): %s\n", f.Check, f.Severity, f.Advice)
	}
	// Output:
	// eviction (warning): Set maxmemory-policy to allkeys-lfu, or raise maxmemory.
}
