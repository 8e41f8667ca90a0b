package redisstore_test

import (
	"errors"
	"fmt"
	stdstrings "strings"
	"testing"
	"time"

	"github.com/lokroom/strata/internal/redistest"
	"github.com/lokroom/strata/store"
	"github.com/lokroom/strata/store/redisstore"
)

// With a volatile policy a server evicts values that end, and refuses writes once those that
// do not end fill its memory. Diagnose says so before.
func TestDiagnose_volatile(t *testing.T) {
	o := sound()
	o.MaxMemory, o.MaxMemoryPolicy = "8mb", "volatile-lru"
	s := redistest.Start(t, o)
	st := strings(dial(t, to(s)), "strata:n:")
	eviction := func() (found string) {
		t.Helper()
		all, err := redisstore.Diagnose(ctx, to(s), "strata:")
		if err != nil {
			t.Fatal(err)
		}
		for _, f := range all {
			if f.Check == "eviction" {
				found += f.String()
			}
		}
		return found
	}
	fill := func(what string, end store.Time) error {
		for i := range 300 { // 64 KiB each
			e := store.Entry[string]{Value: stdstrings.Repeat("v", 64<<10), ExpiresAt: end}
			if err := st.Set(ctx, fmt.Sprint(what, i), e); err != nil {
				return err
			}
		}
		return nil
	}
	if err := fill("ends", store.In(time.Hour)); err != nil {
		t.Errorf("values that end: %v", err)
	}
	if found := eviction(); found != "" {
		t.Errorf("where all values end: %s", found)
	}
	if err := fill("lasts", 0); !errors.Is(err, store.ErrTooLarge) || !stdstrings.Contains(err.Error(), "Redis is full") {
		t.Errorf("values that do not end: %v", err)
	}
	if found := eviction(); !stdstrings.Contains(found, "volatile-lru evicts only keys with a TTL") {
		t.Errorf("where values do not end: %q", found)
	}
}
