package redisstore

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/lokroom/strata/internal/mutant"
	"github.com/lokroom/strata/internal/oneline"
	"github.com/lokroom/strata/store"
	"github.com/redis/rueidis"
)

// Rewound calls fn when Redis may have lost writes that it has confirmed, as
// [store.Rewinder] describes it: when a primary says another master_replid than at
// the last beat. It says a new one after every start and every promotion; also when
// it gets its first replica, or has had none for an hour, and nothing is lost then.
// So it does after SWAPDB and DEBUG, which may bring back older data.
//
// A primary of a cluster that is replaced while it still answers is noticed by the
// next beat, a quarter of [Dialer.MaxUnheard] later at most. Where beats are not
// wanted, or INFO is not permitted, it is not noticed at all.
func (s *Store[T]) Rewound(fn func()) (stop func()) {
	return s.client.pulse.listen(&ear{rewound: fn}, s.tags.prefix)
}

func (e *ear) rewind() {
	e.mu.Lock()
	defer e.mu.Unlock()
	if e.rewound != nil {
		e.rewound()
	}
}

var (
	// errDemoted says that T or W leads to a server that follows another.
	errDemoted = fmt.Errorf("%w: not a primary any more", store.ErrUnavailable)

	// errApart says that T and W lead to different primaries.
	errApart = fmt.Errorf("%w: one connection leads to a primary that was replaced", store.ErrUnavailable)

	// errMoved says that what answered is not what had been heard of.
	errMoved = errors.New("the connection was replaced meanwhile")
)

// compare is given the ids of the primaries, and how often their data was exchanged. If
// an id is new, or the data was exchanged, it may be older than what was there before.
// Nothing is new at the first beat.
func (p *pulse) compare(a *vitals) {
	old := p.ids
	p.ids = a.ids
	exchanged := p.exchanges.differ(a.exchanged)
	isNew := func(id string) bool { return id != "" && !slices.Contains(old, id) }
	if old == nil || !exchanged && !slices.ContainsFunc(a.ids, isNew) {
		return
	}
	p.mu.Lock()
	ears := slices.Clone(p.ears)
	p.mu.Unlock()
	for _, e := range ears {
		e.rewind()
	}
	p.client.watchers.tellAll()
}

// moved is called when a connection was lost, and when there is a new one, and before it
// is first used: it may lead to a server that has older data. Until a beat has been
// answered over those that there are now, nothing is heard, and so nothing read.
//
// W counts, too: where it leads to another server than T, T would not see what this
// process has written.
func (p *pulse) moved() {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.ctx == nil || mutant.NoMoves.Load() {
		return
	}
	p.moves.Add(1)
	p.until = time.Time{}
	p.deafen()
}

// unmoved returns errMoved if a connection was lost or replaced since moves were
// counted. rueidis replaces one in the middle of a command that finds it lost.
func (p *pulse) unmoved(moves uint64) error {
	if p.moves.Load() != moves {
		return errMoved
	}
	return nil
}

// askBoth is askOne that also makes sure that W leads to the same primary.
func (p *pulse) askBoth(ctx context.Context, l *links) (a vitals, err error) {
	var id string
	var wErr error
	var wg sync.WaitGroup
	wg.Go(func() { id, wErr = primaryID(l.w.Do(ctx, l.w.B().Arbitrary("INFO", "replication").Build())) })
	a, err = p.askOne(ctx, l.t, node{key: p.ownKey()})
	wg.Wait()
	if err = oneline.Join(err, wErr); err == nil && a.ids[0] != id {
		err = errApart
	}
	return a, err
}

// primaryID reads the reply to INFO replication of a server that must be a primary.
// The id is that of its data; empty where it is not told, or INFO not permitted.
func primaryID(r rueidis.RedisResult) (id string, err error) {
	text, err := r.ToString()
	if _, refused := rueidis.IsRedisErr(err); refused {
		return "", nil
	}
	if err != nil {
		return "", err
	}
	for line := range strings.Lines(text) {
		switch name, value, _ := strings.Cut(strings.TrimSpace(line), ":"); name {
		case "role":
			if value != "master" {
				return "", errDemoted
			}
		case "master_replid":
			id = value
		}
	}
	return id, nil
}
