package integration_test

import (
	"errors"
	"testing"
	"time"

	"github.com/lokroom/strata/internal/redistest"
	"github.com/lokroom/strata/layered"
)

// A value that was invalidated while the connection was lost is not returned once Redis can be
// reached again, though L1 and Redis still have it under one version: not as fresh, and not as
// stale if the source fails. A value without the tag is.
func TestTags_connectionLost(t *testing.T) { inBothModes(t, tagsConnectionLost) }

func tagsConnectionLost(t *testing.T, build builder) {
	for name, invalidate := range invalidations {
		t.Run(name, func(t *testing.T) {
			server := redistest.Start(t, nil)
			o := &layered.Options[int]{TTL: time.Hour, StaleFor: time.Hour, RetryAfter: -1}
			a, b := build(t, server, o), build(t, server, o)
			find := func(key string, load layered.Loader[int]) (layered.Found[int], error) {
				return a.Find(t.Context(), key, layered.Source[int]{Load: load})
			}
			for key, tag := range map[string]string{"k": "t", "l": "t", "m": "u"} {
				redistest.WaitFor(t, "a copy in L1", func() bool {
					f, err := find(key, tagged(1, tag))
					return err == nil && f.Tier == layered.L1
				})
			}
			lost := a.Counts().Lost
			a.link.Refuse(true)
			a.link.Cut()
			redistest.WaitFor(t, "the loss", func() bool { return a.Counts().Lost > lost })
			if err := invalidate(t.Context(), b); err != nil {
				t.Fatal(err)
			}
			a.link.Refuse(false)
			redistest.WaitFor(t, "Redis to be reached again", func() bool { return a.Ping(t.Context()) == nil })
			if f, err := find("k", failing); !errors.Is(err, errSource) {
				t.Errorf("the source fails: got %d from %v, %v", f.Value, f.Tier, err)
			}
			if f, err := find("l", tagged(2, "t")); err != nil || f.Value != 2 || f.Tier != layered.Origin {
				t.Errorf("the first read got %d from %v, %v", f.Value, f.Tier, err)
			}
			if f, err := find("m", failing); name == "InvalidateTags" && (err != nil || f.Value != 1 || f.Stale) {
				t.Errorf("another tag: got %d from %v, %v", f.Value, f.Tier, err)
			}
		})
	}
}
