package redisstore

import "log/slog"

// refuse notes that Redis refuses for good to invalidate tag; empty: every tag. The first one
// is logged.
func (t *Tags) refuse(tag string, err error) {
	p := &t.pending
	p.mu.Lock()
	p.refused++
	p.refusedErr = err
	first := p.refused == 1
	p.mu.Unlock()
	if log := t.client.breakers.log; log != nil && first {
		log.Warn("strata: Redis refuses to invalidate a tag, which is not retried any more; Health().RefusedTags counts them",
			slog.String("tag", shortTag(tag)), slog.Any("error", err))
	}
}

// shortTag returns the beginning of a tag, for a line of a log.
func shortTag(tag string) string {
	const most = 100
	if len(tag) > most {
		return tag[:most] + "..."
	}
	return tag
}

// refusedTags returns how many tags were refused, and the error of the last one.
func (p *pendingTags) refusedTags() (n uint64, last error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.refused, p.refusedErr
}
