package redisstore

import (
	"context"
	"encoding/binary"
	"slices"
	"strings"
	"time"

	"github.com/lokroom/strata/store"
	"github.com/redis/rueidis"
)

// maxPipeline is how many keys go in one exchange: enough to make the round trip
// not matter, not so many that others wait long behind them.
const maxPipeline = 400

func beUint64(b []byte) uint64     { return binary.BigEndian.Uint64(b) }
func beUint32(b []byte) uint32     { return binary.BigEndian.Uint32(b) }
func beUint16(b []byte) uint16     { return binary.BigEndian.Uint16(b) }
func putUint64(b []byte, n uint64) { binary.BigEndian.PutUint64(b, n) }

// GetMany returns the entries that are there, with one exchange for 400 keys.
func (s *Store[T]) GetMany(ctx context.Context, keys []string) (map[string]store.Entry[T], error) {
	found := make(map[string]store.Entry[T], len(keys))
	entries, err := s.GetOrdered(ctx, keys)
	for i, e := range entries {
		if e != nil {
			found[keys[i]] = *e
		}
	}
	return found, err
}

// GetOrdered returns the entries that are there in the places of their keys, with one
// exchange for 400 keys. Those of one exchange share memory.
func (s *Store[T]) GetOrdered(ctx context.Context, keys []string) ([]*store.Entry[T], error) {
	entries := make([]*store.Entry[T], len(keys))
	if len(keys) == 0 {
		return entries, nil
	}
	ctx, end := store.Observe(ctx, s.observer, s.op("get many", "", len(keys)))
	errs := make(map[string]error)
	hits := 0
	for start := 0; start < len(keys); start += maxPipeline {
		last := min(start+maxPipeline, len(keys))
		hits += s.getChunk(ctx, keys[start:last], entries[start:last], errs)
	}
	err := store.NewManyError(errs)
	end(hits, err)
	return entries, err
}

// getChunk puts into entries what is there, and into errs why keys could not be read.
// It returns the number of entries.
func (s *Store[T]) getChunk(ctx context.Context, keys []string, entries []*store.Entry[T], errs map[string]error) (hits int) {
	full, at := s.redisKeys(ctx, keys, errs)
	if len(full) == 0 {
		return 0
	}
	got, err := s.readChunk(ctx, full)
	if err != nil {
		err = s.fail(ctx, "get many", "", err)
		for _, i := range at {
			errs[keys[i]] = err
		}
		return 0
	}
	failed := false
	for j, i := range at {
		switch g := &got[j]; {
		case g.err != nil && failed: // it is one operation
			errs[keys[i]] = s.error(ctx, "get", keys[i], g.err)
		case g.err != nil:
			failed = true
			errs[keys[i]] = s.fail(ctx, "get", keys[i], g.err)
		case g.found:
			entries[i] = &g.entry
			hits++
		default:
			s.stats.misses.Add(1)
		}
	}
	if !failed {
		s.answered(keys[at[0]])
	}
	s.stats.hits.Add(uint64(hits))
	return hits
}

// redisKeys returns the Redis keys of those keys that have one, and which those are.
func (s *Store[T]) redisKeys(ctx context.Context, keys []string, errs map[string]error) (full []string, at []int) {
	size := 0
	for _, key := range keys {
		size += len(s.prefix) + len(key)
	}
	var all strings.Builder // one piece of memory for all
	all.Grow(size)
	full, at = make([]string, 0, len(keys)), make([]int, 0, len(keys))
	for i, key := range keys {
		if err := s.checkKey(key); err != nil {
			errs[key] = s.fail(ctx, "get", key, err)
			continue
		}
		start := all.Len()
		all.WriteString(s.prefix)
		all.WriteString(key)
		full, at = append(full, all.String()[start:]), append(at, i)
	}
	return full, at
}

// readChunk reads what is under full. The error is of all.
func (s *Store[T]) readChunk(ctx context.Context, full []string) ([]fetched[T], error) {
	call, cancel := s.reads.Begin(ctx)
	defer cancel()
	for try := 1; ; try++ {
		moves := s.client.pulse.moves.Load()
		l, err := s.heard(call, full...)
		if err != nil {
			return nil, err
		}
		got := s.fetch(call, l, full)
		s.dropOld(call, l, got)
		if err := s.client.pulse.unmoved(moves); err != nil {
			if try < maxTries && call.Err() == nil {
				continue
			}
			return nil, err
		}
		if try == maxTries || !slices.ContainsFunc(got, func(g fetched[T]) bool { return isBroken(call, g.err) }) {
			return got, nil
		}
	}
}

type fetched[T any] struct {
	entry store.Entry[T]
	found bool
	err   error
}

// dropOld leaves out what is not current. Tags that it takes an exchange to know are
// asked for together.
func (s *Store[T]) dropOld(ctx context.Context, l *links, got []fetched[T]) {
	if s.client.asks() && !s.plain {
		s.dropAsked(ctx, l, got)
		return
	}
	inCluster := l.t.Mode() == rueidis.ClientModeCluster
	var ask tagNeeds
	now := store.Now()
	for i := range got {
		if !got[i].found {
			continue
		}
		for _, tag := range got[i].entry.Tags {
			if inCluster || s.tags.copies.known(tag) == 0 {
				ask.add(tag, tagNeedOf(got[i].entry.ExpiresAt, now))
			}
		}
	}
	if len(ask) > 0 {
		if err := s.tags.learn(ctx, l, s.tags.asksOf(ask)); err != nil {
			for i := range got {
				if len(got[i].entry.Tags) > 0 {
					got[i] = fetched[T]{err: err}
				}
			}
		}
	}
	for i := range got {
		g := &got[i]
		if !g.found {
			continue
		}
		var err error
		if inCluster && len(g.entry.Tags) > 0 {
			ok, known := s.tags.current(g.entry.Tags, g.entry.Stamp)
			if g.found = ok && known; g.found {
				s.tags.outlast(g.entry.Tags, g.entry.ExpiresAt)
			}
		} else {
			g.found, err = s.current(ctx, l, g.entry.Tags, g.entry.Stamp, g.entry.ExpiresAt)
		}
		if !g.found {
			*g = fetched[T]{err: err}
		}
	}
}

