package strata_test

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/lokroom/strata"
	"github.com/lokroom/strata/internal/redistest"
	"github.com/lokroom/strata/store"
	"github.com/lokroom/strata/store/redisstore"
)

const configurationPage = "docs/configuration.md"

// urlOf returns the URL for a user made by redistest.Server.Grant on s.
func urlOf(user string, s *redistest.Server) string { return "redis://" + user + ":secret@" + s.Addr() }

// exercise runs the operations of a cache, and returns the errors.
func exercise(ctx context.Context, b *strata.Backend) error {
	c, err := strata.New(b, "n", func(_ context.Context, id string) (string, error) { return "v" + id, nil },
		&strata.Options[string, string]{TTL: time.Hour, StaleFor: time.Hour, Tags: func(string, string) []string { return []string{"t"} }})
	if err != nil {
		return err
	}
	defer c.Close()
	var errs []error
	do := func(op string, err error) {
		if err != nil {
			errs = append(errs, fmt.Errorf("%s: %w", op, err))
		}
	}
	_, err = c.Get(ctx, "a")
	do("Get", err)
	_, err = c.GetFresh(ctx, "a")
	do("GetFresh", err)
	_, err = c.Refresh(ctx, "a")
	do("Refresh", err)
	do("Expire", c.MarkStale(ctx, "a"))
	do("Set", c.Set(ctx, "b", "w"))
	do("SetMany", c.SetMany(ctx, map[string]string{"c": "w", "d": "w", "e": "w"}))
	_, err = c.GetMany(ctx, []string{"a", "b", "c", "x", "y", "z"})
	do("GetMany", err)
	_, err = c.SetIfNewer(ctx, "f", "w", 7)
	do("SetIfNewer", err)
	do("Delete", c.Delete(ctx, "b", "c"))
	do("DeleteAndWait", c.DeleteAndWait(ctx, "d"))
	do("DeleteHolding", c.DeleteHolding(ctx, time.Minute, "e"))
	w, err := c.BeginWrite(ctx, time.Minute, "g")
	do("BeginWrite", err)
	if err == nil {
		do("CommitSet", w.CommitSet(ctx, map[string]string{"g": "w"}))
	}
	_, err = c.Warm(ctx, slices.Values([]string{"h", "i"}), nil)
	do("Warm", err)
	do("SaveHot", c.SaveHot(ctx, 10))
	_, err = c.WarmHot(ctx, 10, nil)
	do("WarmHot", err)
	do("InvalidateTags", b.InvalidateTags(ctx, "t"))
	tiers := c.Tiers()
	_, err = tiers.Add(ctx, "n", 1, time.Hour)
	do("Add", err)
	do("Expire of a counter", tiers.Expire(ctx, "n", time.Minute))
	_, err = tiers.TTL(ctx, "n")
	do("TTL", err)
	_, err = tiers.DeletePattern(ctx, "h*")
	do("DeletePattern", err)
	_, err = tiers.Stats(ctx)
	do("Stats", err)
	do("Clear", c.Clear(ctx))
	do("Ping", b.Ping(ctx))
	return errors.Join(errs...)
}

// A user with the documented rights can use everything, and Redis denies it nothing.
func TestRights_documentedLine(t *testing.T) {
	rights := redistest.DocumentedRights(t, configurationPage, "strata")
	single, nodes := redistest.Start(t, nil), redistest.StartCluster(t, 2).Nodes
	for _, s := range append([]*redistest.Server{single}, nodes...) {
		s.Grant(t, "strata", rights...)
	}
	for name, c := range map[string]*strata.Config{
		"server":    {RedisURL: urlOf("strata", single)},
		"broadcast": {RedisURL: urlOf("strata", single), Tracking: strata.Broadcast},
		"cluster":   {RedisURL: urlOf("strata", nodes[0])},
	} {
		t.Run(name, func(t *testing.T) {
			b := backend(t, c)
			if err := exercise(t.Context(), b); err != nil {
				t.Error(err)
			}
			redistest.WaitFor(t, "good health", func() bool { return b.Health().Err() == nil })
		})
	}
	for _, s := range append([]*redistest.Server{single}, nodes...) {
		if all := s.Refusals(t); len(all) > 0 {
			t.Errorf("%s has refused %q", s.Addr(), all)
		}
	}
}

