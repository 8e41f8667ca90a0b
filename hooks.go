package strata

import (
	"context"
	"fmt"
	"log/slog"

	"github.com/lokroom/strata/store"
)

// Hooks are functions that the backend calls when something has happened: see Config.Hooks.
// Nil ones are not called. They must be quick and safe for concurrent use. A panic of a hook is
// logged with slog.Default. New fields may be added.
type Hooks struct {
	// Loaded is called after each load from the source. op.Cache is the name of the cache, and
	// op.Key the text of the id, if it is one. r.Err is the error of the loader.
	Loaded func(ctx context.Context, op store.Op, r store.Result)

	// RedisDone is called after each Redis operation, and with the op.Name "decode" after each
	// value from Redis that cannot be decoded. op.Key is the text of the id, if it is one. It is
	// not called for what stays in this process, which Config.Observer receives, too.
	RedisDone func(ctx context.Context, op store.Op, r store.Result)

	// Changed is called after values of a cache were changed or removed, or possibly were: by
	// this process, or by another one, if Redis notifies this process. keys are the texts of
	// the ids; nil: any value of the cache. It suits state derived from values, such as parsed
	// templates. It may be called more than once for a change. Invalidated tags are not
	// reported.
	Changed func(cache string, keys []string)
}

// A hooked is an Observer that calls Hooks. next may be nil.
type hooked struct {
	next  store.Observer
	hooks Hooks
}

// observer returns an Observer that calls next, which may be nil, and h.
func (h Hooks) observer(next store.Observer) store.Observer {
	if h.Loaded == nil && h.RedisDone == nil {
		return next
	}
	return &hooked{next, h}
}

func (h *hooked) Begin(ctx context.Context, op store.Op) context.Context {
	if h.next == nil {
		return ctx
	}
	return h.next.Begin(ctx, op)
}

func (h *hooked) End(ctx context.Context, op store.Op, r store.Result) {
	if h.next != nil {
		defer h.next.End(ctx, op, r) // also if a hook panics
	}
	var hook func(context.Context, store.Op, store.Result)
	switch op.Store {
	case "source":
		hook = h.hooks.Loaded
	case "redis":
		hook = h.hooks.RedisDone
	}
	if hook != nil {
		hook(ctx, op, r)
	}
}

// notifyChanged calls h.Changed.
func (h Hooks) notifyChanged(cache string, keys []string) {
	defer func() {
		if r := recover(); r != nil {
			slog.Error("strata: Hooks.Changed panicked", "cache", cache, "panic", fmt.Sprint(r))
		}
	}()
	h.Changed(cache, keys)
}
