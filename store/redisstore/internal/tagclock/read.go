package tagclock

import (
	"context"
	"strconv"

	"github.com/lokroom/strata/store/redisstore/internal/link"
	"github.com/redis/rueidis"
	"golang.org/x/sync/errgroup"
)

// EveryAt returns when every tag was invalidated at once.
func (t *Clock) EveryAt(ctx context.Context, l *link.Pair) (uint64, error) {
	if v := t.Every.Value.Load(); v != 0 {
		return v, nil
	}
	return t.Complete(ctx, l, &t.Every, t.EveryKey(), Need{})
}

// Current reports what the copies show.
func (t *Clock) Current(tags []string, stamp uint64) (ok, known bool) {
	if len(tags) == 0 {
		return true, true
	}
	every := t.Every.Value.Load()
	if every > stamp {
		return false, true
	}
	known = every != 0
	for _, tag := range tags {
		switch reading := t.Cells.Known(tag); {
		case reading > stamp:
			return false, true
		case reading == 0:
			known = false
		}
	}
	if t.Retry.Has(tags...) {
		return false, true
	}
	return known, known
}

// parseReading reads what Redis has for a tag or the clock: false for a marker, and
// for what is not ours.
func parseReading(text string) (uint64, bool) {
	v, err := strconv.ParseUint(text, 10, 64)
	return v, err == nil && v > 0
}

// ReadingOf reads the reply to a GET of a tag or a marker. It is not ok where Redis has
// none, or something that is not ours: it is to be made then.
func ReadingOf(r rueidis.RedisResult) (v uint64, ok bool, err error) {
	text, err := r.ToString()
	if err == nil {
		v, ok = parseReading(text)
		return v, ok, nil
	}
	if err := r.NonRedisError(); err != nil && !rueidis.IsRedisNil(err) {
		return 0, false, err
	}
	return 0, false, nil
}

// inParallel calls f for each of is, several at a time, and returns the first error.
func inParallel(is []int, f func(i int) error) error {
	if len(is) == 1 {
		return f(is[0])
	}
	var g errgroup.Group
	g.SetLimit(32)
	for _, i := range is {
		g.Go(func() error { return f(i) })
	}
	return g.Wait()
}
