package heartbeat

import (
	"context"
	"log/slog"
	"time"
)

// logEvery bounds how often the loss of a connection is logged.
const logEvery = 10 * time.Second

// A connectionLog is what is to be logged of connections. Heartbeat.mu guards it.
type connectionLog struct {
	lost  time.Time     // when invalidations stopped to arrive; zero: they do, or never did
	took  time.Duration // the last loss that is over
	times int           // losses that are over and not logged
	said  bool          // the loss is in the log
	last  time.Time     // of the last line about a loss
}

// changed notes that invalidations arrive, or do not while they should.
func (l *connectionLog) changed(connected, should bool) {
	switch {
	case connected && !l.lost.IsZero():
		l.took, l.lost = time.Since(l.lost), time.Time{}
		l.times++
	case !connected && should:
		l.lost = time.Now()
	}
}

// logConnection writes a line when invalidations stop to arrive, and when they arrive again. err
// is that of the heartbeat that has ended. Losses within logEvery share a line.
func (p *Heartbeat) logConnection(ctx context.Context, err error) {
	log := p.link.Breakers.Log
	if log == nil || ctx.Err() != nil {
		return
	}
	level, text, attrs := p.connectionLine(err)
	if text == "" {
		return
	}
	attrs = append([]slog.Attr{slog.String("address", p.link.Address())}, attrs...)
	log.LogAttrs(ctx, level, text, attrs...)
}

func (p *Heartbeat) connectionLine(err error) (level slog.Level, text string, attrs []slog.Attr) {
	p.mu.Lock()
	defer p.mu.Unlock()
	l, connected := &p.log, p.connected.Load()
	switch {
	case !connected && err != nil && !l.said && time.Since(l.last) >= logEvery:
		l.said, l.last = true, time.Now()
		if l.lost.IsZero() {
			l.lost = l.last // it was never connected
		}
		return slog.LevelWarn, "strata: disconnected: invalidations do not arrive from Redis", []slog.Attr{slog.Any("cause", err)}
	case connected && l.said:
		attrs = []slog.Attr{slog.Duration("duration", l.took), slog.Int("times", l.times)}
		l.said, l.times = false, 0
		return slog.LevelInfo, "strata: connected again: invalidations arrive from Redis", attrs
	case connected && l.times > 0 && time.Since(l.last) >= logEvery:
		attrs = []slog.Attr{slog.Duration("duration", l.took), slog.Int("times", l.times)}
		l.times, l.last = 0, time.Now()
		return slog.LevelInfo, "strata: a connection to Redis was replaced", attrs
	}
	return 0, "", nil
}

// logRollback writes that Redis may have lost writes.
func (p *Heartbeat) logRollback(cause string) {
	if log := p.link.Breakers.Log; log != nil {
		log.LogAttrs(context.Background(), slog.LevelWarn, "strata: Redis may have lost acknowledged writes; recent ones are repeated",
			slog.String("address", p.link.Address()), slog.String("cause", cause))
	}
}
