package strata_test

import (
	"context"
	"errors"
	"fmt"
	"sync/atomic"
	"testing"

	"github.com/lokroom/strata"
	"github.com/lokroom/strata/internal/redistest"
	"github.com/lokroom/strata/layered"
)

// Two processes: the one behind a link that can fail, and one that writes.
type readerAndWriter struct {
	link           *redistest.Proxy
	row            *atomic.Int64 // of the source
	reader, writer *strata.Cache[string, int64]
	rb, wb         *strata.Backend
}

func newReaderAndWriter(t *testing.T) readerAndWriter {
	t.Helper()
	server := redistest.Start(t, nil)
	p := readerAndWriter{link: redistest.StartProxy(t, server.Addr()), row: new(atomic.Int64)}
	open := func(addr string) (*strata.Backend, *strata.Cache[string, int64]) {
		b, err := strata.Open(t.Context(), &strata.Config{RedisURL: "redis://" + addr})
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { b.Close() })
		c, err := strata.New(b, "row", func(context.Context, string) (int64, error) { return p.row.Load(), nil }, nil)
		if err != nil {
			t.Fatal(err)
		}
		return b, c
	}
	p.rb, p.reader = open(p.link.Addr())
	p.wb, p.writer = open(server.Addr())
	return p
}

func (p readerAndWriter) change(t *testing.T) strata.Token {
	t.Helper()
	p.row.Add(1)
	if err := p.writer.Delete(t.Context(), "k"); err != nil {
		t.Fatal(err)
	}
	return p.wb.Token()
}

// A reader with the token of a write sees the write, though its invalidation has not
// arrived.
func TestToken_readsYourWrites(t *testing.T) {
	p := newReaderAndWriter(t)
	ctx := t.Context()
	reads := map[string]func(context.Context) (int64, error){
		"Get": func(ctx context.Context) (int64, error) { return p.reader.Get(ctx, "k") },
		"GetEntry": func(ctx context.Context) (int64, error) {
			e, err := p.reader.GetEntry(ctx, "k")
			return e.Value, err
		},
		"GetMany": func(ctx context.Context) (int64, error) {
			m, err := p.reader.GetMany(ctx, []string{"k"})
			return m["k"], err
		},
	}
	for name, read := range reads {
		t.Run(name, func(t *testing.T) {
			if v, err := p.reader.GetFresh(ctx, "k"); v != p.row.Load() || err != nil {
				t.Fatal(v, err)
			}
			p.link.HoleReplies(true)
			defer p.link.HoleReplies(false)
			token, err := strata.ParseToken(p.change(t).String())
			if err != nil {
				t.Fatal(err)
			}
			if v, _ := read(ctx); v != p.row.Load()-1 {
				t.Fatalf("without the token got %d: the push is not on its way", v)
			}
			done := make(chan error, 1)
			go func() {
				v, err := read(strata.WithToken(ctx, token))
				if err == nil && v != p.row.Load() {
					err = fmt.Errorf("with the token got %d, want %d", v, p.row.Load())
				}
				done <- err
			}()
			p.link.HoleReplies(false)
			if err := <-done; err != nil {
				t.Error(err)
			}
		})
	}
}

// After one exchange for a token, reads are answered by L1.
func TestToken_costsOnce(t *testing.T) {
	p := newReaderAndWriter(t)
	ctx := strata.WithToken(t.Context(), p.change(t))
	if v, err := p.reader.Get(ctx, "k"); v != 1 || err != nil {
		t.Fatal(v, err)
	}
	p.link.Hole(true) // no further exchange is possible
	defer p.link.Hole(false)
	if e, err := p.reader.GetEntry(ctx, "k"); e.Tier != layered.L1 || err != nil {
		t.Errorf("got %v from %v, %v; want L1", e.Value, e.Tier, err)
	}
	if e, err := p.reader.GetEntry(strata.WithToken(ctx, p.rb.Token()), "k"); e.Tier != layered.L1 || err != nil {
		t.Errorf("with a token of its own: got %v from %v, %v; want L1", e.Value, e.Tier, err)
	}
}

// Without Redis a read with a token calls the loader.
func TestToken_redisAway(t *testing.T) {
	p := newReaderAndWriter(t)
	if _, err := p.reader.Get(t.Context(), "k"); err != nil {
		t.Fatal(err)
	}
	token := p.change(t)
	p.link.Refuse(true)
	p.link.Cut()
	for range 3 { // also after L1 has a value loaded without Redis
		if v, err := p.reader.Get(strata.WithToken(t.Context(), token), "k"); v != p.row.Load() || err != nil {
			t.Errorf("got %d, %v; want %d from the source", v, err, p.row.Load())
		}
		if m, err := p.reader.GetMany(strata.WithToken(t.Context(), token), []string{"k"}); m["k"] != p.row.Load() || err != nil {
			t.Errorf("got %v, %v; want %d from the source", m, err, p.row.Load())
		}
		p.row.Add(1) // and this process cannot be notified
		if err := p.writer.Delete(t.Context(), "k"); err != nil {
			t.Fatal(err)
		}
		token = p.wb.Token()
	}
}

func TestToken_text(t *testing.T) {
	b, err := strata.Open(t.Context(), nil)
	if err != nil {
		t.Fatal(err)
	}
	defer b.Close()
	token := b.Token()
	back, err := strata.ParseToken(token.String())
	if err != nil || back != token {
		t.Errorf("ParseToken(%q) = %v, %v", token, back, err)
	}
	if b.Token() == token {
		t.Error("two tokens are one")
	}
	if zero, err := strata.ParseToken(""); err != nil || zero != (strata.Token{}) || zero.String() != "" {
		t.Errorf("the zero Token: %q, %v", zero, err)
	}
	for _, bad := range []string{"x", token.String() + "A", token.String()[1:], token.String()[:21] + "!", token.String()[:21] + "_"} {
		if got, err := strata.ParseToken(bad); err == nil {
			t.Errorf("ParseToken(%q) = %v", bad, got)
		}
	}
	if err := new(strata.Token).UnmarshalText([]byte("\x00")); err == nil || errors.Is(err, context.Canceled) {
		t.Error(err)
	}
	if ctx := t.Context(); strata.WithToken(ctx, strata.Token{}) != ctx {
		t.Error("the zero Token changes a context")
	}
}
