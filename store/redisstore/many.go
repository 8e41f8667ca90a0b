package redisstore

import (
	"context"
	"slices"
	"strings"
	"time"

	"github.com/lokroom/strata/store"
	"github.com/lokroom/strata/store/redisstore/internal/link"
	"github.com/lokroom/strata/store/redisstore/internal/script"
	"github.com/redis/rueidis"
)

// A manyReader keeps the entries of one exchange after another.
type manyReader struct {
	begin  func(n int)                                    // an exchange for n keys
	decode func(i int, full string, payload []byte) error // the value at i of the exchange
	found  func(i, at int, m *meta)                       // the entry at i of the exchange is of the key at at
}

// readMany is GetMany: it passes what is there to r.
func (s *view) readMany(ctx context.Context, keys []string, r manyReader) error {
	ctx, end := store.Observe(ctx, s.observer, s.op("get many", "", len(keys)))
	var errs keyed
	hits := 0
	for start := 0; start < len(keys); start += script.MaxPipeline {
		last := min(start+script.MaxPipeline, len(keys))
		hits += s.getChunk(ctx, keys[start:last], start, &r, &errs)
	}
	err := store.NewManyError(errs)
	end(hits, err)
	return err
}

// keyed are errors by key; nil: none.
type keyed map[string]error

func (k *keyed) set(key string, err error) {
	if *k == nil {
		*k = make(keyed)
	}
	(*k)[key] = err
}

// getChunk passes to r what is there, and puts into errs why keys could not be read. The
// first key is at start for r. It returns the number of entries.
func (s *view) getChunk(ctx context.Context, keys []string, start int, r *manyReader, errs *keyed) (hits int) {
	full, at := s.redisKeys(ctx, keys, errs)
	if len(full) == 0 {
		return 0
	}
	r.begin(len(full))
	got, err := s.readChunk(ctx, full, r)
	if err != nil {
		err = s.fail(ctx, "get many", "", err)
		for j := range full {
			errs.set(keys[at.of(j)], err)
		}
		return 0
	}
	defer giveBack(got)
	failed := false
	for j := range *got {
		switch g, key := &(*got)[j], keys[at.of(j)]; {
		case g.err != nil && failed: // it is one operation
			errs.set(key, s.error(ctx, "get", key, g.err))
		case g.err != nil:
			failed = true
			errs.set(key, s.fail(ctx, "get", key, g.err))
		case g.found:
			r.found(j, start+at.of(j), &g.entry)
			hits++
		default:
			s.stats.misses.Add(1)
		}
	}
	if !failed {
		s.answered(keys[at.of(0)])
	}
	s.stats.hits.Add(uint64(hits))
	return hits
}

// places say where those are that are left of a list; nil: all are, where they were.
type places []int

func (p places) of(j int) int {
	if p == nil {
		return j
	}
	return p[j]
}

// redisKeys returns the Redis keys of those keys that have one, and which those are.
func (s *view) redisKeys(ctx context.Context, keys []string, errs *keyed) (full []string, at places) {
	size := 0
	for _, key := range keys {
		size += len(s.prefix) + len(key)
	}
	var all strings.Builder // one piece of memory for all
	all.Grow(size)
	full = make([]string, 0, len(keys))
	for i, key := range keys {
		if err := s.checkKey(key); err != nil {
			errs.set(key, s.fail(ctx, "get", key, err))
			if at == nil {
				at = make(places, i, len(keys))
				for j := range at {
					at[j] = j
				}
			}
			continue
		}
		start := all.Len()
		all.WriteString(s.prefix)
		all.WriteString(key)
		if full = append(full, all.String()[start:]); at != nil {
			at = append(at, i)
		}
	}
	return full, at
}

// readChunk reads what is under full, which the caller gives back. The error is of all.
func (s *view) readChunk(ctx context.Context, full []string, r *manyReader) (*[]fetched, error) {
	replicas := s.asksReplicas(ctx) // call may not have what marks ctx
	call, cancel := s.reads.Begin(ctx)
	defer cancel()
	for try := 1; ; try++ {
		moves := s.client.heartbeat.Generation.Load()
		l, err := s.reading(call, full...)
		if err != nil {
			return nil, err
		}
		got := s.fetch(call, l, full, replicas, r)
		s.dropOld(call, l, *got)
		if err := s.client.heartbeat.Unchanged(moves); err != nil {
			giveBack(got)
			if try < link.MaxTries && call.Err() == nil {
				continue
			}
			return nil, err
		}
		if try == link.MaxTries || !slices.ContainsFunc(*got, func(g fetched) bool { return link.IsBroken(call, g.err) }) {
			return got, nil
		}
		giveBack(got)
	}
}

