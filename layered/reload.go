package layered

import (
	"context"
	"errors"
	"fmt"

	"github.com/lokroom/strata/store"
)

// A Reloader is a [Loader] that is given what is there of the value, old, so that it
// can ask the source whether it still is: by a version, an ETag, or the time of
// old.LoadedAt. If it is, Reloader returns an error that is store.ErrNotModified: then
// old stays, with its tags and its revision, and begins a new life, that of the entry
// which is returned with the error if that has one, else that of the options.
//
// old may be past its soft expiry. It is not one of which this process has heard that it
// was changed or removed, or that one of its tags was invalidated; and whether that
// happened since it was read, or happens while Reloader runs, by whomever: then old is
// not kept, whatever Reloader says.
type Reloader[T any] func(ctx context.Context, key string, old store.Entry[T]) (store.Entry[T], error)

// Reloading returns a Loader that is reload where a value is there, and load where
// there is none, or where it is remembered that the source has none. A value is there
// in the background, in [Store.Refresh], and where one past its soft expiry is
// loaded; but not for GetManyOrLoad, nor where L2 tells of no changes and the value
// has tags.
func Reloading[T any](load Loader[T], reload Reloader[T]) Loader[T] {
	return func(ctx context.Context, key string) (store.Entry[T], error) {
		old := oldOf[T](ctx)
		if old == nil {
			return load(ctx, key)
		}
		old.seen = true
		return reload(ctx, key, old.entry)
	}
}

// An old is the value that is there when a load begins.
type old[T any] struct {
	entry  store.Entry[T]
	asOf   uint64 // when it was read: see [Found]
	seen   bool   // by the loader
	stands bool   // the loader has said so
}

// errNothingStands says that a loader has answered that nothing was modified, but was
// not given what that could be.
var errNothingStands = fmt.Errorf("%w, says a loader that was given no value", store.ErrNotModified)

// oldFrom returns f as what a load may find to be the value still, or nil: if that is
// to be kept on, it must be known whether anything has happened to it since it was
// read, and to its tags.
func (s *Store[T]) oldFrom(f *Found[T]) *old[T] {
	untold := s.hasL2 && s.stamper == nil && len(f.Tags) > 0
	if f.Tier == Source || f.Absent || untold || !s.refreshes() {
		return nil
	}
	return &old[T]{entry: f.Entry, asOf: f.asOf}
}

// oldAhead is oldFrom of what is loaded in the background, which may be nil.
func (s *Store[T]) oldAhead(e *store.Entry[T]) *old[T] {
	if e == nil {
		return nil
	}
	return s.oldFrom(&Found[T]{Entry: *e, Tier: L1})
}

// oldNow returns what j may find to be the value still, now that it is about to load.
func (s *Store[T]) oldNow(ctx context.Context, j *job[T]) *old[T] {
	switch {
	case j.stands == nil || s.outdated(&j.stands.entry):
		return nil
	case s.refresher == nil: // it may have changed before the call of j began
		return s.oldAlone(ctx, j.key)
	default:
		return j.stands
	}
}

// oldAlone reads what a load may find to be the value still where nobody else changes
// anything. What this process does from here on forgets the call of the load.
func (s *Store[T]) oldAlone(ctx context.Context, key string) *old[T] {
	f := Found[T]{Tier: L1, asOf: s.moment.Add(1)}
	if s.hasL2 {
		e, err := s.l2.Get(ctx, key)
		if err != nil {
			return nil
		}
		f.Entry, f.Tier = e, L2
		return s.oldFrom(&f)
	}
	e, err := s.peek(ctx, key)
	if err != nil || !s.current(e) {
		return nil
	}
	f.Entry = *e
	return s.oldFrom(&f)
}

// kept reports whether the load has found o to be the value still. o may be nil.
func (o *old[T]) kept() bool { return o != nil && o.stands }

// base is what a load rests on that has found o to be the value still: its tags may
// have been invalidated since it was loaded itself.
func (o *old[T]) base() *base {
	return &base{version: o.entry.Version, revision: o.entry.Revision, stamp: o.entry.Stamp}
}

// keepOn keeps e, which is o with a new life, in the place of o, if that is there still,
// and returns it as it was kept.
func (s *Store[T]) keepOn(c *call[T], o *old[T], e store.Entry[T], l2err error) store.Entry[T] {
	if l2err == nil { // else L2 may have something else by now
		e, _ = s.replace(c, nil, e, o)
	}
	return e
}

// exchange has L2 keep e in the place of the entry of this version, without sending its
// value if that stands.
func (s *Store[T]) exchange(ctx context.Context, key string, version uint64, e store.Entry[T], stands *old[T]) (kept store.Entry[T], watched bool, err error) {
	if c, ok := s.refresher.(store.Confirmer[T]); ok && stands.kept() {
		return c.Confirm(ctx, key, stands.entry, e)
	}
	return s.refresher.Replace(ctx, key, version, e)
}

// answer returns what a loader has, which is o if it says so. o may be nil.
func (o *old[T]) answer(e store.Entry[T], err error) (store.Entry[T], error) {
	if !errors.Is(err, store.ErrNotModified) {
		return e, err
	}
	if o == nil || !o.seen {
		return store.Entry[T]{}, errNothingStands
	}
	o.stands = true
	stands := o.entry
	stands.ExpiresAt, stands.StaleAt, stands.LoadedAt = e.ExpiresAt, e.StaleAt, e.LoadedAt
	return stands, nil
}

type oldKey[T any] struct{}

// withOld hands o to the loader that is called with the context, and to none that is
// called by that one: o may be nil.
func withOld[T any](ctx context.Context, o *old[T]) context.Context {
	if o == nil && oldOf[T](ctx) == nil {
		return ctx
	}
	return context.WithValue(ctx, oldKey[T]{}, o)
}

func oldOf[T any](ctx context.Context) *old[T] {
	o, _ := ctx.Value(oldKey[T]{}).(*old[T])
	return o
}
