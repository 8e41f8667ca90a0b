package store

import (
	"context"
	"fmt"
	"log/slog"
	"time"
)

// An Observer is notified of every operation that leaves the process's memory: an
// exchange with a server, a load from the source. It is passed to a store as an
// option. The one operation that stays in memory is [OpWait]. Answers from memory are only
// counted (see [Reporter]).
//
// Its methods run on the goroutine of the operation and may be called
// concurrently. They must be quick. A panic in one of them is logged with [slog.Default], and
// the operation continues.
type Observer interface {
	// Begin is called before the operation. The context that it returns is
	// used for the operation and passed to End.
	Begin(ctx context.Context, op Op) context.Context

	// End is called after it.
	End(ctx context.Context, op Op, r Result)
}

// OpWait is the name of the operation of a caller that waits for the load or the read of L2 of
// another caller of this process.
const OpWait = "wait"

// An Op is an operation that an [Observer] is notified of.
type Op struct {
	Store string // which store: "redis", "source"
	Cache string // the name of the cache; empty if the operation belongs to none
	Name  string // what it does: "get", "set", "load"
	Key   string // empty where there are several keys or none
	Keys  int    // how many keys

	// AllKeys are the keys of a load of several, which must not be changed. nil: of any other
	// operation.
	AllKeys *[]string
}

// Observed reports whether o, which may be nil, has anybody to notify.
func Observed(o Observer) bool {
	many, ok := o.(*Observers)
	return o != nil && (!ok || many.list.Load() != nil)
}

// A Result is how an [Op] ended.
type Result struct {
	Err     error // nil for a miss: a miss is an answer
	Hits    int   // keys that were found
	Elapsed time.Duration
}

// Observe begins op with o, which may be nil, and returns the context to go on
// with and the function to call at its end.
func Observe(ctx context.Context, o Observer, op Op) (context.Context, func(hits int, err error)) {
	if many, ok := o.(*Observers); ok {
		o = nil
		if list := many.list.Load(); list != nil {
			o = list
		}
	}
	if o == nil {
		return ctx, func(int, error) {}
	}
	start := time.Now()
	ctx = begin(ctx, o, op)
	return ctx, func(hits int, err error) {
		end(ctx, o, op, Result{Err: err, Hits: hits, Elapsed: time.Since(start)})
	}
}

func end(ctx context.Context, o Observer, op Op, r Result) {
	defer logPanic(o, op.Cache)
	o.End(ctx, op, r)
}

func begin(ctx context.Context, o Observer, op Op) (of context.Context) {
	of = ctx // stays if Begin panics
	defer logPanic(o, op.Cache)
	return o.Begin(ctx, op)
}

func logPanic(o Observer, cache string) {
	if r := recover(); r != nil {
		slog.Error("strata: an Observer panicked", "observer", fmt.Sprintf("%T", o), "cache", cache, "panic", r)
	}
}
