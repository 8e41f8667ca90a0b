package integration_test

import (
	"os"
	"testing"

	"github.com/redis/rueidis"
	"go.uber.org/goleak"

	"github.com/lokroom/strata/layered"
	"github.com/lokroom/strata/store"
	"github.com/lokroom/strata/store/memstore"
	"github.com/lokroom/strata/store/otterstore"
	"github.com/lokroom/strata/store/redisstore"
	"github.com/lokroom/strata/store/ristrettostore"
)

func TestMain(m *testing.M) {
	if os.Getenv(peerEnv) != "" {
		peerMain()
		return
	}
	// rueidis closes connections to removed nodes five seconds later, and reads the
	// topology again within one second, even if the client is closed.
	goleak.VerifyTestMain(m,
		goleak.IgnoreAnyFunction("github.com/redis/rueidis.(*clusterClient)._refresh.func2"),
		goleak.IgnoreAnyFunction("github.com/redis/rueidis.(*clusterClient).redirectOrNew.func1"),
		goleak.IgnoreAnyFunction("github.com/redis/rueidis.(*call).DelayDo.func1"))
}

// dial connects to addrs with a client that is closed with the test.
func dial(t testing.TB, addrs ...string) *redisstore.Client {
	t.Helper()
	return dialWith(t, redisstore.Dialer{}, addrs...)
}

func dialWith(t testing.TB, d redisstore.Dialer, addrs ...string) *redisstore.Client {
	t.Helper()
	c, err := d.Dial(rueidis.ClientOption{InitAddress: addrs})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(c.Close)
	return c
}

// l1s are the in-process stores, each new and closed with the test.
func l1s[T any]() map[string]func(testing.TB) store.Store[T] {
	return map[string]func(testing.TB) store.Store[T]{
		"memstore": func(testing.TB) store.Store[T] { return memstore.New[T](nil) },
		"ristrettostore": func(t testing.TB) store.Store[T] {
			b, err := ristrettostore.NewBudget(64 << 20)
			if err != nil {
				t.Fatal(err)
			}
			t.Cleanup(b.Close)
			return ristrettostore.New[T](b, nil)
		},
		"otterstore": func(t testing.TB) store.Store[T] {
			b, err := otterstore.NewBudget(64 << 20)
			if err != nil {
				t.Fatal(err)
			}
			t.Cleanup(b.Close)
			return otterstore.New[T](b, nil)
		},
	}
}

// tiers opens a layered store that is closed with the test, before its tiers.
func tiers[T any](t testing.TB, l1, l2 store.Store[T], o *layered.Options[T]) *layered.Store[T] {
	t.Helper()
	s, err := layered.New(l1, l2, o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { s.Close() })
	return s
}
