package strata_test

import (
	"context"
	"encoding/json"
	"errors"
	"strings"
	"testing"

	"github.com/lokroom/strata"
	"github.com/lokroom/strata/store"
)

func TestBackend_Caches(t *testing.T) {
	eachBackend(t, func(t *testing.T, b *strata.Backend) {
		if all := b.Caches(); len(all) != 0 {
			t.Errorf("without caches: %v", all)
		}
		load := func(context.Context, string) (string, error) { return "v", nil }
		users, uerr := strata.New(b, "users", load, nil)
		_, lerr := strata.New(b, "listings", load, nil)
		if err := errors.Join(uerr, lerr); err != nil {
			t.Fatal(err)
		}
		if v, err := users.Get(t.Context(), "k"); v != "v" || err != nil {
			t.Fatal(v, err)
		}
		all := b.Caches()
		if len(all) != 2 || all[0].Name != "listings" || all[1].Name != "users" || all[1].Stats.Loads != 1 || all[0].Stats.Loads != 0 {
			t.Fatalf("%+v", all)
		}
		text, err := json.Marshal(all)
		if err != nil {
			t.Fatal(err)
		}
		for _, want := range []string{`"name":"users"`, `"loads":1`, `"l1_hits":0`, `"retry_oldest":"0s"`, `"stale_for":[`, `"l1":{`, `"max_bytes":`} {
			if !strings.Contains(string(text), want) {
				t.Errorf("%s is missing in %s", want, text)
			}
		}
		if err := users.Close(); err != nil {
			t.Fatal(err)
		}
		if all := b.Caches(); len(all) != 1 || all[0].Name != "listings" {
			t.Errorf("after Close of a cache: %+v", all)
		}
		if err := b.Close(); err != nil || len(b.Caches()) != 0 {
			t.Errorf("after Close: %+v, %v", b.Caches(), err)
		}
	})
}

// explode panics, for the stack of the error to name it.
func explode() (string, error) { panic(errors.ErrUnsupported) }

// TestPanicError: callers get the panic of a loader with its stack.
func TestPanicError(t *testing.T) {
	c, err := strata.New(backend(t, nil), "c", func(context.Context, string) (string, error) { return explode() }, nil)
	if err != nil {
		t.Fatal(err)
	}
	_, err = c.Get(t.Context(), "k")
	var panicked *store.PanicError
	if !errors.As(err, &panicked) || !strings.Contains(string(panicked.Stack), "explode") || !errors.Is(err, errors.ErrUnsupported) || strings.Contains(err.Error(), "goroutine") {
		t.Errorf("%v", err)
	}
}

// TestOpen_url: Open reports what is wrong with the URL together with all other mistakes.
func TestOpen_url(t *testing.T) {
	_, err := strata.Open(t.Context(), &strata.Config{RedisURL: "redis://:secret@localhost?dail_timeout=1s&timeout=2s&cert_file=a.pem", Memory: 1})
	for _, want := range []string{"Config.RedisURL: 2 unknown URL parameters: want", "use rediss://", "Config.Memory"} {
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%q is missing in %v", want, err)
		}
	}
	if err != nil && (strings.Contains(err.Error(), "secret") || strings.Contains(err.Error(), "\n")) {
		t.Errorf("not one line without the password: %q", err)
	}
}
