package retry_test

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/lokroom/strata/internal/retry"
)

var errAway = errors.New("away")

// A server takes writes while it is there.
type server struct {
	mu    sync.Mutex
	away  bool
	tries []retry.Batch
	on    func(b retry.Batch) // during a try
}

func (s *server) do(_ context.Context, b retry.Batch) (open retry.Batch, err error) {
	slices.Sort(b.Names)
	s.mu.Lock()
	s.tries = append(s.tries, b)
	away, on := s.away, s.on
	s.mu.Unlock()
	if on != nil {
		on(b)
	}
	if away {
		return b, errAway
	}
	return retry.Batch{}, nil
}

func (s *server) set(away bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.away = away
}

// tried returns the tries so far.
func (s *server) tried() []retry.Batch {
	s.mu.Lock()
	defer s.mu.Unlock()
	return slices.Clone(s.tries)
}

// bubble runs f with a queue whose server is away.
func bubble(t *testing.T, f func(t *testing.T, s *server, q *retry.Queue)) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		s := &server{away: true}
		q := retry.NewQueue(s.do)
		defer q.Stop()
		f(t, s, q)
	})
}

func counts(t *testing.T, q *retry.Queue, n int, oldest time.Duration) {
	t.Helper()
	if gotN, gotOldest := q.Counts(); gotN != n || gotOldest != oldest {
		t.Errorf("%d are queued for %v, want %d for %v", gotN, gotOldest, n, oldest)
	}
}

func TestQueue_untilAcknowledged(t *testing.T) {
	bubble(t, func(t *testing.T, s *server, q *retry.Queue) {
		if q.Has("a") || q.Last() != 0 || !q.Empty() {
			t.Error("a new queue is not empty")
		}
		q.Add(retry.Batch{Names: []string{"a", "b"}, Patterns: []string{"c*"}})
		for name, want := range map[string]bool{"a": true, "b": true, "cd": true, "d": false} {
			if q.Has(name) != want {
				t.Errorf("Has(%q) = %v", name, !want)
			}
		}
		if !q.Has("d", "a") || q.Has() {
			t.Error("Has of several names is that of any")
		}
		time.Sleep(time.Minute)
		counts(t, q, 3, time.Minute)
		if n := q.Tries(); n < 25 || n > 70 { // 1 to 2 s apart
			t.Errorf("%d tries in a minute", n)
		}
		if !errors.Is(q.Err(), errAway) {
			t.Errorf("the error of the last try is %v", q.Err())
		}
		s.set(false)
		q.Wake()
		synctest.Wait()
		counts(t, q, 0, 0)
		if !q.Empty() || q.Has("a") || q.Err() != nil {
			t.Error("it is not empty after its writes were acknowledged")
		}
		n := q.Tries()
		time.Sleep(time.Hour)
		if q.Tries() != n {
			t.Error("an empty queue is worked on")
		}
		s.set(true)
		q.Add(retry.Batch{Names: []string{"again"}})
		time.Sleep(time.Second)
		counts(t, q, 1, time.Second)
	})
}

// A write that is queued again while it is made stays: that try may have come before it.
func TestQueue_addedDuringATry(t *testing.T) {
	bubble(t, func(t *testing.T, s *server, q *retry.Queue) {
		s.set(false)
		var once sync.Once
		s.on = func(retry.Batch) { once.Do(func() { q.Add(retry.Batch{Names: []string{"a"}}) }) }
		q.Add(retry.Batch{Names: []string{"a", "b"}})
		time.Sleep(time.Second)
		synctest.Wait()
		tries := s.tried()
		if len(tries) != 2 || !slices.Equal(tries[1].Names, []string{"a"}) || !q.Empty() {
			t.Errorf("the tries were %v", tries)
		}
	})
}

// A write is as old as its first failure.
func TestQueue_age(t *testing.T) {
	bubble(t, func(t *testing.T, s *server, q *retry.Queue) {
		for range 3 {
			q.Add(retry.Batch{Names: []string{"a"}})
			time.Sleep(time.Second)
		}
		counts(t, q, 1, 3*time.Second)
	})
}

// Only what was not acknowledged is tried again.
func TestQueue_partly(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var tries []string
		q := retry.NewQueue(func(_ context.Context, b retry.Batch) (retry.Batch, error) {
			slices.Sort(b.Names)
			tries = append(tries, fmt.Sprint(b))
			if len(tries) == 1 {
				return retry.Batch{Names: []string{"b"}, Patterns: []string{"y*"}, All: true}, errAway
			}
			return retry.Batch{}, nil
		})
		defer q.Stop()
		q.Add(retry.Batch{All: true})
		q.Add(retry.Batch{Names: []string{"a", "b"}, Patterns: []string{"x*", "y*"}})
		if !q.Has("anything") {
			t.Error("not every name is queued")
		}
		time.Sleep(time.Second)
		synctest.Wait()
		q.Stop()
		if len(tries) != 2 || tries[1] != "{[b] [y*] true}" {
			t.Errorf("the tries were %v", tries)
		}
	})
}

