package storetest_test

import (
	"context"
	"time"

	"github.com/lokroom/strata/store"
)

// bends are replacements of methods of a [bent] store that few faults need. What is nil is
// not replaced.
type bends struct {
	lease      func(key string, d time.Duration, not uint64) (store.Grant, error)
	fillLeased func(key string, lease uint64, e entry) (entry, bool, error)
	renew      func(key string, lease uint64, d time.Duration) error
	release    func(key string, lease uint64, backOff time.Duration, why string) error
	leaseMany  func(keys []string, d time.Duration, not []uint64) ([]store.Grant, error)
	confirm    func(key string, old, e entry) (entry, bool, error)
	revalidate func(key string, e entry) (entry, error)

	beginWrite    func(hold time.Duration, keys ...string) (uint64, error)
	endWrite      func(token uint64, entries map[string]entry, keys ...string) error
	deleteHolding func(h store.Hold, keys ...string) error
	markStale     func(keys ...string) error

	view    func(key string) (*entry, error)
	current func(tags []string, stamp uint64) (ok, known bool)
	recall  func(tags []string, stamp uint64) bool

	maxStale func() time.Duration
}

func (b *bent) Lease(ctx context.Context, key string, d time.Duration, not uint64) (store.Grant, error) {
	if b.lease == nil {
		return b.memory.Lease(ctx, key, d, not)
	}
	return b.lease(key, d, not)
}

func (b *bent) FillLeased(ctx context.Context, key string, lease uint64, e entry) (entry, bool, error) {
	if b.fillLeased == nil {
		return b.memory.FillLeased(ctx, key, lease, e)
	}
	return b.fillLeased(key, lease, e)
}

func (b *bent) Renew(ctx context.Context, key string, lease uint64, d time.Duration) error {
	if b.renew == nil {
		return b.memory.Renew(ctx, key, lease, d)
	}
	return b.renew(key, lease, d)
}

func (b *bent) Release(ctx context.Context, key string, lease uint64, backOff time.Duration, why string) error {
	if b.release == nil {
		return b.memory.Release(ctx, key, lease, backOff, why)
	}
	return b.release(key, lease, backOff, why)
}

func (b *bent) LeaseMany(ctx context.Context, keys []string, d time.Duration, not []uint64) ([]store.Grant, error) {
	if b.leaseMany == nil {
		return b.memory.LeaseMany(ctx, keys, d, not)
	}
	return b.leaseMany(keys, d, not)
}

func (b *bent) Confirm(ctx context.Context, key string, old, e entry) (entry, bool, error) {
	if b.confirm == nil {
		return b.memory.Confirm(ctx, key, old, e)
	}
	return b.confirm(key, old, e)
}

func (b *bent) Revalidate(ctx context.Context, key string, e entry) (entry, error) {
	if b.revalidate == nil {
		return b.memory.Revalidate(ctx, key, e)
	}
	return b.revalidate(key, e)
}

func (b *bent) BeginWrite(ctx context.Context, hold time.Duration, keys ...string) (uint64, error) {
	if b.beginWrite == nil {
		return b.memory.BeginWrite(ctx, hold, keys...)
	}
	return b.beginWrite(hold, keys...)
}

func (b *bent) EndWrite(ctx context.Context, token uint64, entries map[string]entry, keys ...string) error {
	if b.endWrite == nil {
		return b.memory.EndWrite(ctx, token, entries, keys...)
	}
	return b.endWrite(token, entries, keys...)
}

func (b *bent) DeleteHolding(ctx context.Context, h store.Hold, keys ...string) error {
	if b.deleteHolding == nil {
		return b.memory.DeleteHolding(ctx, h, keys...)
	}
	return b.deleteHolding(h, keys...)
}

func (b *bent) MarkStale(ctx context.Context, keys ...string) error {
	if b.markStale == nil {
		return b.memory.MarkStale(ctx, keys...)
	}
	return b.markStale(keys...)
}

func (b *bent) View(ctx context.Context, key string) (*entry, error) {
	if b.view == nil {
		return b.memory.View(ctx, key)
	}
	return b.view(key)
}

func (b *bent) Current(tags []string, stamp uint64) (ok, known bool) {
	if b.current == nil {
		return b.memory.Current(tags, stamp)
	}
	return b.current(tags, stamp)
}

func (b *bent) Recall(tags []string, stamp uint64) bool {
	if b.recall == nil {
		return b.memory.Recall(tags, stamp)
	}
	return b.recall(tags, stamp)
}

func (b *bent) MaxStale() time.Duration {
	if b.maxStale == nil {
		return b.memory.MaxStale()
	}
	return b.maxStale()
}

// notifies bends what the watchers of b are notified of: each change of which changed
// returns true.
func (b *bent) notifies(changed func(inv store.Invalidation) bool) {
	b.bendsWatch(func(w *store.Watching) {
		notify := w.Changed
		w.Changed = func(inv store.Invalidation) {
			if notify != nil && changed(inv) {
				notify(inv)
			}
		}
	})
}

// bendsWatch bends what is passed to Watch.
func (b *bent) bendsWatch(do func(w *store.Watching)) {
	b.watch = func(w store.Watching) (func(), error) {
		do(&w)
		return b.memory.Watch(w)
	}
}
