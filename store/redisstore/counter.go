package redisstore

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/lokroom/strata/store"
)

// errNegativeTTL is the cause where Add is called with one.
var errNegativeTTL = errors.New("negative ttl")

// counterScript adds to a counter and gives a new one its life. It answers with
// text, because numbers of scripts are exact to 53 bits only.
var counterScript = newScript(`
local new = redis.call('EXISTS', KEYS[1]) == 0
local sum = redis.pcall('INCRBY', KEYS[1], ARGV[1])
if type(sum) == 'table' then return sum end -- an error, as it is
if new and ARGV[2] ~= '0' then redis.call('PEXPIRE', KEYS[1], ARGV[2]) end
return redis.call('GET', KEYS[1])
`)

// Add adds delta to the counter under key. What is there and is no integer is
// ErrWrongType.
func (s *Store[T]) Add(ctx context.Context, key string, delta int64, ttl time.Duration) (int64, error) {
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

func (s *Store[T]) add(ctx context.Context, full string, delta int64, ttl time.Duration) (int64, error) {
	call, cancel := s.deadlines.Begin(ctx)
	defer cancel()
	l, err := s.client.reach(call, full)
	if err != nil {
		return 0, err
	}
	life := "0"
	if ttl > 0 {
		life = decimal(millis(ttl))
	}
	reply, short := s.client.writeOne(call, l, scriptCall{&counterScript, full, []string{decimal(delta), life}})
	sum, err := reply.AsInt64()
	if err != nil {
		return 0, err
	}
	return sum, firstOf(s.settle(call, l, full), short)
}
