package heartbeat

import (
	"context"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/lokroom/strata/internal/mutant"
	"github.com/lokroom/strata/internal/oneline"
	"github.com/lokroom/strata/store/redisstore/internal/link"
	"github.com/redis/rueidis"
)

// compare is given the ids of the primaries, and how often their data was exchanged. If
// an id is new, or the data was exchanged, it may be older than what was there before. If
// an id is gone, data may be missing: others may have taken over the slots of a lost
// primary without its keys. Nothing is new at the first heartbeat.
func (p *Heartbeat) compare(a *nodeStatus) {
	old := p.ids
	p.ids = a.ids
	exchanged := p.exchanges.differ(a.exchanged)
	isNew := func(id string) bool { return id != "" && !slices.Contains(old, id) }
	isGone := func(id string) bool { return !slices.Contains(a.ids, id) }
	gone := !slices.Contains(a.ids, "") && slices.ContainsFunc(old, isGone)
	if old == nil || !exchanged && !gone && !slices.ContainsFunc(a.ids, isNew) {
		return
	}
	cause := "a primary has other data"
	switch {
	case exchanged:
		cause = "a primary has exchanged its data"
	case gone:
		cause = "a primary is gone"
	}
	p.logRollback(cause)
	p.mu.Lock()
	listeners := slices.Clone(p.listeners)
	p.mu.Unlock()
	for _, l := range listeners {
		l.RolledBack()
	}
	p.watchers.All()
}

// Replaced is called when a connection was lost, and when there is a new one, and before it
// is first used: it may lead to a server that has older data. Until a heartbeat has
// been answered over those that there are now, nothing is read.
//
// W counts, too: where it leads to another server than T, T would not see what this
// process has written.
func (p *Heartbeat) Replaced() {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.ctx == nil || mutant.NoGeneration.Load() {
		return
	}
	p.Generation.Add(1)
	p.connectedUntil = time.Time{}
	p.disconnect()
}

// Unchanged returns ErrReplaced if a connection was lost or replaced since the generation
// was read. rueidis replaces one in the middle of a command that finds it lost.
func (p *Heartbeat) Unchanged(generation uint64) error {
	if p.Generation.Load() != generation {
		return link.ErrReplaced
	}
	return nil
}

// askBoth is askOne that also makes sure that W leads to the same primary.
func (p *Heartbeat) askBoth(ctx context.Context, l *link.Pair) (a nodeStatus, err error) {
	var id string
	var wErr error
	var wg sync.WaitGroup
	wg.Go(func() { id, wErr = primaryID(l.W.Do(ctx, l.W.B().Arbitrary("INFO", "replication").Build())) })
	a, err = p.askOne(ctx, l.T, Node{Key: p.ownKey()})
	wg.Wait()
	if err = oneline.Join(err, wErr); err == nil && a.ids[0] != id {
		err = link.ErrApart
	}
	return a, err
}

// primaryID reads the reply to INFO replication of a server that must be a primary.
// The id is that of its data; empty where it is missing, or INFO not permitted.
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
				return "", link.ErrDemoted
			}
		case "master_replid":
			id = value
		}
	}
	return id, nil
}
