package httpcache

import (
	"context"
	"crypto/rand"
	"encoding/binary"
	"errors"
	"slices"

	"github.com/lokroom/strata/layered"
	"github.com/lokroom/strata/store"
)

// A softLog says which tags were purged softly, in order. It is one record of the cache, which
// all processes read and change. A response has a mark: the end of the log before its handler
// was called. It is stale if one of its tags has a later purge.
type softLog struct {
	mark
	floor  uint64            // of tags that are not remembered any more
	purges map[string]uint64 // the number of the last purge of each tag
}

// A mark is a place in a log.
type mark struct {
	log    uint64 // random: a log that was lost is replaced by another one, which knows none of the marks
	number uint64 // of purges
}

const (
	softID = "soft" // no URL has this key

	// maxSoft bounds the tags of a log. With more, the oldest half is forgotten: responses
	// with tags that were stored before count as purged.
	maxSoft = 1000

	softTries = 50
)

func newSoftLog() *softLog {
	var b [4]byte
	_, _ = rand.Read(b[:]) // never fails
	return &softLog{mark: mark{log: uint64(binary.LittleEndian.Uint32(b[:])) + 1}}
}

// purged reports whether a response with tags and m was purged softly.
func (l *softLog) purged(tags []string, m mark) bool {
	if len(tags) == 0 || m == l.mark {
		return false
	}
	return m.log != l.log || m.number < l.floor ||
		slices.ContainsFunc(tags, func(tag string) bool { return l.purges[tag] > m.number })
}

// with returns a copy of l in which tags are purged.
func (l *softLog) with(tags []string) *softLog {
	next := &softLog{mark: mark{l.log, l.number + 1}, floor: l.floor, purges: make(map[string]uint64, len(l.purges)+len(tags))}
	switch {
	case len(tags) > maxSoft:
		next.floor, tags = next.number, nil
	case len(l.purges)+len(tags) > maxSoft:
		next.floor = max(l.floor, l.middle())
	}
	for tag, n := range l.purges {
		if n > next.floor {
			next.purges[tag] = n
		}
	}
	for _, tag := range tags {
		next.purges[tag] = next.number
	}
	return next
}

// middle returns the number of the purge after which half of the tags come.
func (l *softLog) middle() uint64 {
	numbers := make([]uint64, 0, len(l.purges)+1)
	for _, n := range l.purges {
		numbers = append(numbers, n)
	}
	slices.Sort(numbers)
	return append(numbers, l.number)[len(numbers)/2]
}

func (l *softLog) encode() page {
	b := binary.AppendUvarint(nil, l.log)
	b = binary.AppendUvarint(b, l.number)
	b = binary.AppendUvarint(b, l.floor)
	for tag, n := range l.purges {
		b = binary.AppendUvarint(b, uint64(len(tag)))
		b = append(b, tag...)
		b = binary.AppendUvarint(b, n)
	}
	return page{meta: string(b)}
}

// parseSoftLog parses what encode has returned. known is a log that was parsed before, or nil.
func parseSoftLog(p page, known *softLog) (l *softLog, ok bool) {
	d := decoder{s: p.meta, ok: true}
	m := mark{d.uvarint(), d.uvarint()}
	if known != nil && d.ok && known.mark == m {
		return known, true
	}
	l = &softLog{mark: m, floor: d.uvarint(), purges: make(map[string]uint64)}
	for d.ok && d.s != "" {
		tag := d.str()
		l.purges[tag] = d.uvarint()
	}
	return l, d.ok
}

// softLog returns the log, or nil if it cannot be read.
func (c *Cache) softLog(ctx context.Context) *softLog {
	var p page
	if found, ok := c.tiers.Lookup(ctx, softID); ok {
		p = pageOf(found.Entry().Value)
	} else {
		f, err := c.tiers.Find(ctx, softID, layered.Source[any]{Load: func(context.Context, string) (store.Entry[any], error) {
			return softEntry(newSoftLog()), nil
		}})
		if err != nil {
			return nil
		}
		p = pageOf(f.Value)
	}
	known := c.softKnown.Load()
	l, ok := parseSoftLog(p, known)
	if !ok {
		return nil
	}
	if l != known {
		c.softKnown.Store(l)
	}
	return l
}

func softEntry(l *softLog) store.Entry[any] {
	now := store.Now()
	return store.Entry[any]{Value: l.encode(), LoadedAt: now, ExpiresAt: now.Add(defaultMaxTTL)}
}

// softMark returns the end of the log: later purges concern a response whose handler is called
// after this.
func (c *Cache) softMark(ctx context.Context) mark {
	if l := c.softLog(ctx); l != nil {
		return l.mark
	}
	return mark{}
}

// isPurged reports whether rec, which has tags, was purged softly: by its key, or by a tag. It is
// also true if that is unknown.
func (c *Cache) isPurged(ctx context.Context, at *place, tags []string, rec *record) bool {
	if rec.flags.has(marked) || rec.parentSoft != at.soft {
		return true
	}
	if len(tags) == 0 {
		return false
	}
	l := c.softLog(ctx)
	return l == nil || l.purged(tags, rec.mark)
}

var errSoft = errors.New("httpcache: other processes keep changing what is purged softly; try again")

// logSoftly adds tags to the log.
func (c *Cache) logSoftly(ctx context.Context, tags []string) error {
	c.softMu.Lock() // calls that wait for each other would share one change
	defer c.softMu.Unlock()
	for range softTries {
		var want *softLog
		change := func(old *softLog) (store.Entry[any], error) {
			want = old.with(tags)
			return softEntry(want), nil
		}
		_, err := c.tiers.Refresh(ctx, softID, layered.Source[any]{
			Load: func(context.Context, string) (store.Entry[any], error) { return change(newSoftLog()) },
			Reload: func(_ context.Context, _ string, old store.Entry[any]) (store.Entry[any], error) {
				l, ok := parseSoftLog(pageOf(old.Value), nil)
				if !ok {
					l = newSoftLog()
				}
				return change(l)
			},
		})
		if err != nil {
			return err
		}
		done, err := c.loggedSoftly(ctx, want, tags)
		if done || err != nil {
			return err
		}
	}
	return errSoft
}

// loggedSoftly reports whether the log that all processes read has what want has of tags.
func (c *Cache) loggedSoftly(ctx context.Context, want *softLog, tags []string) (bool, error) {
	l1, l2, err := c.tiers.Inspect(ctx, softID)
	if err != nil || want == nil {
		return false, err
	}
	if l2 == nil { // there is no Redis, or it has lost the log
		if exists, err := c.tiers.Exists(ctx, softID); !exists || err != nil {
			return false, err
		}
		l2 = l1
	}
	if l2 == nil {
		return false, nil
	}
	l, ok := parseSoftLog(pageOf(l2.Value), nil)
	return ok && l.log == want.log && !slices.ContainsFunc(tags, func(tag string) bool { return l.purges[tag] < want.number && l.floor < want.number }), nil
}