// fetch reads keys with one exchange.
func (s *Store[T]) fetch(ctx context.Context, l *links, full []string) []fetched[T] {
	out := make([]fetched[T], len(full))
	if s.clientSide {
		for i, key := range full {
			out[i].found, out[i].err = s.getClientSide(ctx, l, key, &out[i].entry)
		}
		return out
	}
	clock := s.client.pulse.clock.Load()
	if clock == nil || s.plain {
		s.fetchPairs(ctx, l, full, out, nil)
		return out
	}
	sent := time.Now()
	var again []int
	valuesOf(ctx, l.t, full, func(i int, blob []byte, err error) {
		var known bool
		if out[i].found, known, out[i].err = s.answerAt(ctx, full[i], clock, sent, blob, err, &out[i].entry); !known {
			again = append(again, i)
		}
	})
	if len(again) > 0 {
		s.fetchPairs(ctx, l, full, out, again)
	}
	return out
}

// valuesOf calls each with what is under each key: with MGET, which takes the server a
// third less than as many GETs, but for a cluster, where it would be of one slot.
func valuesOf(ctx context.Context, c rueidis.Client, full []string, each func(i int, blob []byte, err error)) {
	if c.Mode() != rueidis.ClientModeCluster {
		values, err := c.Do(ctx, c.B().Mget().Key(full...).Build()).ToArray()
		if err == nil && len(values) != len(full) {
			err = errBadReply
		}
		for i := range full {
			var blob []byte
			err := err
			if err == nil {
				blob, err = values[i].AsBytes()
			}
			each(i, blob, err)
		}
		return
	}
	cmds := make([]rueidis.Completed, len(full))
	for i, key := range full {
		cmds[i] = c.B().Get().Key(key).Build()
	}
	for i, r := range c.DoMulti(ctx, cmds...) {
		blob, err := r.AsBytes()
		each(i, blob, err)
	}
}

// fetchPairs reads those of full that which names, nil for all, with their lives.
func (s *Store[T]) fetchPairs(ctx context.Context, l *links, full []string, out []fetched[T], which []int) {
	if which == nil {
		which = make([]int, len(full))
		for i := range which {
			which[i] = i
		}
	}
	sent := store.Now()
	cmds := make([]rueidis.Completed, 0, 2*len(which))
	for _, i := range which {
		b := l.t.B()
		cmds = append(cmds, b.Pttl().Key(full[i]).Build(), b.Get().Key(full[i]).Build())
	}
	r := l.t.DoMulti(ctx, cmds...)
	for j, i := range which {
		out[i].found, out[i].err = s.answer(ctx, full[i], sent, r[2*j], r[2*j+1], &out[i].entry)
	}
}

// SetMany sets every entry, with one exchange for 400 of them.
func (s *Store[T]) SetMany(ctx context.Context, entries map[string]store.Entry[T]) error {
	if len(entries) == 0 {
		return nil
	}
	ctx, end := store.Observe(ctx, s.observer, s.op("set many", "", len(entries)))
	errs := make(map[string]error)
	names := make([]string, 0, min(len(entries), maxPipeline))
	writes := make([]write, 0, cap(names))
	flush := func() {
		for i, err := range s.setChunk(ctx, writes) {
			if err != nil {
				errs[names[i]] = s.failWrite(ctx, "set", names[i], err)
			} else {
				s.answered(names[i])
				s.stats.sets.Add(1)
			}
		}
		names, writes = names[:0], writes[:0]
	}
	stamp, err := s.stampMany(ctx, entries)
	if err != nil {
		err = s.failWrite(ctx, "set many", "", err)
		end(0, err)
		return err
	}
	for key, e := range entries {
		full, err := s.redisKey(key)
		if e.Stamp == 0 {
			e.Stamp = stamp
		}
		var w write
		if err == nil {
			w, err = s.encode(ctx, full, &e)
		}
		if err != nil {
			errs[key] = s.failWrite(ctx, "set", key, err)
			continue
		}
		names, writes = append(names, key), append(writes, w)
		if len(writes) == maxPipeline {
			flush()
		}
	}
	if len(writes) > 0 {
		flush()
	}
	err = store.NewManyError(errs)
	end(0, err)
	return err
}

// setChunk sends writes with one exchange, releases their buffers, and returns
// what went wrong with each.
func (s *Store[T]) setChunk(ctx context.Context, writes []write) []error {
	failed := make([]error, len(writes))
	call, cancel := s.deadlines.Begin(ctx)
	defer cancel()
	calls := make([]scriptCall, len(writes))
	full := make([]string, len(writes))
	for i := range writes {
		calls[i], full[i] = writes[i].call(""), writes[i].key
	}
	l, err := s.client.reach(call, full...)
	if err != nil {
		fillErrors(failed, err)
		return failed
	}
	for i, o := range s.client.write(call, l, calls) {
		err := s.sent(call, &writes[i], o.reply)
		if err == nil {
			_, err = writes[i].done(o.reply)
		}
		failed[i] = firstOf(err, o.short)
	}
	if err := s.settle(call, l, full...); err != nil {
		fillErrors(failed, err)
	}
	return failed
}
