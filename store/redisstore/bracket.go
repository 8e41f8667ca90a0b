package redisstore

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/lokroom/strata/store"
	"github.com/redis/rueidis"
)

// errNoHold says that a bracket needs a length.
var errNoHold = fmt.Errorf("%w: a hold must last for a millisecond or more", store.ErrRefused)

// BeginWrite opens a bracket, as [store.Bracketer] describes it. The hold is kept in
// the record, by the clock of the server.
func (s *Store[T]) BeginWrite(ctx context.Context, hold time.Duration, keys ...string) (token uint64, err error) {
	if hold < time.Millisecond {
		return 0, s.fail(ctx, "begin write", "", errNoHold)
	}
	token = newID()
	err = s.each(ctx, "begin write", keys, func(full string) (scriptCall, error) {
		return scriptCall{&beginScript, full, []string{bytes8(token), decimal(hold.Milliseconds())}}, nil
	})
	if err != nil && !errors.Is(err, store.ErrReplicas) {
		s.endLate(token, hold, keys)
		return 0, err
	}
	return token, err
}

// endLate ends a bracket that is open for some of keys, or may be.
func (s *Store[T]) endLate(token uint64, hold time.Duration, keys []string) {
	var calls []scriptCall
	for _, key := range keys {
		if full, err := s.redisKey(key); err == nil {
			calls = append(calls, scriptCall{&doneScript, full, []string{bytes8(token), "0", "", "0"}})
		}
	}
	s.client.undo(true, hold, calls...)
}

// EndWrite closes a bracket, as [store.Bracketer] describes it. An entry that cannot
// be encoded is an error, and its key is removed.
func (s *Store[T]) EndWrite(ctx context.Context, token uint64, entries map[string]store.Entry[T], keys ...string) error {
	stamp, err := s.stampMany(ctx, entries)
	if err != nil {
		return s.failWrite(ctx, "end write", "", err)
	}
	bad := make(map[string]error)
	err = s.each(ctx, "end write", keys, func(full string) (scriptCall, error) {
		blob, hard := "", int64(0)
		if e, ok := entries[full[len(s.prefix):]]; ok {
			if e.Stamp == 0 {
				e.Stamp = stamp
			}
			w, err := s.encode(ctx, full, &e)
			if err != nil {
				bad[full[len(s.prefix):]] = s.fail(ctx, "end write", full[len(s.prefix):], fmt.Errorf("%w; %w", err, store.ErrRemoved))
			} else if w.ms >= 0 {
				// Not given back to the pool: it is small change, and the
				// script may be sent twice.
				blob, hard = rueidis.BinaryString(*w.buf), w.ms
			}
		}
		return scriptCall{&doneScript, full, []string{bytes8(token), "0", blob, decimal(hard)}}, nil
	})
	return withRemoved(err, bad, len(keys))
}

// withRemoved adds to err, of an operation on so many keys, what kept values from being
// set whose keys were removed; if that failed, it is what is said.
func withRemoved(err error, bad map[string]error, keys int) error {
	if len(bad) == 0 {
		return err
	}
	if err == nil {
		return keyErrors(bad, keys)
	}
	if many := store.AsManyError[string](err); many != nil {
		for key, err := range bad {
			if many.Errors[key] == nil {
				many.Errors[key] = err
			}
		}
	}
	return err
}

// DeleteHolding removes entries, as [store.Bracketer] describes it.
func (s *Store[T]) DeleteHolding(ctx context.Context, hold time.Duration, keys ...string) error {
	return s.DeleteOlder(ctx, hold, 0, keys...)
}

// DeleteOlder removes entries, as [store.Bracketer] describes it.
func (s *Store[T]) DeleteOlder(ctx context.Context, hold time.Duration, revision uint64, keys ...string) error {
	if hold < 0 {
		return s.fail(ctx, "delete", "", fmt.Errorf("%w: it is %v", errNoHold, hold))
	}
	var floor string
	if revision != 0 {
		floor = bytes8(revision)
	}
	return s.each(ctx, "delete", keys, func(full string) (scriptCall, error) {
		return scriptCall{&deleteScript, full, []string{decimal(hold.Milliseconds()), floor}}, nil
	})
}

// MarkStale makes entries stale, as [store.Staler] describes it.
func (s *Store[T]) MarkStale(ctx context.Context, keys ...string) error {
	return s.each(ctx, "mark stale", keys, func(full string) (scriptCall, error) {
		return scriptCall{&staleScript, full, []string{bytes8(newID())}}, nil
	})
}

// each runs a script for each key, in one exchange for 400 of them, and tries again
// where a connection broke: all of these may be done twice.
func (s *Store[T]) each(ctx context.Context, op string, keys []string, call func(full string) (scriptCall, error)) error {
	o := s.op(op, "", len(keys))
	if len(keys) == 1 {
		o.Key = keys[0]
	}
	ctx, end := store.Observe(ctx, s.observer, o)
	errs := make(map[string]error)
	var calls []scriptCall
	var full []string
	for i, key := range keys {
		f, err := s.redisKey(key)
		var c scriptCall
		if err == nil {
			c, err = call(f)
		}
		if err != nil {
			errs[key] = s.failWrite(ctx, op, key, err)
		} else {
			calls, full = append(calls, c), append(full, f)
		}
		if len(calls) == maxPipeline || i == len(keys)-1 && len(calls) > 0 {
			for j, err := range s.runChunk(ctx, calls, full) {
				if key := full[j][len(s.prefix):]; err != nil {
					errs[key] = s.failWrite(ctx, op, key, err)
				} else {
					s.answered(key)
				}
			}
			calls, full = nil, nil
		}
	}
	err := keyErrors(errs, len(keys))
	end(0, err)
	return err
}

func (s *Store[T]) runChunk(ctx context.Context, calls []scriptCall, full []string) []error {
	failed := make([]error, len(calls))
	call, cancel := s.deadlines.Begin(ctx)
	defer cancel()
	l, err := s.client.reach(call, full...)
	if err != nil {
		fillErrors(failed, err)
		return failed
	}
	for i, o := range writer(s.client.write).again(call, l, calls) {
		failed[i] = firstOf(s.client.sizeError(call, sizeOf(calls[i].key, calls[i].args), o.reply.Error()), o.short)
	}
	if err := s.settle(call, l, full...); err != nil {
		fillErrors(failed, err)
	}
	return failed
}