// Open names the missing rights, also if Redis is optional, and for a connected client.
func TestRights_open(t *testing.T) {
	server := redistest.Start(t, nil)
	rights := redistest.DocumentedRights(t, configurationPage, "strata")
	for name, test := range map[string]struct {
		change []string
		want   string
	}{
		"a command":   {[]string{"-setrange"}, "grant +setrange;"},
		"scripting":   {[]string{"-evalsha", "-eval"}, "grant +evalsha +eval;"},
		"all keys":    {[]string{"resetkeys"}, "grant ~strata:!*;"},
		"other keys":  {[]string{"resetkeys", "~other:*"}, "grant ~strata:!*;"},
		"both":        {[]string{"resetkeys", "-pttl"}, "grant +pttl ~strata:!*;"},
		"connections": {[]string{"-client|tracking"}, "grant +client|tracking;"},
	} {
		t.Run(name, func(t *testing.T) {
			server.Grant(t, "strata", append(slices.Clone(rights), test.change...)...)
			for _, optional := range []bool{false, true} {
				b, err := strata.Open(t.Context(), &strata.Config{RedisURL: urlOf("strata", server), RedisOptional: optional})
				refusedBy(t, server, b, err, test.want)
			}
			if client, err := redisstore.DialURL(urlOf("strata", server)); err == nil {
				defer client.Close()
				b, err := strata.Open(t.Context(), &strata.Config{Redis: client})
				refusedBy(t, server, b, err, test.want)
			}
		})
	}
}

// Without any one of the documented rights Open names it, whether or not there will be tags,
// unless the documentation says that it is optional.
func TestRights_open_each(t *testing.T) {
	server := redistest.Start(t, nil)
	page, err := os.ReadFile(configurationPage)
	if err != nil {
		t.Fatal(err)
	}
	rights := redistest.DocumentedRights(t, configurationPage, "strata")
	for _, missing := range rights {
		server.Grant(t, "strata", slices.DeleteFunc(slices.Clone(rights), func(r string) bool { return r == missing })...)
		b, err := strata.Open(t.Context(), &strata.Config{RedisURL: urlOf("strata", server)})
		if optional := "\n| `" + strings.ReplaceAll(missing, "|", `\|`) + "` |"; !strings.Contains(string(page), optional) {
			refusedBy(t, server, b, err, "grant "+strings.Replace(missing, "~strata:*", "~strata:!*", 1))
		} else if err != nil {
			t.Errorf("without %s, which is optional: %v", missing, err)
		} else {
			b.Close()
		}
	}
}

func refusedBy(t *testing.T, server *redistest.Server, b *strata.Backend, err error, want string) {
	t.Helper()
	if err == nil {
		b.Close()
	}
	for _, part := range []string{server.Addr(), "NOPERM", want, configurationPage} {
		if !errors.Is(err, store.ErrAuth) || !strings.Contains(err.Error(), part) {
			t.Errorf("%v, without %q", err, part)
		}
	}
}

