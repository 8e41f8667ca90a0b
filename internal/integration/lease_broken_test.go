package integration_test

import (
	"context"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/lokroom/strata/internal/redistest"
	"github.com/lokroom/strata/layered"
	"github.com/lokroom/strata/store"
)

// A value loaded before a change of this process is not kept in L1 either if Redis could
// not confirm it.
func TestLease_changedHereThenAway(t *testing.T) {
	server := redistest.Start(t, nil)
	for name, find := range map[string]func(*house, *source) (int, error){
		"one": func(h *house, row *source) (int, error) {
			f, err := h.Find(t.Context(), "k", layered.Source[int]{Load: row.load})
			return f.Value, err
		},
		"many": func(h *house, row *source) (int, error) {
			entries, err := h.GetManyOrLoad(t.Context(), []string{"k"}, func(ctx context.Context, _ []string) (map[string]store.Entry[int], error) {
				e, err := row.load(ctx, "k")
				return map[string]store.Entry[int]{"k": e}, err
			})
			return entries["k"].Value, err
		},
	} {
		t.Run(name, func(t *testing.T) {
			a := build(t, server, nil)
			if err := a.Delete(t.Context(), "k"); err != nil {
				t.Fatal(err)
			}
			row := &source{v: 1, read: make(chan struct{}, 9), done: make(chan struct{})}
			answer := make(chan string, 1)
			go func() {
				v, err := find(a, row)
				answer <- fmt.Sprint(v, err)
			}()
			<-row.read
			if err := a.Delete(t.Context(), "k"); err != nil { // the row is now 2
				t.Fatal(err)
			}
			a.link.Hole(true)
			defer a.link.Hole(false)
			close(row.done)
			if got := <-answer; got != "1 <nil>" {
				t.Errorf("who asked before the change got %s", got)
			}
			if f, err := a.Find(t.Context(), "k", layered.Source[int]{Load: now(2)}); err != nil || f.Value != 2 {
				t.Errorf("who asked after it got %d from %v, %v", f.Value, f.Tier, err)
			}
		})
	}
}

// A load from before a change is not kept under a lease from after it, though both are of
// the same process.
func TestLease_twoOfAProcess(t *testing.T) {
	server := redistest.Start(t, nil)
	a, b := build(t, server, nil), build(t, server, nil)
	rows := [2]*source{}
	done := make(chan error, len(rows))
	for i := range rows {
		rows[i] = &source{v: i + 1, read: make(chan struct{}, 9), done: make(chan struct{})}
		go func() {
			f, err := a.Find(t.Context(), "k", layered.Source[int]{Load: rows[i].load})
			if err == nil && f.Value != i+1 {
				err = fmt.Errorf("read %d got %d", i+1, f.Value)
			}
			done <- err
		}()
		<-rows[i].read
		if i == 0 {
			told := a.Counts().Invalidations
			if err := b.Delete(t.Context(), "k"); err != nil { // the row is now 2
				t.Fatal(err)
			}
			redistest.WaitFor(t, "the other process to be notified", func() bool { return a.Counts().Invalidations > told })
		}
	}
	close(rows[0].done)
	if err := <-done; err != nil {
		t.Error(err)
	}
	if f, err := b.FindFresh(t.Context(), "k", layered.Source[int]{}); err == nil {
		t.Errorf("what was loaded before the change is there: %d", f.Value)
	}
	close(rows[1].done)
	if err := <-done; err != nil {
		t.Error(err)
	}
	want(t, b, now(3), 2, layered.L2)
}

// A broken connection does not block a lease: no process waits for a holder that never
// received it, nor for one that could not release it.
func TestLease_connectionBreaks(t *testing.T) {
	server := redistest.Start(t, nil)
	for name, cut := range map[string]func(*redistest.Proxy, *source){
		"as it is given": func(link *redistest.Proxy, row *source) {
			redistest.WaitFor(t, "the lease to be given", func() bool {
				token, err := server.Do("GETRANGE", "h:k", 12, 19)
				return err == nil && token != "" && token != strings.Repeat("\x00", 8)
			})
			link.Cut() // the reply is in flight
			link.Delay(0)
			close(row.done)
		},
		"as it ends": func(link *redistest.Proxy, row *source) {
			link.Delay(0)
			<-row.read
			link.Hole(true)
			close(row.done)
			redistest.WaitFor(t, "the fill to be on its way", func() bool { return link.Held() > 0 })
			link.Cut()
			link.Hole(false)
		},
	} {
		t.Run(name, func(t *testing.T) {
			server.Do("FLUSHALL")
			o := &layered.Options[int]{Lease: time.Hour}
			a, b := build(t, server, o), build(t, server, o)
			want(t, a, now(0), 0, layered.Origin)
			if err := b.Delete(t.Context(), "k"); err != nil {
				t.Fatal(err)
			}
			row := &source{v: 1, read: make(chan struct{}, 9), done: make(chan struct{})}
			answer := make(chan string, 1)
			a.link.Delay(50 * time.Millisecond)
			go func() {
				f, err := a.FindFresh(t.Context(), "k", layered.Source[int]{Load: row.load})
				answer <- fmt.Sprint(f.Value, f.Tier, err)
			}()
			cut(a.link, row)
			if got := <-answer; got != "1 source <nil>" {
				t.Errorf("got %s", got)
			}
			ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
			defer cancel()
			if f, err := b.Find(ctx, "k", layered.Source[int]{Load: now(1)}); err != nil || f.Value != 1 {
				t.Errorf("the other got %d from %v, %v", f.Value, f.Tier, err)
			}
		})
	}
}
