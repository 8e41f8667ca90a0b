package redisstore

import (
	"context"
	"fmt"

	"github.com/lokroom/strata/internal/oneline"
	"github.com/lokroom/strata/keys"
	"github.com/lokroom/strata/store"
	"github.com/lokroom/strata/store/redisstore/internal/link"
	"github.com/redis/rueidis"
)

// DeletePattern removes the entries and counters with keys that have the prefix of the store and
// then match pattern. In a store without a prefix it also removes matching keys of other
// programs.
//
// It scans all keys of every primary, a thousand per exchange, which takes seconds for millions
// of keys but does not block other commands. Each exchange has the timeout of an operation; ctx
// bounds the whole. After an error some keys may have been removed.
func (s *view) DeletePattern(ctx context.Context, pattern string) (int, error) {
	return s.removeMatching(ctx, "delete pattern", pattern)
}

func (s *view) removeMatching(ctx context.Context, op, pattern string) (int, error) {
	ctx, end := store.Observe(ctx, s.observer, s.op(op, "", 0))
	var removed int
	full, err := keys.Quote(s.prefix)+pattern, error(nil)
	if s.badPrefix != nil {
		err = s.badPrefix
	} else if len(full) > mostKeySize {
		err = fmt.Errorf("%w: a pattern of %d bytes, of at most %d", store.ErrTooLarge, len(full), mostKeySize)
	} else {
		removed, err = s.scanPrimaries(ctx, full)
	}
	switch {
	case err != nil && removed == 0 && s.client.link.MaxStale > 0 && link.Lacks(err): // a proxy cannot pass on SCAN
		err = s.fail(ctx, op, "", &unsupportedError{err})
	case err != nil:
		err = s.failWrite(ctx, op, "", err)
	}
	s.stats.deletes.Add(uint64(removed))
	end(removed, err)
	return removed, err
}

// scanPrimaries removes what matches from every primary. It goes on with the
// next after a failure.
func (s *view) scanPrimaries(ctx context.Context, pattern string) (removed int, err error) {
	call, cancel := s.deadlines.Begin(ctx)
	defer cancel()
	l, err := s.client.link.Reach(call)
	if err != nil {
		return 0, err
	}
	nodes, err := s.client.link.Primaries(call, l)
	errs := []error{err}
	for _, node := range nodes {
		n, err := s.scan(ctx, node, pattern)
		removed += n
		errs = append(errs, err)
	}
	return removed, oneline.Join(errs...)
}

// scan removes what matches from one node. Where replicas are to confirm it, they are
// asked once, when everything is done.
func (s *view) scan(ctx context.Context, node rueidis.Client, pattern string) (removed int, err error) {
	var one []string // key of those that were removed
	for cursor := uint64(0); ; {
		page, err := s.scanPage(ctx, node, cursor, pattern)
		if err != nil {
			return removed, err
		}
		n, failed := s.unlink(ctx, page.Elements, s.client.writer.WriteOnly)
		removed += n
		if err := oneline.Join(failed...); err != nil {
			return removed, err
		}
		if len(page.Elements) > 0 {
			one = page.Elements[:1]
		}
		if cursor = page.Cursor; cursor == 0 {
			break
		}
	}
	if !s.client.writer.Waits() {
		return removed, nil
	}
	_, failed := s.unlink(ctx, one, s.client.writer.Write)
	return removed, oneline.Join(failed...)
}

func (s *view) scanPage(ctx context.Context, node rueidis.Client, cursor uint64, pattern string) (rueidis.ScanEntry, error) {
	call, cancel := s.deadlines.Begin(ctx)
	defer cancel()
	return node.Do(call, node.B().Scan().Cursor(cursor).Match(pattern).Count(1000).Build()).AsScanEntry()
}
