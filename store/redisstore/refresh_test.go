package redisstore_test

import (
	"errors"
	"fmt"
	"testing"
	"time"

	"github.com/lokroom/strata/internal/redistest"
	"github.com/lokroom/strata/store"
	"github.com/lokroom/strata/store/redisstore"
)

// A Replace, one that removes included, is notified to the other stores of the client.
func TestStore_Replace_twoStores(t *testing.T) {
	for name, e := range map[string]store.Entry[string]{
		"a value":        {Value: "2", ExpiresAt: store.In(time.Hour)},
		"one that ended": {ExpiresAt: 1},
	} {
		t.Run(name, func(t *testing.T) {
			p, c := prefix(), dial(t, to(server(t)))
			a, b := strings(c, p), strings(c, p)
			set(t, a, "k", "1")
			old, err := b.Get(ctx, "k")
			if err != nil {
				t.Fatal(err)
			}
			l := watch(t, b)
			if _, _, err := a.Replace(ctx, "k", old.Version, e); err != nil {
				t.Fatal(err)
			}
			l.wait(t, "k")
		})
	}
}

// A claim is kept apart from the entries, and not longer than it lasts.
func TestStore_Claim_key(t *testing.T) {
	srv := redistest.Start(t, nil)
	s := strings(dial(t, to(srv)), "p:")
	set(t, s, "{k}", "1")
	g, err := s.Claim(ctx, "{k}", 0xabc, time.Minute)
	if err != nil {
		t.Fatal(err)
	}
	const key = "!p:r:p:{k}:abc"
	if ttl, err := srv.Do("PTTL", key); err != nil || ttl.(int64) <= 0 || ttl.(int64) > time.Minute.Milliseconds() {
		t.Errorf("PTTL %s: %v, %v", key, ttl, err)
	}
	if err := s.Clear(ctx); err != nil { // what is not an entry of the store is not its own
		t.Fatal(err)
	}
	if n, err := srv.Do("EXISTS", key); err != nil || n != int64(1) {
		t.Errorf("after Clear: %v, %v; want the claim to be there", n, err)
	}
	if err := s.EndClaim(ctx, "{k}", 0xabc, g.Lease, 0); err != nil {
		t.Fatal(err)
	}
	if n, err := srv.Do("EXISTS", key); err != nil || n != int64(0) {
		t.Errorf("when it has ended: %v, %v", n, err)
	}
}

// What Replace compares is the whole of an id: it goes through Lua, whose numbers
// have 53 bits.
func TestStore_Replace_comparesAllBits(t *testing.T) {
	s, _ := open(t)
	set(t, s, "k", "1")
	e, err := s.Get(ctx, "k")
	if err != nil {
		t.Fatal(err)
	}
	for bit := range 64 {
		if _, _, err := s.Replace(ctx, "k", e.Version^1<<bit, store.Entry[string]{}); !errors.Is(err, store.ErrChanged) {
			t.Errorf("with bit %d another: %v", bit, err)
		}
	}
	get(t, s, "k", "1")
}

func TestStore_Replace_underAHold(t *testing.T) {
	s, _ := open(t)
	if err := s.DeleteHolding(ctx, store.Hold{For: time.Minute}, "k"); err != nil {
		t.Fatal(err)
	}
	set(t, s, "k", "1")
	e, err := s.Get(ctx, "k")
	if err != nil {
		t.Fatal(err)
	}
	kept, _, err := s.Replace(ctx, "k", e.Version, store.Entry[string]{Value: "2", ExpiresAt: store.In(time.Hour)})
	if err != nil || kept.ExpiresAt.Until() > time.Minute {
		t.Errorf("it lives for %v, %v; want no longer than the hold", kept.ExpiresAt.Until(), err)
	}
}

func ExampleStore_Replace() {
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
	names := strings(client, "name:")

	_ = names.Set(ctx, "42", store.Entry[string]{Value: "Ada"})
	old, _ := names.Get(ctx, "42")
	claim, err := names.Claim(ctx, "42", old.Version, 3*time.Second)
	fmt.Println(claim.State == store.Granted, err) // of all processes, this one loads

	_ = names.Set(ctx, "42", store.Entry[string]{Value: "Grace"}) // somebody changes it meanwhile
	_, _, err = names.Replace(ctx, "42", old.Version, store.Entry[string]{Value: "Ada"})
	fmt.Println(err)
	e, _ := names.Get(ctx, "42")
	fmt.Println(e.Value)
	// Output:
	// true <nil>
	// the entry has changed
	// Grace
}
