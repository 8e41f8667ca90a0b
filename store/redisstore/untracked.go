package redisstore

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/lokroom/strata/store"
	"github.com/redis/rueidis"
)

// A client with [Dialer.NoTracking] is not notified of the changes of other processes.
// Copies of what it has read are valid for maxStale, and then revalidated. What a strict
// read must know besides the value, which is when the store was cleared and when the tags of
// the entry were invalidated, it asks for: the time of the last Clear together with the
// value, the tags, which the value names, with one exchange more.

// DefaultMaxStale is the MaxStale of a [Dialer] with NoTracking that does not set it.
const DefaultMaxStale = time.Second

// untracked returns the MaxStale of a client that d dials, or zero.
func (d *Dialer) untracked() (maxStale time.Duration, err error) {
	switch {
	case !d.NoTracking && d.MaxStale != 0:
		return 0, errors.New("Dialer.MaxStale requires NoTracking")
	case !d.NoTracking && d.PubSub != "":
		return 0, errors.New("Dialer.PubSub requires NoTracking")
	case !d.NoTracking:
		return 0, nil
	case len(d.Broadcast) > 0:
		return 0, errors.New("Dialer has both NoTracking and Broadcast")
	case d.MaxStale < 0:
		return 0, fmt.Errorf("Dialer.MaxStale %v is negative", d.MaxStale)
	case d.MaxStale == 0:
		return DefaultMaxStale, nil
	}
	return d.MaxStale, nil
}

// errClientSide says why a store cannot read.
var errClientSide = fmt.Errorf("%w: Options.ClientSide requires tracking, and the Dialer of the client has NoTracking", errBlind)

// MaxStale returns for how long copies of entries may be served, as [store.Revalidated]
// describes it: [Dialer.MaxStale] with [Dialer.NoTracking], else zero.
func (s *Store[T]) MaxStale() time.Duration { return s.client.MaxStale() }

// MaxStale is as that of a [Store].
func (p *Plain[T]) MaxStale() time.Duration { return p.s.MaxStale() }

// MaxStale returns for how long copies of entries may be served without asking Redis:
// [Dialer.MaxStale] with [Dialer.NoTracking], else zero, which means until Redis notifies
// the client of a change.
func (c *Client) MaxStale() time.Duration { return c.maxStale }

// asks reports whether strict reads must ask for the last Clear and the tags, because Redis
// does not notify the client of every change of them.
func (c *Client) asks() bool { return c.maxStale > 0 || c.pulse.leaks.Load() }

// changed notifies the watchers in this process of a change that this client has made, and
// with [Dialer.PubSub] those of others: Redis does not, without tracking.
func (c *Client) changed(keys ...string) {
	if c.maxStale > 0 && len(keys) > 0 {
		c.watchers.tell(keys, nil)
		c.announcer.announce(keys)
	}
}

func (c *Client) changedBy(calls []scriptCall) {
	if c.maxStale == 0 {
		return
	}
	keys := make([]string, len(calls))
	for i, x := range calls {
		keys[i] = x.key
	}
	c.changed(keys...)
}

// openUntracked connects both without CLIENT TRACKING, over RESP2, which every proxy speaks.
func (c *Client) openUntracked() (*links, error) {
	opt := c.opt
	opt.DisableCache, opt.AlwaysRESP2, opt.AlwaysPipelining = true, true, true
	opt.DialCtxFn = c.dialUntracked
	t, err := rueidis.NewClient(opt)
	if err != nil {
		closeClient(t)
		return nil, err
	}
	w, err := rueidis.NewClient(opt)
	if err != nil {
		closeClient(w)
		t.Close()
		return nil, err
	}
	return &links{t: t, w: w}, nil
}

func closeClient(c rueidis.Client) {
	if c != nil {
		c.Close()
	}
}

// getAsking reads a record together with the time of the last Clear.
func (s *Store[T]) getAsking(ctx context.Context, l *links, full string, now time.Time, e *store.Entry[T]) (found bool, err error) {
	mark, clock := s.cleared.mark(), s.client.pulse.clock.Load()
	var at rueidis.RedisResult
	known := false
	if clock != nil {
		var r [2]rueidis.RedisResult
		b := l.t.B()
		copy(r[:], l.t.DoMulti(ctx, b.Get().Key(full).Build(), b.Get().Key(s.clearedKey).Build()))
		at = r[1]
		blob, err1 := r[0].AsBytes()
		found, known, err = s.answerAt(ctx, full, clock, now, blob, err1, e)
	}
	if !known {
		sent, b := store.Now(), l.t.B()
		r := l.t.DoMulti(ctx, b.Pttl().Key(full).Build(), b.Get().Key(full).Build(), b.Get().Key(s.clearedKey).Build())
		at = r[2]
		found, err = s.answer(ctx, full, sent, r[0], r[1], e)
	}
	if err != nil || !found {
		return false, err
	}
	cleared, ok, err := readingOf(at)
	switch {
	case err != nil:
		return false, err
	case ok:
		s.cleared.keep(mark, cleared)
	default:
		if cleared, err = s.tags.complete(ctx, l, s.cleared, s.clearedKey, tagNeed{}); err != nil {
			return false, err
		}
	}
	if e.Stamp < cleared {
		return false, nil
	}
	if len(e.Tags) == 0 {
		return true, nil
	}
	return s.current(ctx, l, e.Tags, e.Stamp, e.ExpiresAt)
}

// stampAsking is leaseStamp with one exchange where Redis has the clock and the marker.
func (s *Store[T]) stampAsking(ctx context.Context, l *links) (stamp, cleared uint64, err error) {
	if _, err := s.tags.everyAt(ctx, l); err != nil {
		return 0, 0, err
	}
	mark, b := s.cleared.mark(), l.t.B()
	r := l.t.DoMulti(ctx, b.Get().Key(s.clearedKey).Build(), b.Get().Key(s.tags.clockKey()).Build())
	cleared, ok, err := readingOf(r[0])
	if err != nil {
		return 0, 0, err
	}
	if !ok { // the clock is read behind what makes the marker
		if cleared, err = s.tags.complete(ctx, l, s.cleared, s.clearedKey, tagNeed{}); err == nil {
			stamp, err = s.tags.readClock(ctx, l)
		}
		return stamp, cleared, err
	}
	s.cleared.keep(mark, cleared)
	if stamp, ok, err = readingOf(r[1]); err == nil && !ok {
		stamp, err = s.tags.readClock(ctx, l)
	}
	return stamp, cleared, err
}

// lacks reports whether err is the reply of a server, or a proxy, that does not have, or does
// not permit, a command.
func lacks(err error) bool {
	reply, ok := rueidis.IsRedisErr(err)
	if !ok {
		return false
	}
	text := strings.ToLower(reply.Error())
	return isDenied(err) || strings.Contains(text, "unknown") || strings.Contains(text, "unsupported") || strings.Contains(text, "not supported") ||
		strings.Contains(text, "not allowed") || strings.Contains(text, "disabled")
}
