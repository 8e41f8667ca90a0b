package redisstore

import (
	"context"
	"errors"
	"log/slog"
	"strings"

	"github.com/lokroom/strata/store"
	"github.com/lokroom/strata/store/redisstore/internal/heartbeat"
	"github.com/lokroom/strata/store/redisstore/internal/link"
	"github.com/lokroom/strata/store/redisstore/internal/record"
	"github.com/redis/rueidis"
)

// op describes an operation on so many keys to the observer. key is empty if there is no
// single one.
func (s *view) op(name, key string, keys int) store.Op {
	return store.Op{Store: link.StoreName, Cache: s.name, Name: name, Key: key, Keys: keys}
}

// fail counts a failed operation and wraps its error.
func (s *view) fail(ctx context.Context, op, key string, err error) error {
	s.stats.errors.Add(1)
	cause := s.client.link.Cause(ctx, err)
	var reply *rueidis.RedisError
	var unreachable *heartbeat.UnreachableError
	switch {
	case errors.As(err, &unreachable): // the heartbeat has reported it
	case errors.As(err, &reply):
		s.answered(key)
	case errors.Is(cause, store.ErrUnavailable) && !link.IsOurs(err) && !(s.shortReads && errors.Is(cause, link.ErrTimeout)):
		s.client.link.Breakers.Failed(s.prefix + key)
	}
	return &store.Error{Store: link.StoreName, Cache: s.name, Op: op, Key: key, Err: cause}
}

// failWrite is fail for a write that invalidates. A reply that is an error does not say
// whether the old value is still there: whatever it says, the write is open. So each
// error of such a write is a refusal of this package, the error of ctx, or ErrUnavailable.
func (s *view) failWrite(ctx context.Context, op, key string, err error) error {
	failed := s.fail(ctx, op, key, err).(*store.Error)
	failed.Err = link.OpenCause(err, failed.Err)
	return failed
}

// keyErrors returns the error of an operation on many keys: of one key, it is its own.
func keyErrors(errs map[string]error, keys int) error {
	if keys == 1 {
		for _, err := range errs {
			return err
		}
	}
	return store.NewManyError(errs)
}

// answered says that Redis has answered an operation on key.
func (s *view) answered(key string) {
	if s.client.link.Breakers.Troubled.Load() { // else nothing changes
		s.client.link.Breakers.Succeeded(s.prefix + key)
	}
}

// error is fail for one more key of an operation that has failed: it does not count.
func (s *view) error(ctx context.Context, op, key string, err error) error {
	return &store.Error{Store: link.StoreName, Cache: s.name, Op: op, Key: key, Err: s.client.link.Cause(ctx, err)}
}

// An unsupportedError is the reply of a proxy that does not have a command: errors.ErrUnsupported.
type unsupportedError struct{ error }

func (e *unsupportedError) Unwrap() []error { return []error{errors.ErrUnsupported} }

// observeCorrupt gives the Observer the error of bytes that are no entry, which callers see as a
// miss: as an operation "decode", whichever way they were read. The first ones that are no
// record are logged; the codec knows what is wrong with a record's value.
func (s *view) observeCorrupt(ctx context.Context, full string, err error) {
	key := strings.TrimPrefix(full, s.prefix)
	_, end := store.Observe(ctx, s.observer, s.op("decode", key, 1))
	err = &store.Error{Store: link.StoreName, Cache: s.name, Op: "decode", Key: key, Err: err}
	end(0, err)
	if log := s.client.link.Breakers.Log; log != nil && errors.Is(err, record.ErrCorrupt) && !s.stats.foreign.Swap(true) {
		log.LogAttrs(ctx, slog.LevelWarn, "strata: bytes in Redis under a key of a cache are no value of it",
			slog.String("cache", s.name), slog.Any("error", err))
	}
}