// Health and the log report a right that is revoked at run time, with the server and the
// command. Reads do not fail, and the breaker stays closed, because Redis answers. When the
// right is granted again, everything works as before.
func TestRights_lost(t *testing.T) {
	rights := redistest.DocumentedRights(t, configurationPage, "strata")
	for name, test := range map[string]struct {
		change    []string
		want      string
		heartbeat bool // cannot be sent
	}{
		"heartbeat": {[]string{"-del"}, "grant +del;", true},
		"time":      {[]string{"-time"}, "grant +time;", true},
		"keys":      {[]string{"resetkeys"}, "grant ~strata:!* ~strata:n:", true},
		"scripts":   {[]string{"-eval", "-evalsha"}, "grant +evalsha +eval;", false},
		"reads":     {[]string{"-get", "-mget"}, "grant +get +mget;", false},
		"some keys": {[]string{"resetkeys", "~strata:!*"}, "grant ~strata:n:", false},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			server := redistest.Start(t, nil)
			server.Grant(t, "strata", rights...)
			var log syncedBuffer
			b := backend(t, &strata.Config{RedisURL: urlOf("strata", server), MaxDisconnected: 400 * time.Millisecond, Logger: slog.New(slog.NewTextHandler(&log, nil))})
			c, err := strata.New(b, "n", func(_ context.Context, id int) (int, error) { return id, nil }, nil)
			if err != nil {
				t.Fatal(err)
			}
			ids := 0
			read := func() {
				t.Helper()
				ids++
				if v, err := c.Get(t.Context(), ids); v != ids || err != nil {
					t.Fatalf("Get: %d, %v", v, err)
				}
			}
			read()
			redistest.WaitFor(t, "good health", func() bool { h := b.Health(); return h.Err() == nil && h.Redis.Connected })

			server.Grant(t, "strata", append(slices.Clone(rights), test.change...)...)
			redistest.WaitFor(t, "Health to say so", func() bool {
				read()
				return strings.Contains(b.Health().Redis.Refused, test.want)
			})
			before := b.Health().Redis.Errors
			redistest.WaitFor(t, "what would be silence if an error were none", func() bool {
				if !test.heartbeat {
					read()
				}
				h := b.Health().Redis
				return h.Connected != test.heartbeat && h.Errors >= before+25
			})
			read()
			h := b.Health()
			if err := h.Err(); !errors.Is(err, store.ErrAuth) || !errors.Is(err, store.ErrUnavailable) || strings.Contains(err.Error(), "breaker") {
				t.Errorf("Health: %v", err)
			}
			for _, part := range []string{server.Addr(), "NOPERM", test.want} {
				if !strings.Contains(h.Err().Error(), part) {
					t.Errorf("%v, without %q", h.Err(), part)
				}
			}
			if h.Redis.Opened != 0 {
				t.Errorf("the breaker has opened: %+v", h.Redis)
			}

			server.Grant(t, "strata", rights...)
			redistest.WaitFor(t, "good health again", func() bool { h := b.Health(); return h.Err() == nil && h.Redis.Connected })
			read()
			redistest.WaitFor(t, "the value to be kept in Redis", func() bool {
				n, err := server.Do("EVAL", "return #redis.call('KEYS','strata:n:*:"+strconv.Itoa(ids)+"')", 0)
				return err == nil && n == int64(1)
			})
			for _, line := range []string{"Redis refuses what the user needs", "Redis permits what the user needs"} {
				if n := strings.Count(log.String(), line); n != 1 {
					t.Errorf("%d lines with %q in %s", n, line, log.String())
				}
			}
			if strings.Contains(log.String(), "does not answer") {
				t.Error(log.String())
			}
		})
	}
}

// A syncedBuffer is safe for concurrent use.
type syncedBuffer struct {
	mu sync.Mutex
	b  strings.Builder
}

func (s *syncedBuffer) Write(p []byte) (int, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.b.Write(p)
}

func (s *syncedBuffer) String() string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.b.String()
}

// A user that is switched off (ACL SETUSER ... off) keeps its connections. When they are
// closed, Health has the words of the server; reads do not fail, and when the user is on
// again, Redis is used again.
func TestRights_userOff(t *testing.T) {
	server := redistest.Start(t, nil)
	rights := redistest.DocumentedRights(t, configurationPage, "strata")
	server.Grant(t, "strata", rights...)
	b := backend(t, &strata.Config{RedisURL: urlOf("strata", server)})
	c, err := strata.New(b, "n", func(_ context.Context, id int) (int, error) { return id, nil }, nil)
	if err != nil {
		t.Fatal(err)
	}
	do := func(args ...any) {
		t.Helper()
		if _, err := server.Do(args...); err != nil {
			t.Fatal(err)
		}
	}
	do("ACL", "SETUSER", "strata", "off")
	do("CLIENT", "KILL", "USER", "strata")
	redistest.WaitFor(t, "Health to have the words of the server", func() bool {
		err := b.Health().Err()
		return errors.Is(err, store.ErrUnavailable) && strings.Contains(err.Error(), "WRONGPASS") && strings.Contains(err.Error(), server.Addr())
	})
	if v, err := c.Get(t.Context(), 1); v != 1 || err != nil {
		t.Errorf("Get meanwhile: %d, %v", v, err)
	}
	if err := c.Delete(t.Context(), 1); !errors.Is(err, store.ErrUnavailable) {
		t.Errorf("Delete meanwhile: %v", err)
	}
	do("ACL", "SETUSER", "strata", "on")
	redistest.WaitFor(t, "Redis to be used again", func() bool {
		return b.Ping(t.Context()) == nil && b.Health().Err() == nil && c.Stats().RetryQueue == 0
	})
}
