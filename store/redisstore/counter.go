package redisstore

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"time"

	"github.com/lokroom/strata/store"
	"github.com/lokroom/strata/store/redisstore/internal/link"
	"github.com/lokroom/strata/store/redisstore/internal/record"
	"github.com/lokroom/strata/store/redisstore/internal/script"
)

// errNegativeTTL is the cause where Add is called with one.
var errNegativeTTL = link.Own(errors.New("negative ttl"))

// Add adds delta to the counter under key. If the key has anything but an integer, the error is
// ErrWrongType.
func (s *view) Add(ctx context.Context, key string, delta int64, ttl time.Duration) (int64, error) {
	full, err := s.redisKey(key)
	if err == nil && ttl < 0 {
		err = fmt.Errorf("%w: %v", errNegativeTTL, ttl)
	}
	if err != nil {
		return 0, s.fail(ctx, "add", key, err)
	}
	ctx, end := store.Observe(ctx, s.observer, s.op("add", key, 1))
	sum, err := s.add(ctx, full, delta, ttl)
	if err != nil {
		err = s.fail(ctx, "add", key, err)
	} else {
		s.answered(key)
	}
	end(0, err)
	return sum, err
}

func (s *view) add(ctx context.Context, full string, delta int64, ttl time.Duration) (int64, error) {
	call, cancel := s.deadlines.Begin(ctx)
	defer cancel()
	l, err := s.client.link.Reach(call, full)
	if err != nil {
		return 0, err
	}
	life := "0"
	if ttl > 0 {
		life = script.Decimal(record.Millis(ttl))
	}
	reply, short := s.client.writer.WriteOne(call, l, script.Counter.Call(full, script.Decimal(delta), life))
	sum, err := reply.AsInt64()
	if err != nil {
		return 0, err
	}
	return sum, short
}

// Count returns the counter under key. If the key has anything but an integer, the error is
// ErrWrongType.
func (s *view) Count(ctx context.Context, key string) (int64, error) {
	full, err := s.redisKey(key)
	if err != nil {
		return 0, s.fail(ctx, "count", key, err)
	}
	ctx, end := store.Observe(ctx, s.observer, s.op("count", key, 1))
	sum, found, err := s.count(ctx, full)
	if err != nil {
		err = s.fail(ctx, "count", key, err)
		end(0, err)
		return 0, err
	}
	s.answered(key)
	if !found {
		end(0, nil)
		return 0, store.ErrNotFound
	}
	end(1, nil)
	return sum, nil
}

func (s *view) count(ctx context.Context, full string) (sum int64, found bool, err error) {
	call, cancel := s.deadlines.Begin(ctx)
	defer cancel()
	l, err := s.client.link.Reach(call, full)
	if err != nil {
		return 0, false, err
	}
	b, err := l.W.Do(call, l.W.B().Getrange().Key(full).Start(0).End(record.HeaderSize-1).Build()).AsBytes()
	if err != nil {
		return 0, false, err
	}
	switch record.KindOf(b) {
	case record.KindNone:
		return 0, false, nil
	case record.KindCounter:
		sum, err = strconv.ParseInt(string(b), 10, 64)
		return sum, true, err
	}
	return 0, false, store.ErrWrongType
}
