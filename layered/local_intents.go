package layered

import (
	"sync"
	"sync/atomic"
	"time"

	"github.com/lokroom/strata/store"
)

// localIntents are the write intents of a Store without an L2. They say whether another write of
// a key came between BeginWrite and CommitSet. The zero localIntents is usable.
type localIntents struct {
	open atomic.Int64 // number of keys, so that a write without intents takes no lock
	mu   sync.Mutex
	keys map[string]*intentKey
	next int // number of keys at which ended intents are removed
}

type intentKey struct {
	open   int        // intents that have not ended
	writes uint64     // writes since the first of them
	until  store.Time // the end of the last hold: an intent that nobody ends is then forgotten
}

// A moment is the state of a key after BeginWrite.
type moment struct {
	key    *intentKey // another one, or none, once all intents have ended
	writes uint64
}

// begin adds an intent for key that lasts for hold. end must follow.
func (l *localIntents) begin(key string, hold time.Duration) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.keys == nil {
		l.keys = make(map[string]*intentKey)
	}
	if len(l.keys) >= l.next {
		l.forget(store.Now())
	}
	k := l.keys[key]
	if k == nil {
		k = &intentKey{}
		l.keys[key] = k
		l.open.Add(1)
	}
	k.open++
	k.until = max(k.until, store.In(hold))
}

// end removes an intent for key.
func (l *localIntents) end(key string) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if k := l.keys[key]; k != nil {
		if k.open--; k.open == 0 {
			delete(l.keys, key)
			l.open.Add(-1)
		}
	}
}

func (l *localIntents) forget(now store.Time) {
	for key, k := range l.keys {
		if k.until <= now {
			delete(l.keys, key)
			l.open.Add(-1)
		}
	}
	l.next = max(64, 2*len(l.keys))
}

// moment returns the state of key.
func (l *localIntents) moment(key string) moment {
	l.mu.Lock()
	defer l.mu.Unlock()
	if k := l.keys[key]; k != nil {
		return moment{k, k.writes}
	}
	return moment{}
}

// wrote counts a write of keys that is about to begin.
func (l *localIntents) wrote(keys []string) {
	if l.open.Load() == 0 {
		return
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	for _, key := range keys {
		if k := l.keys[key]; k != nil {
			k.writes++
		}
	}
}

// wroteAll counts a write of all keys.
func (l *localIntents) wroteAll() {
	if l.open.Load() == 0 {
		return
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	for _, k := range l.keys {
		k.writes++
	}
}

// set calls f if no write of key has begun since the moment, but that of the caller, nor begins
// before f has returned. f must be quick.
func (l *localIntents) set(key string, since moment, f func()) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if k := l.keys[key]; k != nil && k == since.key && k.writes == since.writes+1 && store.Now() < k.until {
		f()
	}
}