// A write that replaces a queued one takes it out of the queue, unless that was queued later.
func TestQueue_forget(t *testing.T) {
	bubble(t, func(t *testing.T, s *server, q *retry.Queue) {
		q.Add(retry.Batch{Names: []string{"a", "b"}})
		before := q.Last()
		q.Add(retry.Batch{Names: []string{"b"}})
		q.Forget([]string{"a", "b", "c"}, before)
		if q.Has("a") || !q.Has("b") {
			t.Errorf("a is queued: %v, b is queued: %v", q.Has("a"), q.Has("b"))
		}
		q.Forget([]string{"b"}, q.Last())
		if !q.Empty() {
			t.Error("it is not empty")
		}
		q.Add(retry.Batch{Names: []string{"a"}})
		q.Forget([]string{"a"}, 0) // began with an empty queue
		if !q.Has("a") {
			t.Error("it forgot a write that began later")
		}
	})
}

// With too many names or patterns, every name is queued.
func TestQueue_bound(t *testing.T) {
	names := func(n int) (list []string) {
		for i := range n {
			list = append(list, fmt.Sprint("n", i))
		}
		return list
	}
	bubble(t, func(t *testing.T, s *server, q *retry.Queue) {
		q.Add(retry.Batch{Names: names(retry.MaxNames)})
		counts(t, q, retry.MaxNames, 0)
		q.Add(retry.Batch{Names: []string{"one more"}})
		counts(t, q, -1, 0)
	})
	bubble(t, func(t *testing.T, s *server, q *retry.Queue) {
		q.Add(retry.Batch{Patterns: names(100)})
		counts(t, q, 100, 0)
		q.Add(retry.Batch{Patterns: []string{"one more"}})
		counts(t, q, -1, 0)
	})
}

func TestQueue_refuse(t *testing.T) {
	q := retry.NewQueue(nil)
	if first := q.Refuse(errAway); !first {
		t.Error("the first refusal is not said to be")
	}
	if q.Refuse(fmt.Errorf("again: %w", errAway)) {
		t.Error("the second refusal is said to be the first")
	}
	if n, last := q.Refused(); n != 2 || last.Error() != "again: away" {
		t.Errorf("%d were refused, the last with %v", n, last)
	}
}

// Close tries to empty the queue for a while, and reports what it could not do.
func TestQueue_close(t *testing.T) {
	bubble(t, func(t *testing.T, s *server, q *retry.Queue) {
		if empty, err := q.Close(time.Second); !empty || err != nil {
			t.Errorf("Close of an empty queue returned %v, %v", empty, err)
		}
		q.Add(retry.Batch{Names: []string{"late"}})
		if q.Has("late") {
			t.Error("a closed queue takes writes")
		}
	})
	bubble(t, func(t *testing.T, s *server, q *retry.Queue) {
		q.Add(retry.Batch{Names: []string{"a"}})
		began := time.Now()
		if empty, err := q.Close(time.Second); empty || !errors.Is(err, errAway) || time.Since(began) != time.Second {
			t.Errorf("Close returned %v, %v after %v", empty, err, time.Since(began))
		}
		if empty, _ := q.Close(0); empty { // twice is no panic
			t.Error("a second Close has emptied the queue")
		}
	})
	bubble(t, func(t *testing.T, s *server, q *retry.Queue) {
		q.Add(retry.Batch{Names: []string{"a"}})
		time.AfterFunc(500*time.Millisecond, func() { s.set(false) })
		if empty, err := q.Close(time.Second); !empty || err != nil {
			t.Errorf("Close returned %v, %v", empty, err)
		}
	})
}

func TestQueue_flush(t *testing.T) {
	bubble(t, func(t *testing.T, s *server, q *retry.Queue) {
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		if !q.Flush(ctx) {
			t.Error("an empty queue is not empty")
		}
		q.Add(retry.Batch{Names: []string{"a"}})
		if q.Flush(ctx) {
			t.Error("Flush returned true, and the server is away")
		}
		s.set(false)
		if !q.Flush(t.Context()) || q.Has("a") {
			t.Error("Flush returned false, and the server is there")
		}
	})
}

// Stop ends a try that is in flight.
func TestQueue_stop(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		q := retry.NewQueue(func(ctx context.Context, b retry.Batch) (retry.Batch, error) {
			<-ctx.Done()
			return b, context.Cause(ctx)
		})
		q.Add(retry.Batch{All: true})
		time.Sleep(time.Second)
		q.Stop()
		q.Stop()
		counts(t, q, -1, time.Second)
	})
}
