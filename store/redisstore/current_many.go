package redisstore

import (
	"context"
	"sync"

	"github.com/lokroom/strata/store"
	"github.com/lokroom/strata/store/redisstore/internal/link"
	"github.com/lokroom/strata/store/redisstore/internal/tagclock"
	"github.com/redis/rueidis"
)

type fetched struct {
	entry meta
	found bool
	err   error
}

// dropOld leaves out what is not current. Tags that it takes an exchange to know are
// asked for together.
func (s *view) dropOld(ctx context.Context, l *link.Pair, got []fetched) {
	if s.client.heartbeat.Asks() && !s.plain {
		s.dropAsked(ctx, l, got)
		return
	}
	inCluster := l.T.Mode() == rueidis.ClientModeCluster
	var ask tagclock.Needs
	now := store.Now()
	for i := range got {
		if !got[i].found {
			continue
		}
		for _, tag := range got[i].entry.Tags {
			if inCluster || s.tags.Cells.Known(tag) == 0 {
				ask.Add(tag, tagclock.NeedOf(got[i].entry.ExpiresAt, now))
			}
		}
	}
	if len(ask) > 0 {
		if err := s.tags.Learn(ctx, l, s.tags.AsksOf(ask)); err != nil {
			for i := range got {
				if len(got[i].entry.Tags) > 0 {
					got[i] = fetched{err: err}
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
			ok, known := s.tags.Current(g.entry.Tags, g.entry.Stamp)
			if g.found = ok && known; g.found {
				s.tags.Outlast(g.entry.Tags, g.entry.ExpiresAt)
			}
		} else {
			g.found, err = s.current(ctx, l, g.entry.Tags, g.entry.Stamp, g.entry.ExpiresAt)
		}
		if !g.found {
			*g = fetched{err: err}
		}
	}
}

// dropAsked is dropOld where the copies do not suffice.
func (s *view) dropAsked(ctx context.Context, l *link.Pair, got []fetched) {
	var needs tagclock.Needs
	found, now := false, store.Now()
	for i := range got {
		if got[i].found && s.tags.Retry.Has(got[i].entry.Tags...) { // see asked
			got[i] = fetched{}
		}
		found = found || got[i].found
		if got[i].found {
			need := tagclock.NeedOf(got[i].entry.ExpiresAt, now)
			for _, tag := range got[i].entry.Tags {
				needs.Add(tag, need)
			}
		}
	}
	if !found {
		return
	}
	r, err := s.ask(ctx, l, needs)
	for i := range got {
		if g := &got[i]; g.found && (err != nil || !r.Current(g.entry.Tags, g.entry.Stamp)) {
			*g = fetched{err: err}
		} else if g.found {
			s.tags.Outlast(g.entry.Tags, g.entry.ExpiresAt)
		}
	}
}

// manyFetched are lists for readChunk.
var manyFetched = sync.Pool{New: func() any { return new([]fetched) }}

func giveBack(got *[]fetched) {
	clear(*got)
	manyFetched.Put(got)
}
