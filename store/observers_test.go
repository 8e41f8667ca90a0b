package store_test

import (
	"context"
	"slices"
	"testing"

	"github.com/lokroom/strata/store"
)

// steps records what an Observer is notified of.
type steps struct {
	name string
	log  *[]string
}

type stepsKey struct{ name string }

func (s steps) Begin(ctx context.Context, op store.Op) context.Context {
	*s.log = append(*s.log, s.name+" begins "+op.Name)
	return context.WithValue(ctx, stepsKey{s.name}, op.Name)
}

func (s steps) End(ctx context.Context, op store.Op, r store.Result) {
	if ctx.Value(stepsKey{s.name}) != op.Name {
		panic(s.name + " got the end of an operation that it did not begin")
	}
	*s.log = append(*s.log, s.name+" ends "+op.Name)
}

// TestObservers: an operation ends with those Observers with which it began.
func TestObservers(t *testing.T) {
	var many store.Observers
	var log []string
	observe := func(op string) func(int, error) {
		_, end := store.Observe(t.Context(), &many, store.Op{Name: op})
		return end
	}
	observe("none")(0, nil)
	removeA := many.Add(steps{"a", &log})
	end := observe("get")
	removeB := many.Add(steps{"b", &log})
	end(0, nil)
	observe("set")(0, nil)
	end = observe("load")
	removeA()
	removeA()
	end(0, nil)
	observe("delete")(0, nil)
	removeB()
	observe("none")(0, nil)
	want := []string{
		"a begins get", "a ends get",
		"a begins set", "b begins set", "b ends set", "a ends set",
		"a begins load", "b begins load", "b ends load", "a ends load",
		"b begins delete", "b ends delete",
	}
	if !slices.Equal(log, want) {
		t.Errorf("got  %q\nwant %q", log, want)
	}
}

type panics struct{}

func (panics) Begin(context.Context, store.Op) context.Context { panic("begin") }
func (panics) End(context.Context, store.Op, store.Result)     { panic("end") }

// TestObservers_panic: a panic of one Observer does not keep the others from their work.
func TestObservers_panic(t *testing.T) {
	var many store.Observers
	var log []string
	many.Add(panics{})
	many.Add(steps{"b", &log})
	_, end := store.Observe(t.Context(), &many, store.Op{Name: "get"})
	end(0, nil)
	if want := []string{"b begins get", "b ends get"}; !slices.Equal(log, want) {
		t.Errorf("got %q, want %q", log, want)
	}
}

func TestObservers_allocs(t *testing.T) {
	var many store.Observers
	if n := testing.AllocsPerRun(100, func() {
		_, end := store.Observe(t.Context(), &many, store.Op{Name: "get"})
		end(0, nil)
	}); n > 0 {
		t.Errorf("%v allocations without Observers", n)
	}
}