// fetch reads keys with one exchange.
func (s *view) fetch(ctx context.Context, l *link.Pair, full []string, replicas bool, r *manyReader) *[]fetched {
	got := manyFetched.Get().(*[]fetched)
	*got = slices.Grow((*got)[:0], len(full))[:len(full)]
	out := *got
	clock := s.client.heartbeat.Clock.Load()
	if clock == nil || s.plain {
		s.fetchPairs(ctx, l, full, replicas, out, nil, r)
		return got
	}
	sent := time.Now()
	var again []int
	values := valuesOf
	if replicas {
		values = s.valuesOf
	}
	values(ctx, l.T, full, func(i int, blob []byte, err error) {
		var known bool
		if out[i].found, known, out[i].err = s.answerAt(ctx, full[i], clock, sent, blob, err, &out[i].entry, func(full string, payload []byte) error { return r.decode(i, full, payload) }); !known {
			again = append(again, i)
		}
	})
	if len(again) > 0 {
		s.fetchPairs(ctx, l, full, false, out, again, r)
	}
	return got
}

// fetchPairs reads those of full that which names, nil for all, with their lives.
func (s *view) fetchPairs(ctx context.Context, l *link.Pair, full []string, replicas bool, out []fetched, which []int, r *manyReader) {
	if which == nil {
		which = make([]int, len(full))
		for i := range which {
			which[i] = i
		}
	}
	sent := store.Now()
	cmds := make([]rueidis.Completed, 0, 2*len(which))
	for _, i := range which {
		cmds = append(cmds, l.T.B().Pttl().Key(full[i]).Build(), valueCommand(l, full[i], replicas))
	}
	replies := l.T.DoMulti(ctx, cmds...)
	blobs, errs := blobsOf(replies, func(j int) int { return 2*j + 1 }, len(which))
	var again []int
	if replicas {
		again = s.completeMany(ctx, func(j int) string { return full[which[j]] }, blobs)
	}
	for j, i := range which {
		if !isAmong(again, j) {
			out[i].found, out[i].err = s.answer(ctx, full[i], sent, replies[2*j], blobs[j], errs[j], &out[i].entry, func(full string, payload []byte) error { return r.decode(i, full, payload) })
		}
	}
	if len(again) > 0 {
		for k, j := range again {
			again[k] = which[j]
		}
		s.fetchPairs(ctx, l, full, false, out, again, r)
	}
}

// writeMany is SetMany, of n entries.
func (s *view) writeMany(ctx context.Context, n int, entries each) error {
	ctx, end := store.Observe(ctx, s.observer, s.op("set many", "", n))
	var errs keyed
	writes := make([]write, 0, min(n, script.MaxPipeline))
	flush := func() {
		failed := s.setChunk(ctx, writes)
		for i, err := range failed {
			if key := writes[i].key[len(s.prefix):]; err != nil {
				errs.set(key, s.failWrite(ctx, "set", key, err))
			} else {
				s.answered(key)
				s.stats.sets.Add(1)
			}
		}
		writes = writes[:0]
	}
	stamp, err := s.stampMany(ctx, entries)
	if err != nil {
		err = s.failWrite(ctx, "set many", "", err)
		end(0, err)
		return err
	}
	entries(func(key string, e *meta, value encoder) bool {
		full, err := s.redisKey(key)
		if e.Stamp == 0 {
			e.Stamp = stamp
		}
		var w write
		if err == nil {
			w, err = s.encode(ctx, full, e, value)
		}
		if err != nil {
			errs.set(key, s.failWrite(ctx, "set", key, err))
			return true
		}
		if writes = append(writes, w); len(writes) == script.MaxPipeline {
			flush()
		}
		return true
	})
	if len(writes) > 0 {
		flush()
	}
	err = store.NewManyError(errs)
	end(0, err)
	return err
}

// setChunk sends writes with one exchange, releases their buffers, and returns
// what went wrong with each.
func (s *view) setChunk(ctx context.Context, writes []write) []error {
	failed := make([]error, len(writes))
	call, cancel := s.deadlines.Begin(ctx)
	defer cancel()
	calls := make([]script.Call, len(writes))
	full := make([]string, len(writes))
	for i := range writes {
		calls[i], full[i] = writes[i].call(""), writes[i].key
	}
	l, err := s.client.link.Reach(call, full...)
	if err != nil {
		link.FillErrors(failed, err)
		return failed
	}
	for i, o := range s.client.writer.Write(call, l, calls) {
		err := s.sent(call, &writes[i], o.Reply)
		if err == nil {
			_, err = writes[i].done(o.Reply)
		}
		failed[i] = link.FirstOf(err, o.Short)
	}
	return failed
}
