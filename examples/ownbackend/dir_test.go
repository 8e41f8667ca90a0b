package ownbackend_test

import (
	"context"
	"errors"
	"fmt"
	"log"
	"os"
	"testing"

	"github.com/lokroom/strata/examples/ownbackend"
	"github.com/lokroom/strata/layered"
	"github.com/lokroom/strata/store"
	"github.com/lokroom/strata/store/otterstore"
	"github.com/lokroom/strata/store/storetest"
)

func TestConformance(t *testing.T) {
	storetest.Run(t, storetest.Harness{
		Open: func(t testing.TB) store.Store[storetest.Value] {
			return &ownbackend.Dir[storetest.Value]{Path: t.TempDir()}
		},
		KeepsLoadedAt: true,
	})
}

// TestDir tests what the suite does not: fields set by other stores are dropped, a file
// that is not an entry is a miss, and a missing directory is an error that names the store
// and the key.
func TestDir(t *testing.T) {
	dir := t.TempDir()
	s := &ownbackend.Dir[string]{Path: dir}
	if err := s.Set(t.Context(), "k", store.Entry[string]{Value: "v", Version: 7, Size: 9}); err != nil {
		t.Fatal(err)
	}
	if e, err := s.Get(t.Context(), "k"); e.Version != 0 || e.Size != 0 || err != nil {
		t.Errorf("Get returned version %d and size %d of another store, error %v", e.Version, e.Size, err)
	}
	files, err := os.ReadDir(dir)
	if err != nil || len(files) != 1 {
		t.Fatalf("%d files, error %v", len(files), err)
	}
	if err := os.WriteFile(dir+"/"+files[0].Name(), []byte("garbage"), 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := s.Get(t.Context(), "k"); err != store.ErrNotFound {
		t.Errorf("Get of garbage returned %v", err)
	}
	if err := os.RemoveAll(dir); err != nil {
		t.Fatal(err)
	}
	err = s.Set(t.Context(), "k", store.Entry[string]{Value: "v"})
	if e := new(store.Error); !errors.As(err, &e) || e.Store != "dir" || e.Key != "k" {
		t.Errorf("Set without a directory returned %v", err)
	}
}

func Example() {
	ctx := context.Background()
	path, err := os.MkdirTemp("", "listings")
	if err != nil {
		log.Fatal(err)
	}
	defer os.RemoveAll(path)
	budget, err := otterstore.NewBudget(64 << 20)
	if err != nil {
		log.Fatal(err)
	}
	defer budget.Close()

	titles, err := layered.New(otterstore.New[string](budget, nil), &ownbackend.Dir[string]{Path: path}, nil)
	if err != nil {
		log.Fatal(err)
	}
	defer titles.Close()
	load := func(_ context.Context, key string) (store.Entry[string], error) {
		fmt.Println("loading", key)
		return store.Entry[string]{Value: "Boathouse"}, nil
	}
	for range 2 {
		e, err := titles.GetOrLoad(ctx, "listing:42", load)
		fmt.Println(e.Value, err)
	}

	// The next process finds it on the disk.
	again, err := layered.New(otterstore.New[string](budget, nil), &ownbackend.Dir[string]{Path: path}, nil)
	if err != nil {
		log.Fatal(err)
	}
	defer again.Close()
	f, err := again.Find(ctx, "listing:42", layered.Source[string]{Load: load})
	fmt.Println(f.Value, f.Tier, err)
	// Output:
	// loading listing:42
	// Boathouse <nil>
	// Boathouse <nil>
	// Boathouse L2 <nil>
}
