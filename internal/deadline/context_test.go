package deadline_test

import (
	"context"
	"errors"
	"testing"
	"testing/synctest"
	"time"

	"github.com/lokroom/strata/internal/deadline"
)

type valueKey struct{}

// ends are the ways in which a Context ends, with what it then returns.
var ends = map[string]struct {
	end        func(c *deadline.Context, leave context.CancelCauseFunc)
	err, cause error
}{
	"Cancel":           {func(c *deadline.Context, _ context.CancelCauseFunc) { c.Cancel(errWhy); c.Cancel(nil) }, context.Canceled, errWhy},
	"Cancel(nil)":      {func(c *deadline.Context, _ context.CancelCauseFunc) { c.Cancel(nil) }, context.Canceled, context.Canceled},
	"the deadline":     {func(*deadline.Context, context.CancelCauseFunc) { time.Sleep(time.Minute) }, context.DeadlineExceeded, context.DeadlineExceeded},
	"that of parent":   {func(_ *deadline.Context, leave context.CancelCauseFunc) { leave(errWhy) }, context.Canceled, errWhy},
	"it has not ended": {func(*deadline.Context, context.CancelCauseFunc) {}, nil, nil},
}

var errWhy = errors.New("why")

// A Context ends like one of package context, whether it was waited for before or not.
func TestContext_ends(t *testing.T) {
	for name, tc := range ends {
		for _, made := range []string{"", "by Done", "by Cause", "by a child"} {
			t.Run(name+", made "+made, func(t *testing.T) {
				synctest.Test(t, func(t *testing.T) {
					parent, leave := context.WithCancelCause(context.WithValue(t.Context(), valueKey{}, 7))
					defer leave(nil)
					var c deadline.Context
					c.Start(parent, time.Now().Add(time.Minute))
					defer c.Cancel(nil)
					var child context.Context = &c
					switch made {
					case "by Done":
						c.Done()
					case "by Cause":
						if err := context.Cause(&c); err != nil {
							t.Fatal(err)
						}
					case "by a child":
						var cancel context.CancelFunc
						child, cancel = context.WithCancel(&c)
						defer cancel()
					}
					tc.end(&c, leave)
					synctest.Wait()
					if err := c.Err(); err != tc.err {
						t.Errorf("Err is %v, want %v", err, tc.err)
					}
					if err := child.Err(); err != tc.err {
						t.Errorf("Err of the child is %v, want %v", err, tc.err)
					}
					if err := context.Cause(child); err != tc.cause {
						t.Errorf("the cause is %v, want %v", err, tc.cause)
					}
					select {
					case <-c.Done():
						if tc.err == nil {
							t.Error("Done is closed")
						}
					default:
						if tc.err != nil {
							t.Error("Done is not closed")
						}
					}
					if v := c.Value(valueKey{}); v != 7 {
						t.Errorf("the value is %v", v)
					}
				})
			})
		}
	}
}

func TestContext_Deadline(t *testing.T) {
	now := time.Now()
	early, cancel := context.WithDeadline(t.Context(), now.Add(time.Minute))
	defer cancel()
	for _, tc := range []struct {
		parent   context.Context
		at, want time.Time
	}{
		{t.Context(), time.Time{}, time.Time{}},
		{t.Context(), now, now},
		{early, time.Time{}, now.Add(time.Minute)},
		{early, now.Add(time.Hour), now.Add(time.Minute)},
		{early, now, now},
	} {
		var c deadline.Context
		c.Start(tc.parent, tc.at)
		if at, ok := c.Deadline(); !at.Equal(tc.want) || ok == tc.want.IsZero() {
			t.Errorf("the deadline is %v, %v; want %v", at, ok, tc.want)
		}
	}
}

func TestContext_allocatesNothing(t *testing.T) {
	parent := context.Background()
	stock := make([]deadline.Context, 102)
	if n := testing.AllocsPerRun(100, func() {
		c := &stock[0]
		stock = stock[1:]
		c.Start(parent, time.Now().Add(time.Hour))
		if c.Err() != nil || c.Value(valueKey{}) != nil || c.Cancelled() {
			t.Error("it has ended")
		}
		c.Cancel(nil)
		if c.Err() != context.Canceled || !c.Cancelled() {
			t.Error("it has not ended")
		}
	}); n != 0 {
		t.Errorf("a context that nothing waits for allocates %v times", n)
	}
}
