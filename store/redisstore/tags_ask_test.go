package redisstore_test

import (
	"context"
	"errors"
	"fmt"
	stdstrings "strings"
	"testing"

	"github.com/lokroom/strata/internal/redistest"
	"github.com/lokroom/strata/store"
	"github.com/lokroom/strata/store/redisstore"
	"github.com/redis/rueidis"
)

// Where the server drops keys from its table without a word, what was invalidated
// elsewhere is not found any more, at once: tags are asked for.
func TestTags_tableOverflows(t *testing.T) {
	srv := redistest.Start(t, &redistest.Options{Config: []string{"tracking-table-max-keys 100"}})
	writer := dialWith(t, &redisstore.Dialer{Timeout: patience}, to(srv))
	other := strings(writer, "p:")
	tooMany := make([]string, 100_001)
	for i := range tooMany {
		tooMany[i] = fmt.Sprint("other ", i)
	}
	ways := map[string]func() error{
		"InvalidateTags": func() error { return other.InvalidateTags(ctx, "t") },
		"Clear":          func() error { return other.Clear(ctx) },
		"every tag": func() error {
			tags := redisstore.NewTags(writer, "!p:")
			tags.InvalidateSoon(tooMany...)
			ctx, cancel := context.WithTimeout(ctx, patience)
			defer cancel()
			return tags.Flush(ctx)
		},
	}
	reads := map[string]func(s *redisstore.Store[string], key string) error{
		"Get": func(s *redisstore.Store[string], key string) error { _, err := s.Get(ctx, key); return err },
		"GetMany": func(s *redisstore.Store[string], key string) error {
			m, err := store.GetMap(ctx, s, []string{key, "none"})
			if _, ok := m[key]; !ok && err == nil {
				err = store.ErrNotFound
			}
			return err
		},
	}
	for way, invalidate := range ways {
		for how, read := range reads {
			t.Run(way+", "+how, func(t *testing.T) {
				s := strings(dialWith(t, &redisstore.Dialer{Timeout: patience, MaxDisconnected: unhurried}, to(srv)), "p:")
				listen(t, s)
				for _, key := range []string{"old", "kept"} {
					if err := other.Set(ctx, key, store.Entry[string]{Value: key, Tags: map[string][]string{"old": {"t"}, "kept": {"u"}}[key]}); err != nil {
						t.Fatal(err)
					}
					if err := read(s, key); err != nil {
						t.Fatalf("%s: %v", key, err)
					}
				}
				if err := s.Set(ctx, "own", store.Entry[string]{Value: "v"}); err != nil { // it has read the clock
					t.Fatal(err)
				}
				for i := range 2000 { // reads of the same connection, whose table forgets others
					if _, err := s.Get(ctx, fmt.Sprint(i)); !errors.Is(err, store.ErrNotFound) {
						t.Fatal(err)
					}
				}
				if err := invalidate(); err != nil {
					t.Fatal(err)
				}
				if err := read(s, "old"); !errors.Is(err, store.ErrNotFound) {
					t.Errorf("what was invalidated: %v", err)
				}
				if err := read(s, "kept"); way == "InvalidateTags" && err != nil {
					t.Errorf("what was not: %v", err)
				}
				if err := s.Set(ctx, "new", store.Entry[string]{Value: "v", Tags: []string{"t"}}); err != nil {
					t.Fatal(err)
				}
				if err := read(s, "new"); err != nil {
					t.Errorf("what came after it: %v", err)
				}
			})
		}
	}
}

// A tag that Redis has not received yet hides what carries it, also where the table of the
// server overflows, so that reads ask for the tags: Redis could only answer what it knows.
func TestTags_retryQueueWhileTheTableOverflows(t *testing.T) {
	srv := redistest.Start(t, &redistest.Options{Config: []string{"tracking-table-max-keys 100"}})
	link := redistest.StartRewriter(t, srv.Addr())
	c := dialWith(t, &redisstore.Dialer{Timeout: patience, BreakAfter: -1}, rueidis.ClientOption{InitAddress: []string{link.Addr()}})
	s := strings(c, "p:")
	listen(t, s)
	if err := s.Set(ctx, "k", store.Entry[string]{Value: "v", Tags: []string{"t"}}); err != nil {
		t.Fatal(err)
	}
	e, err := s.Get(ctx, "k")
	if err != nil {
		t.Fatal(err)
	}
	hidden := func(when string) {
		t.Helper()
		if _, err := s.Get(ctx, "k"); !errors.Is(err, store.ErrNotFound) {
			t.Errorf("%s: Get: %v", when, err)
		}
		if _, err := s.Revalidate(ctx, "k", e); !errors.Is(err, store.ErrNotFound) {
			t.Errorf("%s: Revalidate: %v", when, err)
		}
		if m, err := store.GetMap(ctx, s, []string{"k"}); len(m) != 0 || err != nil {
			t.Errorf("%s: GetMany: %v, %v", when, m, err)
		}
	}
	link.Answer(func(args []string) bool {
		return stdstrings.HasPrefix(stdstrings.ToUpper(args[0]), "EVAL") && len(args) > 3 && args[3] == "!p:t:t"
	}, "LOADING Redis is loading the dataset in memory")
	if err := s.InvalidateTags(ctx, "t"); !errors.Is(err, store.ErrUnavailable) {
		t.Fatal(err)
	}
	hidden("while it is pending")
	link.Answer(nil, "")
	redistest.WaitFor(t, "the tag to be invalidated", func() bool { return c.Health().QueuedTags == 0 })
	hidden("afterwards")
}
