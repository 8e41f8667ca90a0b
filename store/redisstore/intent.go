package redisstore

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/lokroom/strata/store"
	"github.com/lokroom/strata/store/redisstore/internal/link"
	"github.com/lokroom/strata/store/redisstore/internal/record"
	"github.com/lokroom/strata/store/redisstore/internal/script"
	"github.com/redis/rueidis"
)

// errNoHold says that a hold needs a length.
var errNoHold = link.Own(fmt.Errorf("%w: a hold must last for a millisecond or more", store.ErrRefused))

// BeginWrite begins a write intent, as [store.Writer] describes it. The hold is kept in
// the record, by the clock of the server.
func (s *view) BeginWrite(ctx context.Context, hold time.Duration, keys ...string) (token uint64, err error) {
	if hold < time.Millisecond {
		return 0, s.fail(ctx, "begin write", "", errNoHold)
	}
	token = record.NewID()
	err = s.runEach(ctx, "begin write", keys, func(full string) (script.Call, error) {
		return script.Begin.Call(full, record.Bytes8(token), script.Decimal(hold.Milliseconds())), nil
	})
	if err != nil && !errors.Is(err, store.ErrReplicas) {
		s.endLost(token, hold, keys)
		return 0, err
	}
	return token, err
}

// endLost ends a write intent that is open for some of keys, or may be.
func (s *view) endLost(token uint64, hold time.Duration, keys []string) {
	var calls []script.Call
	for _, key := range keys {
		if full, err := s.redisKey(key); err == nil {
			calls = append(calls, script.Done.Call(full, record.Bytes8(token), "0", "", "0"))
		}
	}
	s.client.undo.Undo(true, hold, calls...)
}

// endWrite is EndWrite. entryAt returns the entry of a key, if it has one.
func (s *view) endWrite(ctx context.Context, token uint64, keys []string, entries each, entryAt func(key string) (meta, encoder, bool)) error {
	stamp, err := s.stampMany(ctx, entries)
	if err != nil {
		return s.failWrite(ctx, "end write", "", err)
	}
	bad := make(map[string]error)
	err = s.runEach(ctx, "end write", keys, func(full string) (script.Call, error) {
		blob, hard, key := "", int64(0), full[len(s.prefix):]
		if e, value, ok := entryAt(key); ok {
			if e.Stamp == 0 {
				e.Stamp = stamp
			}
			w, err := s.encode(ctx, full, &e, value)
			if err != nil {
				bad[key] = s.fail(ctx, "end write", key, fmt.Errorf("%w; %w", err, store.ErrRemoved))
			} else if w.MS >= 0 {
				// Not given back to the pool: it is small change, and the
				// script may be sent twice.
				blob, hard = rueidis.BinaryString(*w.buf), w.MS
			}
		}
		return script.Done.Call(full, record.Bytes8(token), "0", blob, script.Decimal(hard)), nil
	})
	return withRemoved(err, bad, len(keys))
}

// withRemoved adds to err, of an operation on so many keys, what kept values from being
// set, with keys that were removed; if that failed, it is the error.
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

// DeleteHolding removes entries, as [store.Writer] describes it.
func (s *view) DeleteHolding(ctx context.Context, h store.Hold, keys ...string) error {
	if h.For < 0 {
		return s.fail(ctx, "delete", "", fmt.Errorf("%w: it is %v", errNoHold, h.For))
	}
	var floor string
	if h.Revision != 0 {
		floor = record.Bytes8(h.Revision)
	}
	return s.runEach(ctx, "delete", keys, func(full string) (script.Call, error) {
		return script.Delete.Call(full, script.Decimal(h.For.Milliseconds()), floor), nil
	})
}

// MarkStale makes entries stale, as [store.Writer] describes it.
func (s *view) MarkStale(ctx context.Context, keys ...string) error {
	return s.runEach(ctx, "mark stale", keys, func(full string) (script.Call, error) {
		return script.Stale.Call(full, record.Bytes8(record.NewID())), nil
	})
}

// runEach runs a script for each key, in one exchange for 400 of them, and tries again
// where a connection broke: all of these may be done twice.
func (s *view) runEach(ctx context.Context, op string, keys []string, call func(full string) (script.Call, error)) error {
	o := s.op(op, "", len(keys))
	if len(keys) == 1 {
		o.Key = keys[0]
	}
	ctx, end := store.Observe(ctx, s.observer, o)
	errs := make(map[string]error)
	var calls []script.Call
	var full []string
	for i, key := range keys {
		f, err := s.redisKey(key)
		var c script.Call
		if err == nil {
			c, err = call(f)
		}
		if err != nil {
			errs[key] = s.failWrite(ctx, op, key, err)
		} else {
			calls, full = append(calls, c), append(full, f)
		}
		if len(calls) == script.MaxPipeline || i == len(keys)-1 && len(calls) > 0 {
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

func (s *view) runChunk(ctx context.Context, calls []script.Call, full []string) []error {
	failed := make([]error, len(calls))
	call, cancel := s.deadlines.Begin(ctx)
	defer cancel()
	l, err := s.client.link.Reach(call, full...)
	if err != nil {
		link.FillErrors(failed, err)
		return failed
	}
	for i, o := range script.Sender(s.client.writer.Write).Again(call, l, calls) {
		failed[i] = link.FirstOf(s.client.link.SizeError(call, script.SizeOf(calls[i].Key, calls[i].Args), o.Reply.Error()), o.Short)
	}
	return failed
}
