package store

import (
	"context"
	"time"
)

// A Hot is a key and an estimate of how often it was read recently.
type Hot struct {
	Key   string
	Reads float64
}

// A HitSampler is a Store in this process that shows which of its keys are asked for.
type HitSampler interface {
	// SampleHits calls fn with the keys of some Gets that find an entry, one in
	// every on the average, until stop is called. fn is called on the goroutine of
	// the Get, may be called concurrently, and must return quickly and not call
	// the store. A call that has begun may end after stop has returned.
	SampleHits(fn func(key string)) (every int, stop func())
}

// SampleHits calls fn for a sample of the hits of s as [HitSampler] describes it.
// Without the capability it returns an error that is errors.ErrUnsupported.
func SampleHits[T any](s Store[T], fn func(key string)) (every int, stop func(), err error) {
	if h, ok := s.(HitSampler); ok {
		every, stop = h.SampleHits(fn)
		return every, stop, nil
	}
	return 0, nil, unsupported(s, "sample hits")
}

// A RemovalSampler is a Store in this process that shows how old its entries are when they go,
// and why: only the engine knows.
type RemovalSampler interface {
	// SampleRemovals calls fn from now on for some of the entries that leave the store, one in
	// 64 on the average. cause is "expired" if the entry was past its expiry, and otherwise
	// "evicted" if it had to make room, "invalidated" if it was deleted or cleared, or
	// "replaced" if another one was set. age is the time since the load of the value began;
	// entries for which that is not known are left out, and so are those that were not
	// admitted. fn may be called concurrently and under a lock of the engine: it must return
	// quickly and not call the store. A later call replaces fn.
	SampleRemovals(fn func(cause string, age time.Duration))
}

// SampleRemovals calls fn for a sample of the entries that leave s as [RemovalSampler] describes
// it. Without the capability it does nothing.
func SampleRemovals[T any](s Store[T], fn func(cause string, age time.Duration)) {
	if r, ok := s.(RemovalSampler); ok {
		r.SampleRemovals(fn)
	}
}

// HotHalfLife is the time after which what a [HotKeeper] keeps counts half.
const HotHalfLife = time.Hour

// A HotKeeper is a Store that keeps a list of the keys that are read most, for all
// processes that share it. It counts the reads that AddHot adds and no others. The list
// has nothing to do with the entries: Delete and Clear leave it as it is.
type HotKeeper interface {
	// AddHot adds reads to those that the list has, and then keeps the most keys
	// with the most reads, which must be at least one. Reads count half after
	// [HotHalfLife], a quarter after twice that, and so on.
	AddHot(ctx context.Context, hot []Hot, most int) error

	// ListHot returns at most n keys of the list, those with the most reads
	// first. The numbers are those of the last AddHot.
	ListHot(ctx context.Context, n int) ([]Hot, error)
}

// AddHot adds to the list of the keys that are read most as [HotKeeper] describes it.
// Without the capability it returns an error that is errors.ErrUnsupported.
func AddHot[T any](ctx context.Context, s Store[T], hot []Hot, most int) error {
	if h, ok := s.(HotKeeper); ok {
		return h.AddHot(ctx, hot, most)
	}
	return unsupported(s, "add hot")
}

// ListHot returns the keys that are read most as [HotKeeper] describes it. Without the
// capability it returns an error that is errors.ErrUnsupported.
func ListHot[T any](ctx context.Context, s Store[T], n int) ([]Hot, error) {
	if h, ok := s.(HotKeeper); ok {
		return h.ListHot(ctx, n)
	}
	return nil, unsupported(s, "list hot")
}
