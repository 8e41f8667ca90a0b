package retry

import (
	"maps"
	"slices"
	"sync"
	"sync/atomic"
	"time"
)

// logParts is the number of intervals of a Log. The names of an interval are forgotten
// together, when the last of them is old enough.
const logParts = 5

// A Log is a recent-write log: the names of acknowledged writes, to be made again if the
// server has lost them. A name takes about 40 bytes and its text. A nil Log is empty. All
// methods may be called concurrently.
//
// Time stops while the server is disconnected: writes just before an outage are not forgotten
// during it.
type Log struct {
	part    time.Duration // the length of an interval: all but one make up what NewLog was given
	replays atomic.Uint64

	mu             sync.Mutex
	parts          [logParts]changes // the latest first
	began          time.Time         // start of the latest
	disconnectedAt time.Time         // zero: the server is connected
}

// changes are the names that were changed in an interval.
type changes struct {
	names map[string]struct{}
	all   bool // every name, and then names is nil
}

// NewLog returns a log that remembers a write for keep, or up to a quarter longer.
func NewLog(keep time.Duration) *Log {
	return &Log{part: max(keep/(logParts-1), 1), began: time.Now()}
}

// Moment must be called before a write is sent, or a read that a replay may overtake.
func (l *Log) Moment() uint64 {
	if l == nil {
		return 0
	}
	return l.replays.Load()
}

// Add notes that names were written, or all names. It returns false if the log was replayed
// since the moment m, and so without them: they must be written again.
func (l *Log) Add(m uint64, names []string, all bool) bool {
	if l == nil {
		return true
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	l.turn()
	size := len(names)
	for i := range l.parts {
		size += len(l.parts[i].names)
	}
	now := &l.parts[0]
	switch {
	case now.all:
	case all || size > MaxNames:
		*now = changes{all: true}
	case now.names == nil:
		now.names = make(map[string]struct{}, len(names))
		fallthrough
	default:
		for _, name := range names {
			now.names[name] = struct{}{}
		}
	}
	return l.replays.Load() == m
}

// turn begins a new interval if it is time, and forgets old ones. The lock is held.
func (l *Log) turn() {
	if !l.disconnectedAt.IsZero() {
		return
	}
	n := int64(time.Since(l.began) / l.part)
	if n == 0 {
		return
	}
	l.began = l.began.Add(time.Duration(n) * l.part)
	n = min(n, logParts)
	copy(l.parts[n:], l.parts[:])
	clear(l.parts[:n])
}

// Connected notes whether the server is connected.
func (l *Log) Connected(connected bool) {
	if l == nil {
		return
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	switch {
	case !connected && l.disconnectedAt.IsZero():
		l.turn()
		l.disconnectedAt = time.Now()
	case connected && !l.disconnectedAt.IsZero():
		l.began = l.began.Add(time.Since(l.disconnectedAt))
		l.disconnectedAt = time.Time{}
	}
}

// Replay returns what was written, for the caller to write again. It stays in the log.
func (l *Log) Replay() (b Batch) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.turn()
	l.replays.Add(1)
	union := make(map[string]struct{})
	for i := range l.parts {
		if l.parts[i].all {
			return Batch{All: true}
		}
		maps.Copy(union, l.parts[i].names)
	}
	return Batch{Names: slices.Collect(maps.Keys(union))}
}

// Empty reports whether b has nothing.
func (b Batch) Empty() bool { return !b.All && len(b.Names) == 0 && len(b.Patterns) == 0 }
